"""What `passcom audit` and `passcom settle` print: tables for people, JSON and CSV for programs."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO

import msgspec
import orjson
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airline_node.audit.travel import LifeEvent, counts
from airline_node.audit.verify import Verified
from airline_node.rows import TAGS
from ledger.audit import Fault
from ledger.events import AnyEvent, StreamName
from ledger.history import BookingThen, FlightThen, SeatState
from ledger.settlement import Coupon, Settlement
from ledger.terms import CarrierCode, Centavos, FlightId, Millis

DAY_MS: Millis = 24 * 3_600_000
NEVER: Millis = 2**53
LETTERS: Mapping[SeatState, str] = {
    SeatState.FREE: ".",
    SeatState.HELD: "h",
    SeatState.PLEDGED: "p",
    SeatState.SOLD: "s",
}


class EvidenceLine(Struct, frozen=True):
    """An event that proves a finding, with what lies at its position; null: nothing does."""

    carrier: CarrierCode
    position: int
    stream: StreamName | None
    version: int | None
    event: object


class FindingLine(Struct, frozen=True):
    fault: Fault
    stream: StreamName
    detail: str
    evidence: tuple[EvidenceLine, ...]


class Audited(Struct, frozen=True):
    """All that an audit has to say. `events` counts what was read of each log."""

    logs: dict[CarrierCode, str]
    events: dict[CarrierCode, int]
    verified: tuple[Verified, ...]
    notices: tuple[str, ...]
    findings: tuple[FindingLine, ...]


def as_json(value: object) -> str:
    return orjson.dumps(msgspec.to_builtins(value, str_keys=True), option=orjson.OPT_INDENT_2).decode()


def findings_csv(findings: Iterable[FindingLine]) -> str:
    rows = (
        (line.fault, line.stream, line.detail, " ".join(f"{one.carrier}:{one.position}" for one in line.evidence))
        for line in findings
    )
    return _csv(("fault", "stream", "detail", "evidence"), rows)


def coupons_csv(coupons: Iterable[Coupon]) -> str:
    rows = (
        (
            *(c.debtor, c.creditor, _money(c.fare), c.ticket, c.coupon, c.flight, c.seat, iso(c.departure), c.booking),
            *(f"{one.carrier}:{one.position}" if one else "" for one in (c.sold, c.decided)),
            c.dispute,
        )
        for c in coupons
    )
    head = ("debtor", "creditor", "fare_brl", "ticket", "coupon", "flight", "seat", "departure", "booking")
    return _csv((*head, "sold_at", "decided_at", "dispute"), rows)


def settlement_json(settled: Settlement) -> str:
    owed = [
        {"debtor": debtor, "creditor": creditor, "centavos": sum_} for (debtor, creditor), sum_ in settled.owed.items()
    ]
    return as_json({"owed": owed, "net": settled.net, "coupons": settled.coupons})


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


# ---- tables ----------------------------------------------------------------------------------------------------------


def show(audited: Audited, console: Console) -> None:
    read = Table("log", "where", "events", box=None)
    for carrier, place in audited.logs.items():
        read.add_row(carrier, Text(place), f"{audited.events.get(carrier, 0):,}")
    console.print(read)
    for one in audited.verified:
        who = ", ".join(f"{carrier} up to {size:,}" for carrier, size in sorted(one.cosigned.items())) or "nobody"
        console.print(
            Text(f"{one.carrier}: {one.checkpoints:,} checkpoints hold, up to event {one.size:,}; cosigned by {who}.")
        )
    for notice in audited.notices:
        console.print(Text(f"Note: {notice}."))
    if not audited.findings:
        console.print(Text("Nothing is wrong.", style="green"))
        return
    for number, finding in enumerate(audited.findings, 1):
        console.print(Text(f"\n{number}. {finding.fault}", style="bold red"), Text(finding.stream))
        console.print(Text(f"   {finding.detail}"))
        for line in finding.evidence:
            what = orjson.dumps(line.event).decode() if line.event is not None else "nothing lies there"
            console.print(Text(f"   {line.carrier} {line.position}: {what}", style="dim"))
    count = len(audited.findings)
    console.print(Text(f"\n{count} {'finding' if count == 1 else 'findings'}."))


def show_flight(flight: FlightId, then: FlightThen, last: int, console: Console) -> None:
    if then.plan is None:
        console.print(Text(f"{flight} was not on sale then."))
        return
    plan, numbers = then.plan, counts(then)
    console.print(
        Text(f"{flight} {plan.origin}-{plan.destination}, leaves {iso(plan.departure)}; last changed at {last}")
    )
    console.print(Text(", ".join(f"{count} {state}" for state, count in numbers.items())))
    rows: dict[str, list[str]] = {}
    for seat in plan.seats:
        state = then.seats[seat].state if seat in then.seats else SeatState.FREE
        rows.setdefault(seat[:-1], []).append(f"{seat[-1]}{LETTERS[state]}")
    for row, seats in rows.items():
        console.print(Text(f"{row:>3}  {' '.join(seats)}"))
    if then.seats:
        table = Table("seat", "state", "booking", "of", box=None)
        for seat, owner in then.seats.items():
            table.add_row(seat, owner.state, owner.booking, owner.coordinator)
        console.print(table)


def show_booking(booking: str, then: BookingThen, life: Sequence[LifeEvent], console: Console) -> None:
    if not life:
        console.print(Text(f"No log at hand knew of {booking} then."))
        return
    console.print(Text(f"{booking}: {then.state}{', settled' if then.settled else ''}"))
    table = Table("at (UTC)", "log", "position", "event", "of", box=None)
    for one in life:
        of = " ".join(filter(None, (getattr(one.what, "flight", None), getattr(one.what, "seat", None))))
        table.add_row(iso(one.what.at), one.carrier, str(one.position), TAGS[type(one.what)], of)
    console.print(table)


def show_counts(flights: Mapping[FlightId, FlightThen], console: Console) -> None:
    table = Table("flight", "leaves (UTC)", "free", "held", "pledged", "sold", box=None)
    for flight, then in sorted(flights.items()):
        if then.plan:
            numbers = counts(then)
            table.add_row(flight, iso(then.plan.departure), *(str(numbers[state]) for state in SeatState))
    console.print(table)


def show_settlement(settled: Settlement, console: Console) -> None:
    owed = Table("owes", "to", "coupons", "BRL", box=None)
    for (debtor, creditor), amount in sorted(settled.owed.items()):
        count = sum((c.debtor, c.creditor, c.dispute) == (debtor, creditor, "") for c in settled.coupons)
        owed.add_row(debtor, creditor, f"{count:,}", _money(amount))
    console.print(owed)
    net = Table("carrier", "receives (pays, if below zero)", box=None)
    for carrier, amount in settled.net.items():
        net.add_row(carrier, _money(amount))
    console.print(net)
    console.print(Text(f"The sum is {_money(sum(settled.net.values()))}."))
    for coupon in settled.coupons:
        if coupon.dispute:
            console.print(
                Text(f"Disputed: {coupon.ticket} coupon {coupon.coupon} on {coupon.flight}: {coupon.dispute}.")
            )


def iso(at: Millis) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _money(amount: Centavos) -> str:
    sign, amount = "-" if amount < 0 else "", abs(amount)
    return f"{sign}{amount // 100}.{amount % 100:02d}"


def event_line(event: AnyEvent | None) -> object:
    return None if event is None else msgspec.to_builtins(event)

"""Three carriers' honest logs on a disk, signed and cosigned; and what somebody does to them behind their backs."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from airline_node.audit.page import Audited
from airline_node.audit.run import audit
from airline_node.audit.sources import open_sources
from airline_node.config import LEDGER
from airline_node.evidence.notary import TREE_FILE, restore
from airline_node.evidence.notes import cosigned
from airline_node.evidence.shelf import FILE, Shelf
from airline_node.journal import Journal
from airline_node.rows import checksum
from ledger.audit import Fault
from ledger.events import (
    AnyEvent,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    FlightScheduled,
    Recorded,
    SeatCommitted,
    SeatHeld,
    VotingStarted,
    stream_of,
)
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, Segment
from tests.evidence.given import KEYS, NOW, PUBLIC, note_of

HERE, THERE = "AN1001/2026-12-14", "JG2001/2026-12-14"
DEPARTURE: Millis = NOW + 20 * 24 * 3_600_000
SEATS = tuple(f"{row}{letter}" for row in range(1, 9) for letter in "ABC")
FARES = {HERE: 10_000, THERE: 25_050}
SIGN_EVERY = 10
STEP_MS = 1_000

Told = tuple[CarrierCode, AnyEvent]


def flight(number: FlightId) -> FlightScheduled:
    return FlightScheduled(
        at=NOW,
        flight=number,
        origin="GRU",
        destination="SSA",
        departure=DEPARTURE,
        arrival=DEPARTURE + 7_200_000,
        aircraft="A320",
        cabin="ABC",
        seats=SEATS,
        fare=FARES[number],
    )


def booking_id(number: int) -> BookingId:
    return f"booking-of-passenger-{number:04d}"


def purchase(number: int, at: Millis) -> list[Told]:
    """A booking that AN takes, of one seat on its own flight and one on JG's."""
    booking, seat, ticket = booking_id(number), SEATS[number % len(SEATS)], f"98100000{number:05d}"
    segments = tuple(
        Segment(flight=f, origin="GRU", destination="SSA", departure=DEPARTURE, arrival=DEPARTURE + 1, fare=FARES[f])
        for f in (HERE, THERE)
    )

    def held(f: FlightId, coupon: int) -> SeatHeld:
        return SeatHeld(
            at=at + 2,
            flight=f,
            seat=seat,
            booking=booking,
            coordinator="AN",
            participants=(HERE, THERE),
            expires_at=None,
            decide_by=at + 10_000,
            ticket=ticket,
            coupon=coupon,
        )

    def sold(f: FlightId, coupon: int) -> SeatCommitted:
        return SeatCommitted(at=at + 5, flight=f, seat=seat, booking=booking, ticket=ticket, coupon=coupon)

    price, until = sum(FARES.values()), at + 600_000
    opening = BookingOpened(
        at=at, booking=booking, segments=segments, passengers=1, price=price, body_hash="", hold_until=until
    )
    voting = VotingStarted(
        at=at + 1, booking=booking, decide_by=at + 10_000, first_serial=number + 1, tickets=(ticket,)
    )
    return [
        ("AN", opening),
        ("AN", voting),
        ("AN", held(HERE, 1)),
        ("JG", held(THERE, 2)),
        ("AN", BookingCommitted(at=at + 4, booking=booking, seats=((seat,), (seat,)))),
        ("AN", sold(HERE, 1)),
        ("JG", sold(THERE, 2)),
        ("AN", BookingSettled(at=at + 6, booking=booking)),
    ]


def honest(purchases: int = 8) -> list[Told]:
    told: list[Told] = [("AN", flight(HERE)), ("JG", flight(THERE))]
    for number in range(purchases):
        told += purchase(number, NOW + (number + 1) * STEP_MS)
    return told


def recorded(told: Iterable[Told]) -> dict[CarrierCode, list[Recorded]]:
    """Each carrier's log, with every event's version in its stream."""
    logs: dict[CarrierCode, list[Recorded]] = {"AN": [], "JG": []}
    versions: dict[tuple[CarrierCode, str], int] = {}
    for carrier, event in told:
        place = (carrier, stream_of(event))
        versions[place] = versions.get(place, 0) + 1
        logs[carrier].append(Recorded(versions[place], event))
    return logs


def write(folder: Path, told: Iterable[Told], *, sign: bool = True) -> None:
    """Each carrier's data folder as its node leaves it; every tenth event a checkpoint, cosigned by the others."""
    for carrier, records in recorded(told).items():
        with closing(Journal.open(str(folder / carrier / LEDGER))) as journal:
            asyncio.run(journal.append(records))
            if sign:
                _sign(folder, carrier, journal, len(records))


def _sign(folder: Path, carrier: CarrierCode, journal: Journal, size: int) -> None:
    with ExitStack() as opened:
        tree = opened.enter_context(closing(restore(folder / carrier / TREE_FILE, None, journal)))
        shelves = {who: opened.enter_context(closing(Shelf(folder / who / FILE))) for who in ("AN", "JG")}
        for signed in (*range(SIGN_EVERY, size, SIGN_EVERY), size):
            note = note_of(carrier, tree, signed)
            others = [cosigned(note.checkpoint, KEYS[other], NOW // 1000) for other in KEYS if other != carrier]
            for keeper, shelf in shelves.items():
                shelf.keep(note.with_signatures(others), NOW, signed if keeper == carrier else 0)


def meddle(folder: Path, carrier: CarrierCode, work: Callable[[sqlite3.Connection], object]) -> None:
    """With the file of a log, as whoever owns the machine can."""
    with closing(sqlite3.connect(folder / carrier / LEDGER)) as database:
        work(database)
        database.commit()


def edit(database: sqlite3.Connection, position: int, old: str, new: str) -> None:
    """Another word in an event, and the checksum made to fit."""
    stream, version, state = database.execute(
        "SELECT originator_id, originator_version, state FROM stored_events WHERE rowid = ?", (position,)
    ).fetchone()
    body = state[8:].decode()
    assert old in body, body
    changed = body.replace(old, new).encode()
    sealed = checksum(stream, version, changed) + changed
    database.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", (sealed, position))


def audited(folder: Path, *, verify: bool = True, at_rest: bool = False) -> Audited:
    sources = open_sources([str(folder)], "")
    try:
        return audit(sources, PUBLIC if verify else None, lambda _carrier, _count: None, at_rest=at_rest)
    finally:
        for source in sources:
            source.close()


def found(one: Audited) -> list[tuple[Fault, str]]:
    """Each finding's kind and the events that prove it."""
    return [
        (finding.fault, " ".join(f"{line.carrier}:{line.position}" for line in finding.evidence))
        for finding in one.findings
    ]


def kinds(one: Audited) -> Sequence[Fault]:
    return [fault for fault, _ in found(one)]

"""What lies beside a log and must agree with it: checkpoints, the tree's file, snapshots. What runs is `live.py`'s."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from airline_node.audit.leaves import Written, written_leaves
from airline_node.audit.replay import Moment
from airline_node.audit.sources import HttpSource, Source, SourceTrouble
from airline_node.audit.verify import LogCheck, Signed
from airline_node.evidence.keys import PublicKey, log_name
from airline_node.evidence.routes import CheckpointsAnswer
from airline_node.evidence.shelf import FILE as SHELF_FILE
from airline_node.evidence.shelf import Alarm, ShelfTrouble, read_shelf
from ledger.audit import Audit, Fault, Finding
from ledger.audit.state import Flight
from ledger.events import booking_stream, flight_stream
from ledger.participant.state import HoldState
from ledger.terms import CarrierCode, carrier_of
from snapshots.form import Picture, decoded
from snapshots.store import SnapshotDamaged, unsealed

# ---- what was signed ---------------------------------------------------------------------------------------------


class Shelves(Struct, frozen=True):
    """Every note and alarm at hand, by the log that they are about."""

    notes: Mapping[str, list[Signed]]
    alarms: Sequence[tuple[str, Alarm]]
    troubles: Sequence[str]


_CHECKPOINTS = msgspec.json.Decoder(CheckpointsAnswer)


def shelves(sources: Sequence[Source]) -> Shelves:
    notes: dict[str, list[Signed]] = {}
    alarms: list[tuple[str, Alarm]] = []
    troubles: list[str] = []
    for source in sources:
        try:
            texts, sounded = _shelf(source)
        except (ShelfTrouble, SourceTrouble, msgspec.DecodeError) as trouble:
            troubles.append(f"the checkpoints that {source.carrier} keeps cannot be read: {trouble}")
            continue
        alarms += [(source.carrier, alarm) for alarm in sounded]
        for text in texts:
            notes.setdefault(text.partition("\n")[0], []).append(Signed(source.carrier, text))
    return Shelves(notes, alarms, troubles)


def _shelf(source: Source) -> tuple[list[str], Sequence[Alarm]]:
    if isinstance(source, HttpSource):
        told = source.get("/api/checkpoints", missing_ok=True)
        answer = _CHECKPOINTS.decode(told) if told else CheckpointsAnswer((), ())
        return list(answer.notes), answer.alarms
    if source.folder is None or not (source.folder / SHELF_FILE).exists():
        return [], ()
    return read_shelf(source.folder / SHELF_FILE)


def log_checks(sources: Sequence[Source], keys: Mapping[CarrierCode, PublicKey], at_hand: Shelves) -> list[LogCheck]:
    return [
        LogCheck(source.carrier, keys, at_hand.notes.get(log_name(source.carrier), ()), Written(written_leaves(source)))
        for source in sources
    ]


def alarm_findings(at_hand: Shelves) -> list[Finding]:
    return [
        Finding(Fault.FORKED, f"log:{alarm.origin}", f"{keeper} keeps the evidence: {alarm.what}")
        for keeper, alarm in at_hand.alarms
    ]


# ---- snapshots ---------------------------------------------------------------------------------------------------


def snapshot_moments(source: Source, audit: Callable[[], Audit]) -> list[Moment]:
    """For each snapshot beside the log, a comparison to be made when the log has been heard so far."""
    if source.folder is None:
        return []
    files = sorted((source.folder / "snapshots").glob("[0-9]*.json"))
    return [_snapshot_moment(source.carrier, file, audit) for file in files]


def _snapshot_moment(carrier: CarrierCode, file: Path, audit: Callable[[], Audit]) -> Moment:
    try:
        position, state = unsealed(file.read_bytes())
        seen = decoded(state)
    except (OSError, SnapshotDamaged, ValueError) as wrong:
        finding = Finding(Fault.SNAPSHOT, f"snapshot:{file.name}", f"it cannot be read: {wrong}")
        return int(file.stem), lambda: [finding]
    return position, lambda: _compare(carrier, file.name, seen, audit())


def _compare(carrier: CarrierCode, file: str, seen: Picture, audit: Audit) -> list[Finding]:
    """A snapshot against the events up to it. What it has forgotten because it was over is no difference."""
    found: list[Finding] = []

    def differs(stream: str, what: str) -> None:
        found.append(Finding(Fault.SNAPSHOT, stream, f"{file} of {carrier}: {what}"))

    if seen.carrier != carrier:
        differs(f"snapshot:{file}", f"it is a snapshot of {seen.carrier}")
        return found
    shown = {flight.id: flight for flight in seen.flights}
    for flight in seen.flights:
        holds = {
            seat: (booking, state is HoldState.SOLD)
            for booking, claim in flight.claims.items()
            for seat, state in claim.holds.items()
        }
        heard = audit.flights.get(flight.id) or Flight()
        for seat, (had, told) in _differences(holds, _owners(heard)).items():
            differs(flight_stream(flight.id), f"{seat} is {_words(had)}, and the log says {_words(told)}")
    for flight_id, heard in audit.flights.items():
        if (
            carrier_of(flight_id) == carrier
            and flight_id not in shown
            and not all(o.sold for o in heard.owners.values())
        ):
            differs(flight_stream(flight_id), "it is not in it, and seats of it are held")
    bookings = {booking.id for booking in seen.bookings}
    for (coordinator, booking), known in audit.bookings.items():
        if coordinator == carrier and known.opened and not known.settled and booking not in bookings:
            differs(booking_stream(booking), "it is not in it, and the log has not settled it")
    for pictured in seen.bookings:
        told_booking = audit.bookings.get((carrier, pictured.id))
        if told_booking and told_booking.version != pictured.version:
            differs(
                booking_stream(pictured.id), f"it has {pictured.version} events, and the log has {told_booking.version}"
            )
    return found


def _owners(flight: Flight) -> dict[str, tuple[str, bool]]:
    return {seat: (owner.order[1], owner.sold) for seat, owner in flight.owners.items()}


def _differences(
    one: Mapping[str, tuple[str, bool]], other: Mapping[str, tuple[str, bool]]
) -> dict[str, tuple[tuple[str, bool] | None, tuple[str, bool] | None]]:
    return {
        key: (one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    }


def _words(owner: tuple[str, bool] | None) -> str:
    return "free" if owner is None else f"{'sold to' if owner[1] else 'held for'} {owner[0]}"

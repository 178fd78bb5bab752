"""What a node that runs shows of its seats, against what its log says: all of its flights, page by page.

A page is a few milliseconds of the node's work, and it has a moment to itself between two. What moves meanwhile is left
out, since the log is heard first and the seats are looked at later.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias
from urllib.parse import quote

import msgspec

from airline_node.audit.replay import Replay
from airline_node.audit.sources import HttpSource, SourceTrouble
from airline_node.availability import FLIGHTS_PER_CARRIER_MAX
from airline_node.rows import BadRow, event_of
from airline_node.taken import TakenAnswer
from ledger.audit import Cited, Fault, Finding
from ledger.audit.audit import FORGET_MS
from ledger.audit.state import Flight
from ledger.events import FlightEvent, flight_stream
from ledger.terms import CarrierCode, FlightId, Millis, SeatNo, carrier_of

PUBLISHED_S: Final = 0.5
"""A node shows a change at latest so long after it is on disk."""
PAUSE_S: Final = 0.01
"""Between two pages."""

Compared: TypeAlias = Callable[[CarrierCode, int, int], None]
"""Told how many of how many flights were looked at."""
Shown: TypeAlias = Mapping[SeatNo, str]
"""Seats that are not free: `held` or `sold`."""

_TAKEN = msgspec.json.Decoder(TakenAnswer)


def live_findings(
    source: HttpSource, replay: Replay, compared: Compared, now: Callable[[], Millis]
) -> tuple[list[Finding], list[str]]:
    """What the node shows otherwise than its log says it; and, as notices, what could not be compared."""
    time.sleep(PUBLISHED_S)
    own = {flight: known for flight, known in replay.audit.flights.items() if carrier_of(flight) == source.carrier}
    try:
        shown = _shown(source, lambda count: compared(source.carrier, min(count, len(own)), len(own)))
    except (SourceTrouble, msgspec.DecodeError, UnicodeDecodeError) as trouble:
        return [], [f"what {source.carrier}'s node shows of its seats was not compared: {trouble}"]
    moved, asked = _moved_since(source, replay.ends[source.carrier]), now()
    found: list[Finding] = []
    for flight, known in own.items():
        if flight in moved:
            continue
        if flight in shown:
            found += _differences(flight, known, shown[flight])
        elif known.owners and known.leaves - FORGET_MS > asked:
            detail = f"the node shows no such flight, and its log says that {len(known.owners)} of its seats are taken"
            found.append(Finding(Fault.LIVE, flight_stream(flight), detail, _cited(known, min(known.owners))))
    return found, []


def _differences(flight: FlightId, known: Flight, seats: Shown) -> Iterator[Finding]:
    heard = {seat: "sold" if owner.sold else "held" for seat, owner in known.owners.items()}
    for seat in sorted(seats.keys() | heard.keys()):
        said, told_by_log = seats.get(seat, "free"), heard.get(seat, "free")
        if said != told_by_log:
            detail = f"the node shows {seat} as {said}, and its log says {told_by_log}"
            yield Finding(Fault.LIVE, flight_stream(flight), detail, _cited(known, seat))


def _cited(known: Flight, seat: SeatNo) -> tuple[Cited, ...]:
    owner = known.owners.get(seat)
    return (owner.sold_at or owner.at,) if owner else ()


def _shown(source: HttpSource, progress: Callable[[int], None]) -> dict[FlightId, Shown]:
    """Every flight that the node has. Raises `SourceTrouble`, also for a node that comes to no end."""
    shown: dict[FlightId, Shown] = {}
    after = ""
    while page := _TAKEN.decode(source.get(f"/api/taken?after={quote(after, safe='')}")).flights:
        for one in page:
            shown[one.flight] = dict.fromkeys(one.held, "held") | dict.fromkeys(one.sold, "sold")
        if page[-1].flight <= after or len(shown) > FLIGHTS_PER_CARRIER_MAX:
            raise SourceTrouble(f"{source.name} goes on telling flights after {after}")
        after = page[-1].flight
        progress(len(shown))
        time.sleep(PAUSE_S)
    return shown


def _moved_since(source: HttpSource, position: int) -> set[FlightId]:
    moved: set[FlightId] = set()
    for rows in source.sections(position):
        for _, stream, version, tag, state in rows:
            try:
                event = event_of(stream, version, tag, state)
            except BadRow:
                continue
            if isinstance(event, FlightEvent):
                moved.add(event.flight)
    return moved

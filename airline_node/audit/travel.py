"""`--at`: the logs as they stood at an instant or at a position. Seats of a flight, a booking's life, free counts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from airline_node.audit.replay import Heard
from airline_node.audit.sources import Source, SourceTrouble
from airline_node.rows import BadRow, event_of
from ledger.events import AnyEvent, FlightEvent, booking_stream, flight_stream
from ledger.history import BookingThen, FlightThen, SeatState
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, carrier_of


class When(Struct, frozen=True):
    """An instant of the events' own clocks, or a position of one log. Neither: now."""

    instant: Millis | None = None
    position: int | None = None

    def past(self, heard: Heard) -> bool:
        """Whether the event had happened by then."""
        position, _, event = heard
        if self.position is not None:
            return position <= self.position
        return self.instant is None or event.at <= self.instant


def when(text: str) -> When:
    """`2026-12-01T10:00Z`, `2026-12-01` (its first moment), or a position. Raises ValueError."""
    if re.fullmatch("[0-9]{1,15}", text):
        return When(position=int(text))
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return When(instant=round(instant.timestamp() * 1000))


class LifeEvent(Struct, frozen=True):
    """One event of a booking's life, and in which log."""

    carrier: CarrierCode
    position: int
    what: AnyEvent


def flight_then(sources: Sequence[Source], flight: FlightId, at: When) -> tuple[FlightThen, int]:
    """The flight's seats then, and at which position of its carrier's log that was last changed."""
    source = _of(sources, carrier_of(flight))
    then, last = FlightThen(), 0
    for heard in _stream(source, flight_stream(flight)):
        if at.past(heard):
            then.hear(heard[2])
            last = heard[0]
    return then, last


def booking_then(sources: Sequence[Source], booking: BookingId, at: When) -> tuple[BookingThen, list[LifeEvent]]:
    """The booking then, and all that had happened to it in all logs at hand, in the order of the events' times."""
    then, life = BookingThen(), []
    known = {source.carrier: source for source in sources}
    for source in sources:
        heard = [one for one in _stream(source, booking_stream(booking)) if at.past(one)]
        for position, _, event in heard:
            then.hear(event)
            life.append(LifeEvent(source.carrier, position, event))
    for flight in then.flights:
        if of := known.get(carrier_of(flight)):
            for one in _stream(of, flight_stream(flight)):
                if getattr(one[2], "booking", None) == booking and at.past(one):
                    life.append(LifeEvent(of.carrier, one[0], one[2]))
    return then, sorted(life, key=lambda one: one.what.at)


def free_counts(sources: Sequence[Source], at: When) -> Mapping[FlightId, FlightThen]:
    """Every flight that was on sale then. Reads the logs up to that instant."""
    flights: dict[FlightId, FlightThen] = {}
    for source in sources:
        for rows in source.sections():
            for position, stream, version, tag, state in rows:
                if not stream.startswith("flight:"):
                    continue
                event = event_of(stream, version, tag, state)
                assert isinstance(event, FlightEvent)
                if at.past((position, version, event)):
                    flights.setdefault(event.flight, FlightThen()).hear(event)
            if at.position is not None and rows[-1][0] >= at.position:
                break
    return flights


def counts(then: FlightThen) -> dict[str, int]:
    return {state.value: then.count(state) for state in SeatState}


def _of(sources: Sequence[Source], carrier: CarrierCode) -> Source:
    found = next((source for source in sources if source.carrier == carrier), None)
    if found is None:
        raise SourceTrouble(f"the log of {carrier} is not among those that were named")
    return found


def _stream(source: Source, stream: str) -> Iterator[Heard]:
    for position, name, version, tag, state in source.stream(stream):
        try:
            yield position, version, event_of(name, version, tag, state)
        except BadRow as fault:
            raise SourceTrouble(f"{source.name}, position {position}: {fault}") from fault

"""The audit: hears every event of every log at hand, each log in its order, and then says what is wrong.

What a missing carrier would have to confirm is left open; what the logs at hand contradict is a finding.

    sold twice        two bookings own one seat
    half sold         committed, and a carrier has not sold its seats; or cancelled, and they were not given back
    unfounded         sold without a pledge or without a commit, released or returned by whom it does not belong to
    decided twice     a booking with two decisions; a ticket of two bookings
    forced            an operator broke a pledge, and the decision was to sell; until somebody has acknowledged it
    unexplained hold  a seat held long past its time, and no log at hand says why
    unkept            acknowledged to its traveller and not there, or denied and owned
    unfinished        only when all should be at rest: undecided, or a seat that is held for nothing
    gap, reordered    a stream whose versions do not count up by one

Its memory does not grow with the logs if it may `recall`: a booking that is settled everywhere leaves it, and so does a
flight that landed long ago; should an old booking have a later event, its stream is asked for again. The logs must then
be heard side by side, by their events' times.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from ledger.audit.findings import NO_PROMISES, Cited, Fault, Finding, Promises
from ledger.audit.state import Booking, Flight, Order, Owner, Place, name
from ledger.events import (
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingEvent,
    BookingOpened,
    BookingSettled,
    FlightScheduled,
    HoldReleased,
    MismatchAcknowledged,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    StreamName,
    VotingStarted,
    booking_stream,
    flight_stream,
    stream_of,
)
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, carrier_of

FORGET_MS: Millis = 72 * 3_600_000
"""A flight is forgotten so long after its arrival, if nothing on it waits."""
GRACE_MS: Millis = 15 * 60_000
"""A hold that is so long past its time, by both logs' clocks, needs an explanation."""

Recall: TypeAlias = Callable[[CarrierCode, BookingId], Iterable[tuple[int, int, AnyEvent]]]
"""A booking's stream up to now, from its coordinator's log: position, version, event."""


class Audit:
    """Tell it every event with `hear`; ask for `findings` at any time, and at the end."""

    def __init__(self, carriers: Iterable[CarrierCode] | None = None, recall: Recall | None = None) -> None:
        """`carriers` are those whose logs will be heard; without it, those that were."""
        self.flights: dict[FlightId, Flight] = {}
        self.bookings: dict[Order, Booking] = {}
        self.heard_until: dict[CarrierCode, Millis] = dict.fromkeys(carriers or (), 0)
        self._recall = recall
        self._tickets: dict[str, Order] = {}
        self._next_serial: dict[CarrierCode, int] = {}
        self._landing: list[tuple[Millis, FlightId]] = []
        self._found: list[Finding] = []
        self._hears: dict[type, Callable[..., None]] = {
            FlightScheduled: self._scheduled,
            SeatHeld: self._held,
            SeatCommitted: self._committed,
            HoldReleased: self._released,
            SeatReturned: self._returned,
            MismatchAcknowledged: self._acknowledged,
            BookingOpened: self._opened,
            VotingStarted: self._voting,
            BookingCommitted: self._decided,
            BookingAborted: self._decided,
            BookingSettled: self._settled,
            BookingCancelled: self._cancelled,
        }

    def hear(self, carrier: CarrierCode, event: AnyEvent, position: int = 0, version: int = 0) -> None:
        """The next event of this carrier's log. Without a version its place in its stream is not looked at."""
        self.heard_until[carrier] = event.at
        at = Cited(carrier, position)
        if isinstance(event, BookingEvent):
            order = (carrier, event.booking)
            booking = self.bookings.get(order)
            if booking is None:
                booking = self.bookings[order] = Booking()
                if version > 1 and self._recall:
                    self._remember(order, booking, position)
            if version and version != booking.version + 1:
                self._out_of_order(event, at, version, booking.version)
            booking.version = version
            if hears := self._hears.get(type(event)):
                hears(booking, order, event, at)
        else:
            flight = self.flights.get(event.flight)
            if flight is None:
                flight = self.flights[event.flight] = Flight()
                if version > 1 and self._recall and self._is_past(event.flight, event.at):
                    # It left memory long ago: what comes now was checked against the table by its own node.
                    flight.version = version - 1
                    flight.leaves = event.at
                    heapq.heappush(self._landing, (event.at, event.flight))
            if version and version != flight.version + 1:
                self._out_of_order(event, at, version, flight.version)
            flight.version = version
            if hears := self._hears.get(type(event)):
                hears(flight, event, at)

    def contradictions(self) -> list[Finding]:
        """What the events heard so far contradict by themselves, whatever any other log may say."""
        return list(self._found)

    def findings(self, promises: Promises = NO_PROMISES, *, at_rest: bool = False) -> list[Finding]:
        """Everything that is wrong. With `at_rest` nothing may be under way any more, in logs that are all at hand."""
        found = list(self._found)
        for order, booking in self.bookings.items():
            found += self._torn(order, booking, at_rest)
        found += self._left_waiting() if at_rest else self._unexplained()
        return found + list(self._unkept(promises))

    # ---- a flight --------------------------------------------------------------------------------------------------

    def _scheduled(self, flight: Flight, event: FlightScheduled, _at: Cited) -> None:
        flight.leaves = event.arrival + FORGET_MS
        if self._recall:
            heapq.heappush(self._landing, (flight.leaves, event.flight))
            while self._landing[0][0] < event.at:
                _, landed = heapq.heappop(self._landing)
                self._forget_flight(landed, event.at)

    def _held(self, flight: Flight, event: SeatHeld, at: Cited) -> None:
        order = (event.coordinator, event.booking)
        owner = flight.owners.get(event.seat)
        if owner is None:
            if booking := self._booking(order):
                booking.holding += 1
        elif owner.order != order or owner.ticket is not None:
            detail = f"{event.seat} is {name(owner.order)}'s, and held for {name(order)}"
            self._find(Fault.SOLD_TWICE, event, detail, owner.at, at)
        pledged = event.expires_at is None
        until = event.decide_by if pledged else event.expires_at
        flight.owners[event.seat] = Owner(order, event.ticket if pledged else None, until, at)

    def _committed(self, flight: Flight, event: SeatCommitted, at: Cited) -> None:
        if (owner := self._owner(flight, event, at)) is None:
            return
        if owner.ticket != event.ticket:
            detail = f"{event.seat} was pledged for {owner.ticket}, sold for {event.ticket}"
            self._find(Fault.UNFOUNDED, event, detail, owner.at, at)
        owner.sold, owner.sold_at = True, at
        if booking := self._booking(owner.order):
            booking.holding -= 1
            booking.sold[event.flight, event.seat] = at
            if booking.settled:
                self._leave(owner.order, booking)

    def _released(self, flight: Flight, event: HoldReleased, at: Cited) -> None:
        if (owner := self._owner(flight, event, at)) is None:
            return
        del flight.owners[event.seat]
        if booking := self._booking(owner.order):
            booking.holding -= not owner.sold
            if event.reason is ReleaseReason.FORCED:
                booking.forced[event.flight, event.seat] = at
            if booking.settled:
                self._leave(owner.order, booking)

    def _returned(self, flight: Flight, event: SeatReturned, at: Cited) -> None:
        if (owner := self._owner(flight, event, at)) is None:
            return
        del flight.owners[event.seat]
        if booking := self._booking(owner.order):
            booking.returned[event.flight, event.seat] = at
            self._leave(owner.order, booking)

    def _acknowledged(self, _flight: Flight, event: MismatchAcknowledged, _at: Cited) -> None:
        for order, booking in self.bookings.items():
            if order[1] == event.booking:
                booking.acknowledged.add(event.flight)

    def _owner(self, flight: Flight, event: SeatCommitted | HoldReleased | SeatReturned, at: Cited) -> Owner | None:
        """Whose the seat is, if it is this booking's; and it must be sold to be returned, and else must not be."""
        owner = flight.owners.get(event.seat)
        if owner is None or owner.order[1] != event.booking:
            if owner is None and flight.leaves and flight.leaves <= event.at:
                return None  # a flight that was forgotten
            whose = f"{name(owner.order)}'s" if owner else "nobody's"
            detail = f"{type(event).__name__} for {event.booking}: {event.seat} is {whose}"
            self._find(Fault.UNFOUNDED, event, detail, *([owner.at] if owner else []), at)
            return None
        if owner.sold is not isinstance(event, SeatReturned):
            detail = f"{type(event).__name__}: {event.seat} is {'' if owner.sold else 'not '}sold"
            self._find(Fault.UNFOUNDED, event, detail, owner.sold_at or owner.at, at)
        return owner

    # ---- a booking -------------------------------------------------------------------------------------------------

    def _opened(self, booking: Booking, _order: Order, event: BookingOpened, at: Cited) -> None:
        booking.opened = event
        booking.said.append(at)

    def _voting(self, booking: Booking, order: Order, event: VotingStarted, at: Cited) -> None:
        booking.tickets = event.tickets
        for ticket in event.tickets:
            if (first := self._tickets.setdefault(ticket, order)) != order:
                self._find(Fault.DECIDED_TWICE, event, f"ticket {ticket} belongs to {name(first)} already", at)
        if self._recall:
            # Bookings that were forgotten had lower numbers.
            if event.first_serial < self._next_serial.get(order[0], 0):
                detail = f"ticket {event.tickets[0]} has a number that was given out before"
                self._find(Fault.DECIDED_TWICE, event, detail, at)
            self._next_serial[order[0]] = event.first_serial + len(event.tickets)

    def _decided(self, booking: Booking, _order: Order, event: BookingCommitted | BookingAborted, at: Cited) -> None:
        if booking.decision is not None:
            before = f"it was decided before: {booking.decision}"
            self._find(Fault.DECIDED_TWICE, event, before, *booking.said[-1:], at)
        booking.decision = booking.decision or event
        booking.said.append(at)

    def _settled(self, booking: Booking, order: Order, _event: BookingSettled, _at: Cited) -> None:
        booking.settled = True
        self._leave(order, booking)

    def _cancelled(self, booking: Booking, _order: Order, _event: BookingCancelled, at: Cited) -> None:
        booking.cancelled, booking.settled = True, False
        booking.said.append(at)

    def _booking(self, order: Order) -> Booking | None:
        """Of whom the log is not at hand, nothing need be remembered but the seats."""
        if self._recall and order[0] not in self.heard_until:
            return None
        booking = self.bookings.get(order)
        if booking is None:
            booking = self.bookings[order] = Booking()
        return booking

    # ---- memory ----------------------------------------------------------------------------------------------------

    def _leave(self, order: Order, booking: Booking) -> None:
        """Out of memory, once every log at hand has said its last word and it is the right one."""
        if not self._recall or booking.holding or booking.forced or not booking.settled:
            return
        if isinstance(booking.decision, BookingCommitted):
            expected = {place for place in booking.decided() if carrier_of(place[0]) in self.heard_until}
            if booking.sold.keys() != expected or booking.returned.keys() != (expected if booking.cancelled else set()):
                return
        elif booking.sold or booking.returned:
            return
        for ticket in booking.tickets:
            self._tickets.pop(ticket, None)
        del self.bookings[order]

    def _remember(self, order: Order, booking: Booking, before: int) -> None:
        """What a booking had come to before this event of it: once more from its coordinator's log."""
        assert self._recall is not None
        found, self._found = self._found, []
        serial = self._next_serial.get(order[0], 0)
        for position, version, event in self._recall(*order):
            if position < before and isinstance(event, BookingEvent):
                booking.version = version
                if hears := self._hears.get(type(event)):
                    hears(booking, order, event, Cited(order[0], position))
        self._found, self._next_serial[order[0]] = found, serial
        self.bookings[order] = booking
        for place in booking.decided():
            flight = self.flights.get(place[0])
            owner = flight.owners.get(place[1]) if flight else None
            if owner and owner.order == order and owner.sold:
                booking.sold[place] = owner.sold_at or owner.at
            elif flight is None and carrier_of(place[0]) in self.heard_until:
                # It landed and was forgotten, and the booking with it because all was well.
                booking.sold[place] = booking.returned[place] = Cited(carrier_of(place[0]), 0)

    def _forget_flight(self, landed: FlightId, now: Millis) -> None:
        flight = self.flights.get(landed)
        if flight is None:
            return
        if all(owner.sold for owner in flight.owners.values()):
            del self.flights[landed]
        else:
            heapq.heappush(self._landing, (now + FORGET_MS, landed))

    def _is_past(self, flight: FlightId, now: Millis) -> bool:
        """Whether it is one that `_forget_flight` may have forgotten: an id ends in its date."""
        year, month, day = (int(part) for part in flight[-10:].split("-"))
        # Days since 1970, as the calendar counts them (Howard Hinnant, "chrono-compatible low-level date algorithms").
        year -= month <= 2
        era, of_era = divmod(year, 400)
        of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
        days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
        return days * 86_400_000 + FORGET_MS < now

    # ---- in the end ------------------------------------------------------------------------------------------------

    def _torn(self, order: Order, booking: Booking, at_rest: bool) -> Iterator[Finding]:
        """Where the coordinator's log and the carriers' logs do not say the same."""
        if order[0] not in self.heard_until:
            return
        stream, decided, said = booking_stream(order[1]), booking.decided(), tuple(booking.said)
        if at_rest and booking.decision is None:
            yield Finding(Fault.UNFINISHED, stream, "it was never decided", said)
        for place in sorted(booking.sold.keys() - decided):
            why = "no commit" if not decided else "a commit of other seats"
            detail = f"{place[1]} was sold to {name(order)} on {why}"
            yield Finding(Fault.UNFOUNDED, flight_stream(place[0]), detail, (booking.sold[place], *said))
        for place in sorted(decided - booking.sold.keys()):
            if carrier_of(place[0]) not in self.heard_until:
                continue
            if forced := booking.forced.get(place):
                detail = f"{place[1]} was released by force, and {name(order)} is committed"
                if place[0] not in booking.acknowledged:
                    yield Finding(Fault.FORCED, flight_stream(place[0]), detail, (forced, *said))
            elif at_rest or not self._waits(place, order):
                detail = f"committed, and {place[1]} of {place[0]} was not sold to it"
                yield Finding(Fault.HALF_SOLD, stream, detail, said)
        if not booking.cancelled:
            for place, at in sorted(booking.returned.items()):
                detail = f"{place[1]} was returned, {name(order)} not cancelled"
                yield Finding(Fault.UNFOUNDED, flight_stream(place[0]), detail, (at, *said))
        elif at_rest or booking.settled:
            for place in sorted(booking.sold.keys() - booking.returned.keys()):
                detail = f"cancelled, and {place[1]} of {place[0]} was not given back"
                yield Finding(Fault.HALF_SOLD, stream, detail, (*said, booking.sold[place]))

    def _waits(self, place: Place, order: Order) -> bool:
        """The commit may still be on its way: the seat is pledged to it."""
        flight = self.flights.get(place[0])
        owner = flight.owners.get(place[1]) if flight else None
        return owner is not None and owner.order == order and owner.ticket is not None

    def _left_waiting(self) -> Iterator[Finding]:
        for flight, owner, seat in self._unsold():
            yield Finding(
                Fault.UNFINISHED, flight_stream(flight), f"{seat} is held for {name(owner.order)}", (owner.at,)
            )

    def _unexplained(self) -> Iterator[Finding]:
        """Holds that their carrier and their coordinator should both have ended long ago."""
        for flight, owner, seat in self._unsold():
            here, there = carrier_of(flight), owner.order[0]
            carriers = (here,) if owner.ticket is None else (here, there)
            if owner.until is None or any(self.heard_until.get(who, 0) < owner.until + GRACE_MS for who in carriers):
                continue
            booking = self.bookings.get(owner.order)
            if owner.ticket is None:
                why = "its time is long over"
            elif booking is None or (booking.opened is None and booking.decision is None):
                why = f"{there} knows of no such booking"
            elif booking.decision is None:
                why = f"{there} never decided"
            else:
                why = f"{there} decided long ago: {type(booking.decision).__name__}"
            said = tuple(booking.said) if booking else ()
            detail = f"{seat} is held for {name(owner.order)}: {why}"
            yield Finding(Fault.UNEXPLAINED, flight_stream(flight), detail, (owner.at, *said))

    def _unsold(self) -> Iterator[tuple[FlightId, Owner, str]]:
        for flight, state in self.flights.items():
            for seat, owner in state.owners.items():
                if not owner.sold:
                    yield flight, owner, seat

    def _unkept(self, promises: Promises) -> Iterator[Finding]:
        if not promises.confirmed and not promises.denied:
            return
        assert not self._recall, "what was forgotten cannot be held against a promise"
        committed = {
            order[1]
            for order, booking in self.bookings.items()
            if isinstance(booking.decision, BookingCommitted) and not booking.cancelled
        }
        for booking in sorted(promises.confirmed - promises.denied - committed):
            yield Finding(Fault.UNKEPT, booking_stream(booking), "its traveller was told that it is confirmed")
        for booking in sorted(promises.denied & committed):
            yield Finding(Fault.UNKEPT, booking_stream(booking), "its traveller was told no, and it is sold")

    # ---- what is found ---------------------------------------------------------------------------------------------

    def _find(self, fault: Fault, event: AnyEvent, detail: str, *evidence: Cited) -> None:
        self._found.append(Finding(fault, stream_of(event), detail, evidence))

    def _out_of_order(self, event: AnyEvent, at: Cited, version: int, before: int) -> None:
        stream: StreamName = stream_of(event)
        if version > before + 1:
            missing = f"{before + 1}" if version == before + 2 else f"{before + 1} to {version - 1}"
            self._found.append(Finding(Fault.GAP, stream, f"version {version} comes, and {missing} is missing", (at,)))
        else:
            self._found.append(Finding(Fault.REORDERED, stream, f"version {version} comes after {before}", (at,)))

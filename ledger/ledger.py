"""All flights and bookings of one node: routes each command to its machine, and folds the log.

What this carrier owes to itself never leaves the ledger: a booking's message about one of this carrier's own flights
is decided at once, in the same batch of events, and so lands on disk together with what caused it.

A settled booking leaves memory, and so does a flight long landed; `missing` names the streams to read back before a
command about them can be decided.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from msgspec import Struct

from ledger import coordinator, participant
from ledger.coordinator.state import SETTLED, Booking, Phase, Stock
from ledger.coordinator.state import Command as BookingCommand
from ledger.events import (
    AnyBookingEvent,
    AnyEvent,
    AnyFlightEvent,
    BookingEvent,
    BookingOpened,
    Event,
    FlightEvent,
    HoldExtended,
    Recorded,
    RefusalReason,
    SeatHeld,
    StreamName,
    VotingStarted,
    booking_stream,
    flight_stream,
    stream_of,
)
from ledger.messages import (
    Abort,
    Acknowledged,
    CancelBooking,
    ClaimAnswer,
    ClaimMessage,
    Commit,
    ConfirmBooking,
    Conflict,
    ExtendBooking,
    ForceMessage,
    Forcing,
    Hold,
    Inquire,
    OpenBooking,
    OpenSales,
    OperatorCommand,
    Outcome,
    PeerAnswer,
    PeerMessage,
    Prepare,
    ReadBooking,
    ReadTransactions,
    Refusal,
    Refused,
    Release,
    Restarted,
    Resume,
    Return,
    Tick,
    TravellerAnswer,
    TravellerCommand,
    Unanswered,
    addressee,
)
from ledger.participant.state import Command as FlightCommand
from ledger.participant.state import Flight
from ledger.terms import BookingId, CarrierCode, FlightId, Millis, carrier_of
from ledger.waiting import Transactions, transactions

RETIRE_MS = 48 * 3_600_000
"""A flight leaves memory so long after its arrival, unless a hold on it still waits."""

Command: TypeAlias = (
    TravellerCommand
    | PeerMessage
    | PeerAnswer
    | ForceMessage
    | ReadTransactions
    | Resume
    | OpenSales
    | Tick
    | Unanswered
)
Answer: TypeAlias = TravellerAnswer | PeerAnswer | Transactions | Forcing | None
Machine: TypeAlias = BookingId | FlightId
"""What owes messages: a booking or a flight, by its id (the two never look alike)."""
Due: TypeAlias = tuple[Millis, BookingId, FlightId]
"""A deadline, and whose: a booking's own where the flight is empty."""


class LogBroken(Exception):
    """A log that no node can have written: a gap, or an event that the table forbids. The node must not start on it."""


class Change(Struct, frozen=True):
    """What a batch of commands has done: the events to be stored, in order, and the machines that moved."""

    records: list[Recorded]
    machines: list[Machine]
    settled: list[tuple[BookingId, int]]
    """Bookings that may leave memory once this is on disk, each with the version that it settled at."""


class Ledger:
    """The state of one node. `handle` and `take` move it on; `apply` and `load` rebuild it from the log."""

    def __init__(self, carrier: CarrierCode, ticket_prefix: str) -> None:
        self.carrier = carrier
        self.stock = Stock(ticket_prefix)
        self.flights: dict[FlightId, Flight] = {}
        self.bookings: dict[BookingId, Booking] = {}
        self.torn: set[StreamName] = set()
        """Streams whose tail was met in a replay while their beginning was not in memory: to be read whole (`load`)."""
        self.before_change: Callable[[Flight | Booking], None] | None = None
        """Told of each flight and booking before it changes, while somebody needs them as they were."""
        self._records: list[Recorded] = []
        self._moved: dict[Machine, None] = {}
        self._due: list[Due] = []
        self._new_day: Millis | None = None

    # ---- live -----------------------------------------------------------------------------------------------------

    def missing(self, command: Command) -> StreamName | None:
        """The stream that must be read back (`load`) before this command, if its machine is not in memory."""
        match command:
            case OpenBooking() | ExtendBooking() | ConfirmBooking() | CancelBooking() | ReadBooking():
                return None if command.booking in self.bookings else booking_stream(command.booking)
            case Inquire() if command.coordinator == self.carrier:
                return None if command.booking in self.bookings else booking_stream(command.booking)
            case ClaimMessage() | OperatorCommand():
                return None if command.flight in self.flights else flight_stream(command.flight)
            case _:
                return None

    def handle(self, command: Command, now: Millis) -> Answer:
        """Decide, evolve, reply. The answer is to be kept back until what `take` gives is on disk."""
        match command:
            case OpenBooking() | ExtendBooking() | ConfirmBooking() | CancelBooking() | ReadBooking():
                return self._ask_booking(command.booking, command, now)
            case Inquire() if command.coordinator == self.carrier:
                return self._ask_booking(command.booking, command, now)
            case ClaimMessage() | OperatorCommand() | Unanswered():
                return self._ask_flight(command.flight, command, now)
            case Outcome():
                return self._ask_flight(command.asker, command, now)
            case ClaimAnswer() | Tick(flight=None):
                if booking := self.bookings.get(command.booking):
                    self._move_booking(booking, command, now)
                return None
            case Tick():
                assert command.flight is not None
                return self._ask_flight(command.flight, command, now)
            case OpenSales():
                self._open_sales(command)
                self._new_day = now
                return None
            case Resume():
                self._ask_about_pledges(now)
                return transactions(self.flights.values(), self.bookings.values())
            case ReadTransactions():
                return transactions(self.flights.values(), self.bookings.values())

    def tick(self, now: Millis) -> None:
        """Every deadline that has passed has its say."""
        while self._due and self._due[0][0] <= now:
            _, booking, flight = heapq.heappop(self._due)
            tick = Tick(booking, flight or None)
            # By then most have come to their end: such a claim does not wait, and such a booking is forgotten.
            if flight:
                if flight in self.flights and booking in self.flights[flight].waiting:
                    self._ask_flight(flight, tick, now)
            elif known := self.bookings.get(booking):
                self._move_booking(known, tick, now)

    @property
    def next_due(self) -> Millis | None:
        """When `tick` has something to do next."""
        return self._due[0][0] if self._due else None

    def restarted(self, now: Millis) -> None:
        """After the log was folded: take up every deadline again, ask about every pledge, and send what is owed."""
        self._due = [_booking_due(b) for b in self.bookings.values() if b.phase in (Phase.OPEN, Phase.VOTING)]
        self._due += [
            _claim_due(flight, booking) for flight in self.flights.values() for booking in sorted(flight.waiting)
        ]
        heapq.heapify(self._due)
        self._ask_about_pledges(now)
        for booking in list(self.bookings.values()):
            self._moved[booking.id] = None
            self._settle_at_home(booking, now)

    def _ask_about_pledges(self, now: Millis) -> None:
        for flight in self.flights.values():
            if flight.waiting:
                self._ask_flight(flight.id, Restarted(flight.id), now)
            if flight.broken:
                self._moved[flight.id] = None

    def take(self) -> Change:
        """What has changed since the last `take`."""
        moved = [self.bookings[machine] for machine in self._moved if machine in self.bookings]
        settled = [(booking.id, booking.version) for booking in moved if booking.phase in SETTLED]
        if self._new_day is not None:  # not before: what is missing was looked up when the batch began
            self.retire(self._new_day)
        change = Change(self._records, list(self._moved), settled)
        self._records, self._moved, self._new_day = [], {}, None
        return change

    def pending(self, machine: Machine) -> Sequence[PeerMessage]:
        """What this booking or flight owes to other carriers now."""
        if machine in self.bookings:
            owed: Sequence[PeerMessage] = coordinator.pending(self.bookings[machine])
        elif machine in self.flights:
            owed = participant.pending(self.flights[machine])
        else:
            return ()
        return [message for message in owed if addressee(message) != self.carrier]

    def forget(self, settled: Iterable[tuple[BookingId, int]]) -> None:
        """Settled bookings leave memory, unless something newer has happened to them than is on disk."""
        for booking, version in settled:
            if booking in self.bookings and self.bookings[booking].version == version:
                del self.bookings[booking]

    def reply(self, command: TravellerCommand) -> Answer:
        """The answer to an earlier command about a booking in memory, as things are now; None: not yet."""
        return coordinator.reply(self.bookings[command.booking], command)

    def retire(self, now: Millis) -> None:
        """Flights long landed leave memory, unless something of theirs is under way or not on disk yet."""
        used = {flight for booking in self.bookings.values() for flight in booking.flights}.union(self._moved)
        landed = [f for f in self.flights.values() if f.scheduled.arrival + RETIRE_MS < now and not _waits(f)]
        for flight in landed:
            if flight.id not in used:
                del self.flights[flight.id]

    # ---- one machine each -----------------------------------------------------------------------------------------

    def _ask_booking(self, booking_id: BookingId, command: BookingCommand, now: Millis) -> Answer:
        booking = self.bookings.get(booking_id) or Booking(booking_id, self.carrier, self.stock)
        self._move_booking(booking, command, now)
        return coordinator.reply(booking, command)

    def _move_booking(self, booking: Booking, command: BookingCommand, now: Millis) -> None:
        if moved := coordinator.decide(booking, command, now):
            self.bookings[booking.id] = booking
            self._evolve_booking(booking, moved)
            self._settle_at_home(booking, now)

    def _ask_flight(self, flight_id: FlightId, command: FlightCommand, now: Millis) -> Answer:
        flight = self.flights.get(flight_id)
        if flight is None:
            return _no_such_flight(command)
        events = participant.decide(flight, command, now)
        if events:
            self._evolve_flight(flight, events)
        return participant.reply(flight, command)

    def _settle_at_home(self, booking: Booking, now: Millis) -> None:
        """What a booking asks of this very carrier is answered here, phase after phase, until it stands still."""
        home = [number for number, flight in enumerate(booking.flights) if carrier_of(flight) == self.carrier]
        phase = None
        while home and phase is not booking.phase:
            phase = booking.phase
            for number in home:
                if phase is booking.phase and (message := coordinator.owed(booking, number)):
                    answer = self._ask_flight(message.flight, message, now)
                    assert isinstance(answer, ClaimAnswer)
                    assert not isinstance(answer, Outcome)
                    self._evolve_booking(booking, coordinator.decide(booking, answer, now))

    def _open_sales(self, command: OpenSales) -> None:
        for plan in command.plans:
            if plan.flight not in self.flights:
                assert carrier_of(plan.flight) == self.carrier, "a carrier opens only its own flights"
                flight = self.flights[plan.flight] = Flight(plan.flight)
                self._evolve_flight(flight, [plan])

    def _evolve_booking(self, booking: Booking, events: Iterable[AnyBookingEvent | coordinator.Heard]) -> None:
        if self.before_change:
            self.before_change(booking)
        watched = False
        for event in events:
            if isinstance(event, Event):
                self._records.append(Recorded(booking.version + 1, event))
            coordinator.evolve(booking, event)
            watched |= isinstance(event, (BookingOpened, HoldExtended, VotingStarted))
        if watched:  # by the phase that it ends in: a purchase in one step has no hold to run out
            self._watch(_booking_due(booking))
        self._moved[booking.id] = None

    def _evolve_flight(self, flight: Flight, events: Iterable[AnyFlightEvent | participant.Heard]) -> None:
        if self.before_change:
            self.before_change(flight)
        for event in events:
            if isinstance(event, Event):
                self._records.append(Recorded(flight.version + 1, event))
            participant.evolve(flight, event)
            if isinstance(event, SeatHeld):
                self._watch(_claim_due(flight, event.booking))
        self._moved[flight.id] = None

    def _watch(self, due: Due) -> None:
        heapq.heappush(self._due, due)

    # ---- rebuilt from the log -------------------------------------------------------------------------------------

    def apply(self, recorded: Recorded) -> None:
        """Fold the next event of the log. Raises LogBroken for what no node can have written."""
        event, stream = recorded.event, stream_of(recorded.event)
        machine = self._machine(event, new=recorded.version == 1)
        if machine is None:
            self.torn.add(stream)
            return
        _fold(machine, recorded, stream)
        if isinstance(machine, Booking) and machine.phase in SETTLED:
            del self.bookings[machine.id]

    def load(self, stream: StreamName, records: Iterable[Recorded]) -> None:
        """Take one whole stream back into memory; none of it is there. Nothing happens for an empty one."""
        machine: Flight | Booking | None = None
        for recorded in records:
            machine = machine or self._machine(recorded.event, new=True)
            assert machine is not None
            _fold(machine, recorded, stream)
        self.torn.discard(stream)
        if machine is not None:
            self._moved[machine.id] = None

    def _machine(self, event: AnyEvent, *, new: bool) -> Flight | Booking | None:
        if isinstance(event, FlightEvent):
            if new:
                self.flights.setdefault(event.flight, Flight(event.flight))
            return self.flights.get(event.flight)
        if new:
            self.bookings.setdefault(event.booking, Booking(event.booking, self.carrier, self.stock))
        return self.bookings.get(event.booking)


def _fold(machine: Flight | Booking, recorded: Recorded, stream: StreamName) -> None:
    if recorded.version != machine.version + 1:
        raise LogBroken(f"{stream} has event {recorded.version} where {machine.version + 1} should be")
    try:
        if isinstance(machine, Flight):
            assert isinstance(recorded.event, FlightEvent)
            participant.evolve(machine, recorded.event)
        else:
            assert isinstance(recorded.event, BookingEvent)
            coordinator.evolve(machine, recorded.event)
    except (KeyError, AssertionError) as fault:
        kind = type(recorded.event).__name__
        raise LogBroken(f"{stream} has {kind} as event {recorded.version}, which cannot follow: {fault}") from fault


def _booking_due(booking: Booking) -> Due:
    return (booking.hold_until if booking.phase is Phase.OPEN else booking.decide_by, booking.id, "")


def _claim_due(flight: Flight, booking: BookingId) -> Due:
    claim = flight.claims[booking]
    due = claim.decide_by if claim.expires_at is None else claim.expires_at
    assert due is not None, "a hold has an end or a time to ask after"
    return (due, booking, flight.id)


def _waits(flight: Flight) -> bool:
    return bool(flight.waiting) or any(broken.waits for broken in flight.broken.values())


def _no_such_flight(command: FlightCommand) -> Answer:
    """Nothing of an unknown flight can be held, so letting it go is done and selling it is a contradiction."""
    match command:
        case Hold() | Prepare():
            return Refused(booking=command.booking, flight=command.flight, reason=RefusalReason.NO_SUCH_FLIGHT)
        case Abort() | Release():
            done = "abort" if isinstance(command, Abort) else "release"
            return Acknowledged(booking=command.booking, flight=command.flight, done=done)
        case Commit() | Return() | Inquire():
            return Conflict(booking=command.booking, flight=command.flight, detail="no such flight is known here")
        case OperatorCommand():
            return Refusal("no-such-flight", f"{command.flight} is not known here")
        case Outcome() | Tick() | Restarted() | Unanswered():
            return None

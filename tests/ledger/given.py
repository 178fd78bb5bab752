"""What the tests of the rules start from: one flight, one booking of two carriers, and the facts about them.

`flight(...)` and `booking(...)` fold a history; every fact and message has the values of one story, so that a test
names only what matters to it. The story: Ana books a seat of Andorinha's and one of Jangada's, at Andorinha.
"""

from collections.abc import Sequence

from ledger import coordinator, participant
from ledger.coordinator import state as coordinator_state
from ledger.coordinator.state import Booking, Stock
from ledger.events import (
    AbortReason,
    AnyBookingEvent,
    AnyFlightEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    Decision,
    FlightScheduled,
    ForceCompared,
    ForceProposed,
    HoldExtended,
    HoldReleased,
    MismatchAcknowledged,
    PrepareRefused,
    RefusalReason,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.messages import (
    Abort,
    Acknowledged,
    AcknowledgeMismatch,
    BookingView,
    CancelBooking,
    Commit,
    ConfirmBooking,
    ConfirmForce,
    ExtendBooking,
    Forcing,
    Held,
    Hold,
    Inquire,
    OpenBooking,
    Outcome,
    PeerAnswer,
    Pledged,
    Prepare,
    ProposeForce,
    ReadBooking,
    Refusal,
    Refused,
    Release,
    Return,
    TravellerAnswer,
    Word,
)
from ledger.participant import state as participant_state
from ledger.participant.forcing import CONFIRM_MS
from ledger.participant.state import Flight
from ledger.terms import (
    DECIDE_MS,
    HOLD_MS,
    BookingId,
    CarrierCode,
    FlightId,
    Millis,
    SeatNo,
    Segment,
    TicketNo,
    carrier_of,
    ticket_number,
)

NOW: Millis = 1_790_000_000_000
HOUR_MS = 3_600_000
DEPARTURE = NOW + 24 * HOUR_MS
ARRIVAL = DEPARTURE + 2 * HOUR_MS
FARE = 41_000

ANA: BookingId = "ana-00000000000000000000"
RUI: BookingId = "rui-00000000000000000000"
AN_FLIGHT: FlightId = "AN1117/2026-12-14"
JG_FLIGHT: FlightId = "JG2055/2026-12-14"
IP_FLIGHT: FlightId = "IP4001/2026-12-14"
STORY = (AN_FLIGHT, JG_FLIGHT, IP_FLIGHT)
CABIN = ("1A", "1B", "1C", "1D", "1E", "1F", "2A", "2B", "2C", "2D", "2E", "2F")
DECIDE_BY = NOW + DECIDE_MS
EXPIRES_AT = NOW + HOLD_MS
TICKETS: tuple[TicketNo, ...] = tuple(ticket_number("981", serial) for serial in range(1, 10))


# ---- a flight's past ------------------------------------------------------------------------------------------------


def flight(*history: AnyFlightEvent | Sequence[AnyFlightEvent], id: FlightId = JG_FLIGHT) -> Flight:
    """The flight with this history, on sale."""
    state = Flight(id)
    for part in (scheduled(id), *history):
        for event in part if isinstance(part, Sequence) else (part,):
            participant.evolve(state, event)
    return state


def scheduled(
    flight: FlightId = JG_FLIGHT, seats: tuple[SeatNo, ...] = CABIN, departure: Millis = DEPARTURE
) -> FlightScheduled:
    return FlightScheduled(
        at=NOW,
        flight=flight,
        origin="SSA",
        destination="BSB",
        departure=departure,
        arrival=departure + ARRIVAL - DEPARTURE,
        aircraft="A320",
        cabin="ABC DEF",
        seats=seats,
        fare=FARE,
    )


def timed(seat: SeatNo = "1A", booking: BookingId = ANA, at: Millis = NOW, by: CarrierCode = "AN") -> SeatHeld:
    return SeatHeld(
        at=at,
        flight=JG_FLIGHT,
        seat=seat,
        booking=booking,
        coordinator=by,
        participants=STORY,
        expires_at=at + HOLD_MS,
    )


def pledged(seat: SeatNo = "1A", booking: BookingId = ANA, by: CarrierCode = "AN", ticket: int = 0) -> SeatHeld:
    return SeatHeld(
        at=NOW,
        flight=JG_FLIGHT,
        seat=seat,
        booking=booking,
        coordinator=by,
        participants=STORY,
        expires_at=None,
        decide_by=DECIDE_BY,
        ticket=TICKETS[ticket],
        coupon=2,
    )


def sold(seat: SeatNo = "1A", booking: BookingId = ANA, ticket: int = 0) -> SeatCommitted:
    return SeatCommitted(at=NOW, flight=JG_FLIGHT, seat=seat, booking=booking, ticket=TICKETS[ticket], coupon=2)


def released(
    seat: SeatNo = "1A",
    booking: BookingId = ANA,
    reason: ReleaseReason = ReleaseReason.ABORTED,
    at: Millis = NOW,
) -> HoldReleased:
    forced = reason is ReleaseReason.FORCED
    return HoldReleased(
        at=at,
        flight=JG_FLIGHT,
        seat=seat,
        booking=booking,
        reason=reason,
        operator="josé" if forced else None,
        why="the gate closes" if forced else None,
    )


def proposed(booking: BookingId = ANA, at: Millis = NOW, operator: str = "marta") -> ForceProposed:
    return ForceProposed(
        at=at,
        flight=JG_FLIGHT,
        booking=booking,
        operator=operator,
        why="the gate closes",
        expires_at=at + CONFIRM_MS,
    )


def compared(decision: Decision, booking: BookingId = ANA, at: Millis = NOW) -> ForceCompared:
    return ForceCompared(at=at, flight=JG_FLIGHT, booking=booking, decision=decision)


def seen_to(booking: BookingId = ANA, at: Millis = NOW) -> MismatchAcknowledged:
    return MismatchAcknowledged(at=at, flight=JG_FLIGHT, booking=booking, operator="marta", note="flew on the next")


def refused(booking: BookingId = ANA, at: Millis = NOW, by: CarrierCode = "AN") -> PrepareRefused:
    reason = RefusalReason.NOT_FREE
    return PrepareRefused(at=at, flight=JG_FLIGHT, booking=booking, coordinator=by, seats=("1A",), reason=reason)


def returned(seat: SeatNo = "1A", booking: BookingId = ANA, at: Millis = NOW) -> SeatReturned:
    return SeatReturned(at=at, flight=JG_FLIGHT, seat=seat, booking=booking)


# ---- what is asked of a flight --------------------------------------------------------------------------------------


def hold(
    *seats: SeatNo,
    booking: BookingId = ANA,
    count: int = 1,
    by: CarrierCode = "AN",
    flight: FlightId = JG_FLIGHT,
    fare: int = FARE,
) -> Hold:
    return Hold(
        booking=booking,
        flight=flight,
        coordinator=by,
        participants=STORY if flight in STORY else (flight, JG_FLIGHT),
        seats=seats,
        count=len(seats) or count,
        fare=fare,
        lasting=HOLD_MS,
    )


def prepare(
    *seats: SeatNo,
    booking: BookingId = ANA,
    count: int = 1,
    by: CarrierCode = "AN",
    flight: FlightId = JG_FLIGHT,
    fare: int = FARE,
    decide_by: Millis = DECIDE_BY,
) -> Prepare:
    return Prepare(
        booking=booking,
        flight=flight,
        coordinator=by,
        participants=STORY if flight in STORY else (flight, JG_FLIGHT),
        seats=seats,
        count=len(seats) or count,
        fare=fare,
        decide_by=decide_by,
        tickets=TICKETS[: len(seats) or count],
        coupon=2,
    )


def commit(booking: BookingId = ANA, by: CarrierCode = "AN", flight: FlightId = JG_FLIGHT) -> Commit:
    return Commit(booking=booking, flight=flight, coordinator=by)


def abort(booking: BookingId = ANA, by: CarrierCode = "AN", flight: FlightId = JG_FLIGHT) -> Abort:
    return Abort(booking=booking, flight=flight, coordinator=by)


def release(booking: BookingId = ANA, by: CarrierCode = "AN", flight: FlightId = JG_FLIGHT) -> Release:
    return Release(booking=booking, flight=flight, coordinator=by)


def give_back(booking: BookingId = ANA, by: CarrierCode = "AN", flight: FlightId = JG_FLIGHT) -> Return:
    return Return(booking=booking, flight=flight, coordinator=by)


def inquire(
    booking: BookingId = ANA, by: CarrierCode = "AN", about: FlightId = JG_FLIGHT, asker: FlightId = IP_FLIGHT
) -> Inquire:
    """What the carrier of `asker` asks of the carrier of `about`, a participant like itself."""
    return Inquire(booking=booking, flight=about, coordinator=by, asker=asker, to=carrier_of(about))


def ask_coordinator(booking: BookingId = ANA, asker: FlightId = JG_FLIGHT) -> Inquire:
    return Inquire(booking=booking, flight=asker, coordinator="AN", asker=asker, to="AN")


def heard(word: Word, by: CarrierCode = "AN", booking: BookingId = ANA, asker: FlightId = JG_FLIGHT) -> Outcome:
    """What the carrier of `asker` is told."""
    about = {"AN": asker, "IP": IP_FLIGHT, "JG": JG_FLIGHT}[by]
    return Outcome(booking=booking, flight=about, asker=asker, by=by, word=word)


def propose(operator: str = "marta", booking: BookingId = ANA, flight: FlightId = JG_FLIGHT) -> ProposeForce:
    return ProposeForce(booking=booking, flight=flight, operator=operator, why="the gate closes")


def agree(operator: str = "josé", booking: BookingId = ANA, flight: FlightId = JG_FLIGHT) -> ConfirmForce:
    return ConfirmForce(booking=booking, flight=flight, operator=operator)


def see_to(operator: str = "marta", booking: BookingId = ANA, flight: FlightId = JG_FLIGHT) -> AcknowledgeMismatch:
    return AcknowledgeMismatch(booking=booking, flight=flight, operator=operator, note="flew on the next")


# ---- a booking's past -----------------------------------------------------------------------------------------------


def booking(*history: AnyBookingEvent | coordinator.Heard, id: BookingId = ANA, next_serial: int = 1) -> Booking:
    """The booking with this history, at Andorinha."""
    state = Booking(id, "AN", Stock("981", next_serial))
    for event in history:
        coordinator.evolve(state, event)
    return state


def segment(flight: FlightId, *seats: SeatNo, departure: Millis = DEPARTURE) -> Segment:
    return Segment(
        flight=flight,
        origin="SSA",
        destination="BSB",
        departure=departure,
        arrival=departure + ARRIVAL - DEPARTURE,
        fare=FARE,
        seats=seats,
    )


SEGMENTS = (segment(AN_FLIGHT), segment(JG_FLIGHT, "1A"))


def opened(segments: tuple[Segment, ...] = SEGMENTS, passengers: int = 1) -> BookingOpened:
    return BookingOpened(
        at=NOW,
        booking=ANA,
        segments=segments,
        passengers=passengers,
        price=passengers * sum(segment.fare for segment in segments),
        body_hash="ana's body",
        hold_until=EXPIRES_AT,
    )


def extended(extension: int = 1, at: Millis = NOW + HOLD_MS // 2) -> HoldExtended:
    return HoldExtended(at=at, booking=ANA, extension=extension, hold_until=at + HOLD_MS)


def voting(passengers: int = 1) -> VotingStarted:
    return VotingStarted(at=NOW, booking=ANA, decide_by=DECIDE_BY, first_serial=1, tickets=TICKETS[:passengers])


def committed(*seats: tuple[SeatNo, ...]) -> BookingCommitted:
    return BookingCommitted(at=NOW, booking=ANA, seats=seats or (("2B",), ("1A",)))


def aborted(reason: AbortReason = AbortReason.SEAT_TAKEN) -> BookingAborted:
    return BookingAborted(at=NOW, booking=ANA, reason=reason, detail="a sentence", flight=None)


def settled() -> BookingSettled:
    return BookingSettled(at=NOW, booking=ANA)


def cancelled() -> BookingCancelled:
    return BookingCancelled(at=NOW, booking=ANA)


# ---- what is asked of a booking -------------------------------------------------------------------------------------


def open_booking(
    *segments: Segment,
    confirm: bool = False,
    passengers: int = 1,
    body: str = "ana's body",
    booking: BookingId = ANA,
    objection: Refusal | None = None,
) -> OpenBooking:
    return OpenBooking(
        booking=booking,
        segments=segments or SEGMENTS,
        passengers=passengers,
        body_hash=body,
        confirm=confirm,
        objection=objection,
    )


CONFIRM, CANCEL, READ = ConfirmBooking(ANA), CancelBooking(ANA), ReadBooking(ANA)
EXTEND = ExtendBooking(ANA)


# ---- what Jangada and the others answer -----------------------------------------------------------------------------


def holds(flight: FlightId, *seats: SeatNo, extension: int = 0) -> Held:
    return Held(booking=ANA, flight=flight, seats=seats, expires_at=EXPIRES_AT, extension=extension)


def yes(flight: FlightId, *seats: SeatNo) -> Pledged:
    return Pledged(booking=ANA, flight=flight, seats=seats)


def no(flight: FlightId, reason: str = RefusalReason.NOT_FREE) -> Refused:
    return Refused(booking=ANA, flight=flight, reason=reason)


def has(done: str, flight: FlightId) -> Acknowledged:
    return Acknowledged(booking=ANA, flight=flight, done=done)


def seen(answer: TravellerAnswer | Outcome | None) -> BookingView:
    assert isinstance(answer, BookingView)
    return answer


# ---- asked ----------------------------------------------------------------------------------------------------------


def ask(state: Flight, command: participant_state.Command, now: Millis = NOW) -> PeerAnswer | Forcing | Refusal | None:
    """Decide, evolve, reply: what a node does with a command about a flight."""
    for event in participant.decide(state, command, now):
        participant.evolve(state, event)
    return participant.reply(state, command)


def ask_booking(
    state: Booking, command: coordinator_state.Command, now: Millis = NOW
) -> TravellerAnswer | Outcome | None:
    """The same for a command about a booking."""
    for event in coordinator.decide(state, command, now):
        coordinator.evolve(state, event)
    return coordinator.reply(state, command)

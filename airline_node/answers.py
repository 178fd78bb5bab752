"""What travellers, partners, operators and auditors are told: answers of the node as JSON, with their statuses.

Rule: whoever wanted the seats and does not get them hears 409 in the one error shape; whoever only looks, or gives
them back, is shown the booking. 202 means that it is not known yet, and says where to look.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from airline_node.availability import FREE, HELD, SOLD
from airline_node.door import LATER, NO_STORE, Answer, encoded, problem
from airline_node.itineraries import Itinerary, Offer
from airline_node.timetable import Aircraft, SeatKind, seat_kind
from airline_node.vault import Passenger
from airline_node.vault.manifest import OnBoard
from ledger.events import AnyEvent, FlightScheduled, Recorded, StreamName, stream_of
from ledger.messages import (
    BookingView,
    ConfirmBooking,
    ExtendBooking,
    ForceState,
    Forcing,
    OpenBooking,
    Refusal,
    SegmentState,
    SegmentView,
    Status,
    TravellerAnswer,
    TravellerCommand,
)
from ledger.terms import (
    AirportCode,
    BookingId,
    CarrierCode,
    Centavos,
    FlightId,
    Locator,
    Millis,
    SeatNo,
    TicketNo,
    carrier_of,
)
from ledger.waiting import Said, Transaction, WaitState

CURRENCY = "BRL"
TRANSACTIONS_MAX = 1_000

# ---- bookings ----------------------------------------------------------------------------------------------------


class SegmentAnswer(Struct, frozen=True, kw_only=True):
    flight: FlightId
    carrier: CarrierCode
    origin: AirportCode
    destination: AirportCode
    departure: datetime
    arrival: datetime
    seats: tuple[SeatNo, ...]
    state: SegmentState


class BookingAnswer(Struct, frozen=True, kw_only=True):
    """`total` is in centavos, `pending` names the carriers that have yet to record what was decided.

    `passengers` come with GET alone, and only until they are erased.
    """

    booking: BookingId
    locator: Locator
    status: Status
    total: Centavos
    currency: str
    hold_until: datetime | None
    extensible_until: datetime | None
    reason: str | None
    detail: str | None
    tickets: tuple[TicketNo, ...]
    segments: tuple[SegmentAnswer, ...]
    pending: tuple[CarrierCode, ...]
    passengers: tuple[Passenger, ...] | UnsetType = UNSET


REFUSED_WITH: Mapping[str, HTTPStatus] = {
    "no-such-booking": HTTPStatus.NOT_FOUND,
    "booking-id-reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "no-such-flight": HTTPStatus.UNPROCESSABLE_ENTITY,
    "no-such-seat": HTTPStatus.UNPROCESSABLE_ENTITY,
    "departed": HTTPStatus.UNPROCESSABLE_ENTITY,
    "connection": HTTPStatus.UNPROCESSABLE_ENTITY,
    "airport-twice": HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""The status of a `Refusal`; any other is 409."""


def booking_answer(
    command: TravellerCommand, told: TravellerAnswer, passengers: tuple[Passenger, ...] | UnsetType = UNSET
) -> Answer:
    """What the node told in answer to this command."""
    if isinstance(told, Refusal):
        return problem(REFUSED_WITH.get(told.error, HTTPStatus.CONFLICT), told.error, told.detail)
    view, here = encoded(_booking(told, passengers)), {"Location": f"/api/bookings/{told.booking}"}
    match told.status, command:
        case ((Status.HOLDING | Status.CONFIRMING), _):
            return Answer(HTTPStatus.ACCEPTED, view, {**LATER, **here})
        case (
            (Status.REFUSED | Status.EXPIRED | Status.CANCELLED),
            (OpenBooking() | ExtendBooking() | ConfirmBooking()),
        ):
            detail = told.detail or f"the booking is {told.status}"
            return problem(HTTPStatus.CONFLICT, told.reason or told.status, detail)
        case _, OpenBooking():
            return Answer(HTTPStatus.CREATED, view, {**NO_STORE, **here})
        case _:
            return Answer(HTTPStatus.OK, view)


def _booking(view: BookingView, passengers: tuple[Passenger, ...] | UnsetType) -> BookingAnswer:
    return BookingAnswer(
        booking=view.booking,
        locator=view.locator,
        status=view.status,
        total=view.total,
        currency=CURRENCY,
        hold_until=None if view.hold_until is None else instant(view.hold_until),
        extensible_until=None if view.extensible_until is None else instant(view.extensible_until),
        reason=view.reason,
        detail=view.detail,
        tickets=view.tickets,
        segments=tuple(map(_segment, view.segments)),
        pending=view.pending,
        passengers=passengers,
    )


def _segment(view: SegmentView) -> SegmentAnswer:
    return SegmentAnswer(
        flight=view.flight,
        carrier=view.carrier,
        origin=view.origin,
        destination=view.destination,
        departure=instant(view.departure),
        arrival=instant(view.arrival),
        seats=view.seats,
        state=view.state,
    )


def instant(at: Millis) -> datetime:
    """For the wire, in whole seconds: the fraction is dropped."""
    return datetime.fromtimestamp(at // 1000, UTC)


# ---- what is on sale ---------------------------------------------------------------------------------------------


class OfferAnswer(Struct, frozen=True, kw_only=True):
    """`fare` is for one passenger, in centavos; `free` counts seats, as last heard from the carrier."""

    flight: FlightId
    carrier: CarrierCode
    origin: AirportCode
    destination: AirportCode
    departure: datetime
    arrival: datetime
    fare: Centavos
    free: int


class ItineraryAnswer(Struct, frozen=True, kw_only=True):
    """`price` is for all passengers, in centavos; `minutes` is from the first departure to the last arrival."""

    segments: tuple[OfferAnswer, ...]
    price: Centavos
    currency: str
    minutes: int
    carriers: tuple[CarrierCode, ...]


class ItinerariesAnswer(Struct, frozen=True):
    """`stale` tells for how many seconds a carrier has not been heard of: what it sells may have changed."""

    itineraries: tuple[ItineraryAnswer, ...]
    stale: dict[CarrierCode, float]


class SeatAnswer(Struct, frozen=True):
    seat: SeatNo
    state: Literal["free", "held", "sold"]
    kind: SeatKind
    exit: bool


class SeatsAnswer(Struct, frozen=True):
    """A flight's seats, row by row from the front, as last heard from its carrier."""

    flight: FlightId
    free: int
    seats: tuple[SeatAnswer, ...]


SEAT_STATES: Mapping[str, Literal["free", "held", "sold"]] = {FREE: "free", HELD: "held", SOLD: "sold"}


def itineraries(found: Iterable[Itinerary], stale: Mapping[CarrierCode, float]) -> ItinerariesAnswer:
    return ItinerariesAnswer(tuple(map(_itinerary, found)), {who: round(age, 1) for who, age in stale.items()})


def seats(plan: FlightScheduled, letters: str, aircraft: Mapping[str, Aircraft]) -> SeatsAnswer:
    """`letters` has one for each seat of the plan, in its order. An aircraft unknown here shows no exits."""
    kind = aircraft.get(plan.aircraft)
    every = tuple(
        SeatAnswer(seat, SEAT_STATES[letter], seat_kind(plan.cabin, seat), kind is not None and kind.at_exit(seat))
        for seat, letter in zip(plan.seats, letters, strict=True)
    )
    return SeatsAnswer(plan.flight, letters.count(FREE), every)


def _itinerary(itinerary: Itinerary) -> ItineraryAnswer:
    return ItineraryAnswer(
        segments=tuple(map(_offer, itinerary.segments)),
        price=itinerary.price,
        currency=CURRENCY,
        minutes=itinerary.duration_ms // 60_000,
        carriers=itinerary.carriers,
    )


def _offer(offer: Offer) -> OfferAnswer:
    return OfferAnswer(
        flight=offer.flight,
        carrier=carrier_of(offer.flight),
        origin=offer.origin,
        destination=offer.destination,
        departure=instant(offer.departure),
        arrival=instant(offer.arrival),
        fare=offer.fare,
        free=offer.free,
    )


# ---- for operators and auditors ----------------------------------------------------------------------------------


class StandingAnswer(Struct, frozen=True, kw_only=True):
    """A carrier's word on its flight, or as the coordinator (`flight` is null), as far as it is known here."""

    carrier: CarrierCode
    flight: FlightId | None
    said: Said


class ForcingAnswer(Struct, frozen=True, kw_only=True):
    """How the breaking of a pledge stands. A proposal can be confirmed until `expires_at`, by another operator."""

    booking: BookingId
    flight: FlightId
    state: ForceState
    operator: str
    why: str
    expires_at: datetime
    confirmed_by: str | None


class TransactionAnswer(Struct, frozen=True, kw_only=True):
    """A booking that waits at this node: as its coordinator (`flight` is null), or on one of its flights.

    `reason` says why it waits, `safe` what an operator may do about it. `at_stake` is in centavos: the price of the
    whole booking at its coordinator, of these seats elsewhere. `unreachable` are those of `waits_for` that do not
    answer, `next_try` is when this node asks again by itself. `may_not_force` says why the pledge cannot be broken now;
    null: two operators can break it.
    """

    booking: BookingId
    locator: Locator
    coordinator: CarrierCode
    flight: FlightId | None
    seats: tuple[SeatNo, ...]
    state: WaitState
    since: datetime
    waits_for: tuple[CarrierCode, ...]
    unreachable: tuple[CarrierCode, ...]
    next_try: datetime | None
    reason: str
    safe: str
    at_stake: Centavos
    currency: str
    standings: tuple[StandingAnswer, ...]
    forcing: ForcingAnswer | None
    may_not_force: str | None


class TransactionsAnswer(Struct, frozen=True):
    """What waits at this carrier's node: the oldest `TRANSACTIONS_MAX`; `total` counts all that were asked for."""

    carrier: CarrierCode
    transactions: tuple[TransactionAnswer, ...]
    total: int


class OnBoardAnswer(Struct, frozen=True):
    seat: SeatNo
    name: str
    ticket: TicketNo
    coupon: int


class ManifestAnswer(Struct, frozen=True):
    """In the order of the seats. A passenger whose names were erased, or are still on their way, is not in it."""

    flight: FlightId
    passengers: tuple[OnBoardAnswer, ...]


class LoggedEvent(Struct, frozen=True):
    """An event, its place in the node's order and in its stream."""

    position: int
    stream: StreamName
    version: int
    event: AnyEvent


class Health(Struct, frozen=True):
    """`network`: every other carrier has been heard since the start, so that a search finds what they sell.

    It does not count for readiness: a carrier sells its own seats whoever else is down.
    """

    ready: bool
    network: bool


def transactions(
    carrier: CarrierCode,
    told: Sequence[Transaction],
    reach: Callable[[Transaction], tuple[tuple[CarrierCode, ...], Millis | None]],
) -> TransactionsAnswer:
    """`reach` tells for one that waits who of those it waits for is unreachable, and when they are asked next."""
    shown = told[:TRANSACTIONS_MAX]
    return TransactionsAnswer(carrier, tuple(_transaction(one, *reach(one)) for one in shown), len(told))


def _transaction(one: Transaction, unreachable: tuple[CarrierCode, ...], next_try: Millis | None) -> TransactionAnswer:
    return TransactionAnswer(
        booking=one.booking,
        locator=one.locator,
        coordinator=one.coordinator,
        flight=one.flight,
        seats=one.seats,
        state=one.state,
        since=instant(one.since),
        waits_for=one.waits_for,
        unreachable=unreachable,
        next_try=None if next_try is None else instant(next_try),
        reason=one.reason,
        safe=one.safe,
        at_stake=one.at_stake,
        currency=CURRENCY,
        standings=tuple(StandingAnswer(carrier=s.carrier, flight=s.flight, said=s.said) for s in one.standings),
        forcing=forcing(one.forcing) if one.forcing else None,
        may_not_force=one.may_not_force,
    )


def forcing(told: Forcing) -> ForcingAnswer:
    return ForcingAnswer(
        booking=told.booking,
        flight=told.flight,
        state=told.state,
        operator=told.operator,
        why=told.why,
        expires_at=instant(told.expires_at),
        confirmed_by=told.confirmed_by,
    )


def manifest(flight: FlightId, aboard: Iterable[OnBoard]) -> ManifestAnswer:
    every = sorted(aboard, key=lambda one: (int(one.seat[:-1]), one.seat))
    return ManifestAnswer(flight, tuple(OnBoardAnswer(one.seat, one.name, one.ticket, one.coupon) for one in every))


def logged(records: Sequence[tuple[int, Recorded]]) -> tuple[LoggedEvent, ...]:
    return tuple(
        LoggedEvent(position, stream_of(record.event), record.version, record.event) for position, record in records
    )

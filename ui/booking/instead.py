"""What to propose in place of an order that came to nothing: nearly the same seats, else another flight."""

from msgspec import Struct

from ledger.messages import BookingView, SegmentState
from ledger.terms import Centavos, FlightId, SeatNo
from ui.desk import Desk, Journey
from ui.figures import local
from ui.ids import new_booking_id
from ui.seats.cabin import nearest, suggested, without
from ui.seats.chosen import Chosen


class Instead(Struct, frozen=True, kw_only=True):
    """`chosen` is ready to be held as it is, under a new `booking`. `moved` are the seats that differ."""

    booking: str
    chosen: Chosen
    moved: tuple[tuple[FlightId, tuple[SeatNo, ...], tuple[SeatNo, ...]], ...]
    other_flights: bool
    dearer_by: Centavos


def instead(desk: Desk, view: BookingView, passengers: int) -> Instead | None:
    """None if there is nothing to propose: then only another search helps."""
    return _same_flights(desk, view, passengers) or _other_flights(desk, view, passengers)


def _same_flights(desk: Desk, view: BookingView, passengers: int) -> Instead | None:
    legs, seats, moved = [], [], []
    for segment in view.segments:
        leg, cabin = desk.sale.leg(segment.flight), desk.sale.cabin(segment.flight)
        if leg is None or cabin is None:
            return None
        wanted = segment.seats or suggested(cabin, passengers)
        now = nearest(cabin, wanted)
        if segment.state is SegmentState.REFUSED and now == wanted:
            now = nearest(without(cabin, wanted), wanted)  # Its carrier knows better than this node, as yet.
        if len(now) != passengers:
            return None
        if now != wanted:
            moved.append((segment.flight, wanted, now))
        legs.append(leg)
        seats.append(now)
    chosen = Chosen(legs=tuple(legs), passengers=passengers, seats=tuple(seats))
    if desk.sale.fault(chosen.legs):
        return None
    return _proposal(chosen, tuple(moved), view, other=False)


def _other_flights(desk: Desk, view: BookingView, passengers: int) -> Instead | None:
    """The cheapest journey of that day without the flight that refused."""
    refused = {segment.flight for segment in view.segments if segment.state is SegmentState.REFUSED}
    first, last = view.segments[0], view.segments[-1]
    day = local(first.departure, desk.house.airports[first.origin].zone).date()
    found = desk.sale.search(first.origin, last.destination, day, passengers)
    free = (journey for journey in found if not refused & {leg.flight for leg in journey.legs})
    journey: Journey | None = next(free, None)
    if journey is None:
        return None
    seats = []
    for leg in journey.legs:
        cabin = desk.sale.cabin(leg.flight)
        seats.append(suggested(cabin, passengers) if cabin else ())
    chosen = Chosen(legs=journey.legs, passengers=passengers, seats=tuple(seats))
    return _proposal(chosen, (), view, other=True) if chosen.whole else None


def _proposal(
    chosen: Chosen,
    moved: tuple[tuple[FlightId, tuple[SeatNo, ...], tuple[SeatNo, ...]], ...],
    view: BookingView,
    *,
    other: bool,
) -> Instead:
    return Instead(
        booking=new_booking_id(), chosen=chosen, moved=moved, other_flights=other, dearer_by=chosen.total - view.total
    )

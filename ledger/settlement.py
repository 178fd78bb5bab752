"""What carriers owe one another, from the logs alone: who sold a coupon owes its fare to who flew it.

A coupon counts for the period in which its flight departs, if its seat is sold then and was not given back. Both sides'
logs must say the same of it: the flying carrier's has the sale (`SeatCommitted`, on the pledge that names ticket and
coupon), the selling carrier's the decision. What they do not agree on is disputed: listed, and left out of the sums.
Debts are netted; what one receives others pay, so that the net amounts sum to zero.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from ledger.audit import Cited
from ledger.events import (
    AnyEvent,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    FlightScheduled,
    HoldReleased,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.terms import BookingId, CarrierCode, Centavos, FlightId, Millis, SeatNo, TicketNo, carrier_of


class Coupon(Struct, frozen=True, kw_only=True):
    """One passenger on one flight that another carrier sold. `dispute` is empty where both logs agree.

    `sold` is the event in the flying carrier's log, `decided` the one in the selling carrier's; None: not at hand.
    """

    ticket: TicketNo
    coupon: int
    booking: BookingId
    flight: FlightId
    seat: SeatNo
    departure: Millis
    debtor: CarrierCode
    creditor: CarrierCode
    fare: Centavos
    sold: Cited | None
    decided: Cited | None
    dispute: str


class Settlement(Struct, frozen=True):
    """`owed` has the sum of each debtor to each creditor, `net` what each receives (above zero) or pays."""

    coupons: tuple[Coupon, ...]
    owed: dict[tuple[CarrierCode, CarrierCode], Centavos]
    net: dict[CarrierCode, Centavos]

    @property
    def disputed(self) -> int:
        return sum(bool(coupon.dispute) for coupon in self.coupons)


class _Sale(Struct):
    """A seat of a flight of the period: its pledge, and the sale that came of it."""

    held: SeatHeld
    sold: Cited | None = None


class _Order(Struct):
    opened: BookingOpened
    tickets: tuple[TicketNo, ...] = ()
    committed: BookingCommitted | None = None
    decided: Cited | None = None


class Clearing:
    """Hears the logs, each in its order, and then settles. Remembers what concerns the period and nothing else."""

    def __init__(self, carriers: Iterable[CarrierCode], start: Millis, end: Millis, *, alone: bool = False) -> None:
        """For flights that depart from `start` on and before `end`; `carriers` are those whose logs are at hand.

        `alone`: what one carrier's log says is taken for what it says, where the other's is not at hand.
        """
        self._alone = alone
        self._carriers = frozenset(carriers)
        self._start, self._end = start, end
        self._plans: dict[FlightId, FlightScheduled] = {}
        self._sales: dict[FlightId, dict[SeatNo, _Sale]] = {}
        self._orders: dict[tuple[CarrierCode, BookingId], _Order] = {}

    def hear(self, carrier: CarrierCode, event: AnyEvent, position: int) -> None:
        match event:
            case FlightScheduled() if self._start <= event.departure < self._end:
                self._plans[event.flight], self._sales[event.flight] = event, {}
            case SeatHeld() if event.coordinator != carrier and event.flight in self._sales:
                self._sales[event.flight][event.seat] = _Sale(event)
            case SeatCommitted() if sale := self._sales.get(event.flight, {}).get(event.seat):
                sale.sold = Cited(carrier, position)
            case HoldReleased() | SeatReturned() if event.flight in self._sales:
                self._sales[event.flight].pop(event.seat, None)
            case BookingOpened() if any(self._concerns(carrier, s.flight, s.departure) for s in event.segments):
                self._orders[carrier, event.booking] = _Order(event)
            case VotingStarted() if order := self._orders.get((carrier, event.booking)):
                order.tickets = event.tickets
            case BookingCommitted() if order := self._orders.get((carrier, event.booking)):
                order.committed, order.decided = event, Cited(carrier, position)
            case BookingCancelled():
                self._orders.pop((carrier, event.booking), None)
            case _:
                pass

    def settle(self) -> Settlement:
        coupons = tuple(sorted(self._coupons(), key=lambda c: (c.debtor, c.creditor, c.departure, c.flight, c.ticket)))
        owed: dict[tuple[CarrierCode, CarrierCode], Centavos] = {}
        net = dict.fromkeys(sorted(self._carriers | {c.debtor for c in coupons} | {c.creditor for c in coupons}), 0)
        for coupon in coupons:
            if not coupon.dispute:
                pair = coupon.debtor, coupon.creditor
                owed[pair] = owed.get(pair, 0) + coupon.fare
                net[coupon.creditor] += coupon.fare
                net[coupon.debtor] -= coupon.fare
        assert sum(net.values()) == 0, "what one receives, others pay"
        return Settlement(coupons, owed, net)

    def _concerns(self, carrier: CarrierCode, flight: FlightId, departure: Millis) -> bool:
        return carrier_of(flight) != carrier and self._start <= departure < self._end

    def _coupons(self) -> Iterator[Coupon]:
        for flight, sales in self._sales.items():
            plan = self._plans[flight]
            for seat, sale in sales.items():
                if sale.sold is not None:
                    order = self._orders.get((sale.held.coordinator, sale.held.booking))
                    yield Coupon(
                        ticket=sale.held.ticket or "",
                        coupon=sale.held.coupon or 0,
                        booking=sale.held.booking,
                        flight=flight,
                        seat=seat,
                        departure=plan.departure,
                        debtor=sale.held.coordinator,
                        creditor=carrier_of(flight),
                        fare=plan.fare,
                        sold=sale.sold,
                        decided=order.decided if order else None,
                        dispute=self._dispute(sale.held, plan, order),
                    )

        if self._alone:
            for (debtor, _), order in self._orders.items():
                yield from self._by_decision(debtor, order)

    def _by_decision(self, debtor: CarrierCode, order: _Order) -> Iterator[Coupon]:
        """What a selling carrier's log alone says that it owes."""
        if order.committed is None:
            return
        for number, (segment, seats) in enumerate(zip(order.opened.segments, order.committed.seats, strict=True), 1):
            if carrier_of(segment.flight) in self._carriers or not self._concerns(
                debtor, segment.flight, segment.departure
            ):
                continue
            for ticket, seat in zip(order.tickets, seats, strict=True):
                yield Coupon(
                    ticket=ticket,
                    coupon=number,
                    booking=order.opened.booking,
                    flight=segment.flight,
                    seat=seat,
                    departure=segment.departure,
                    debtor=debtor,
                    creditor=carrier_of(segment.flight),
                    fare=segment.fare,
                    sold=None,
                    decided=order.decided,
                    dispute="",
                )

    def _dispute(self, held: SeatHeld, plan: FlightScheduled, order: _Order | None) -> str:
        """Why the two sides do not agree, or nothing."""
        debtor = held.coordinator
        if debtor not in self._carriers:
            return "" if self._alone else f"the log of {debtor} is not at hand"
        if order is None or order.committed is None:
            return f"the log of {debtor} has no commit of it"
        pairs = zip(order.opened.segments, order.committed.seats, strict=False)
        segment = next((s for s, seats in pairs if s.flight == held.flight and held.seat in seats), None)
        if segment is None:
            return f"{debtor} committed other seats"
        if segment.fare != plan.fare:
            return f"{debtor} sold it at a fare of {segment.fare}"
        return ""

"""What must hold at every step, worked out from what is on the disks and what has been said, not from the rules.

The checker reads every event as it reaches a disk and every word as it leaves a node, keeps a plain model of all three
carriers together, and raises `Violation` at the first thing that must not be. It shares nothing with the machines under
test but their events and messages.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct, field

from ledger.events import (
    AnyEvent,
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingOpened,
    BookingSettled,
    FlightScheduled,
    HoldExtended,
    HoldReleased,
    PrepareRefused,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    SeatReturned,
    VotingStarted,
)
from ledger.ledger import Answer
from ledger.messages import (
    Abort,
    Acknowledged,
    BookingView,
    CancelBooking,
    Commit,
    Conflict,
    Held,
    Hold,
    Inquire,
    OpenBooking,
    Outcome,
    PeerMessage,
    Pledged,
    Prepare,
    Refusal,
    Refused,
    Release,
    Return,
    Status,
    TravellerCommand,
    Word,
)
from ledger.participant.state import CLOSED_MS
from ledger.terms import HOLDS_MS_MAX, SKEW_MS, BookingId, CarrierCode, FlightId, Millis, SeatNo, TicketNo
from tests.simulator.must import Violation, must

Order: TypeAlias = tuple[CarrierCode, BookingId]
"""A booking and who coordinates it: one id may be taken to two carriers."""
TOO_SOON = "said before it was on disk: {}"


class Owner(Struct):
    """Who has a seat, on the disk of the carrier that flies it: held until then, pledged, or sold."""

    order: Order
    since: Millis
    expires_at: Millis | None
    ticket: TicketNo | None
    sold: bool = False


class Ordered(Struct):
    """What a coordinator's disk says of one booking."""

    opened: BookingOpened | None = None
    voting: VotingStarted | None = None
    commit: BookingCommitted | None = None
    abort: BookingAborted | None = None
    cancelled: bool = False
    settled: bool = False
    told: set[Status] = field(default_factory=set)
    asked_to_cancel: bool = False
    came: int = 0
    turned_away: int = 0


class Checker:
    """`seats` are the owners by flight, `orders` the bookings by coordinator, `closed` the doors and since when."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.plans: dict[FlightId, FlightScheduled] = {}
        self.seats: dict[FlightId, dict[SeatNo, Owner]] = {}
        self.orders: dict[Order, Ordered] = {}
        self.closed: dict[tuple[FlightId, Order], Millis] = {}
        self.gave_back: set[tuple[FlightId, Order]] = set()
        self.coupons: set[tuple[TicketNo, int]] = set()

    def order(self, order: Order) -> Ordered:
        return self.orders.setdefault(order, Ordered())

    def of(self, flight: FlightId, order: Order) -> dict[SeatNo, Owner]:
        """What this order has on this flight."""
        return {seat: owner for seat, owner in self.seats.get(flight, {}).items() if owner.order == order}

    # ---- what reaches a disk ----------------------------------------------------------------------------------------

    def written(self, carrier: CarrierCode, event: AnyEvent) -> None:
        """One event is on this carrier's disk, durably."""
        match event:
            case FlightScheduled():
                must(event.flight not in self.plans, "{} was scheduled twice", event.flight)
                self.plans[event.flight], self.seats[event.flight] = event, {}
            case SeatHeld():
                self._held(event)
            case SeatCommitted():
                self._sold(event)
            case HoldReleased():
                self._released(event)
            case SeatReturned():
                self._returned(event)
            case PrepareRefused():
                self.counts[f"refused: {event.reason}"] += 1
                self._close(event.flight, (event.coordinator, event.booking), event.at)
            case _:
                self._booked(self.order((carrier, event.booking)), (carrier, event.booking), event)

    def _held(self, event: SeatHeld) -> None:
        order = (event.coordinator, event.booking)
        known = self.order(order)
        must(event.seat in self.plans[event.flight].seats, "{} is no seat of {}", event.seat, event.flight)
        owner = self.seats[event.flight].get(event.seat)
        must(
            owner is None or owner.order == order,
            "{} of {} has two owners: {} and {}",
            event.seat,
            event.flight,
            owner,
            order,
        )
        must(known.opened, "{} holds a seat and was never opened", order)
        closed = self.closed.get((event.flight, order))
        # By whose clock? The carrier's, which a restart may set: hence the margin.
        must(
            closed is None or event.at > closed + CLOSED_MS - SKEW_MS,
            "the door of {} was closed to {}",
            event.flight,
            order,
        )
        since = owner.since if owner else event.at
        if event.expires_at is None:
            must(known.voting, "{} was pledged a seat before voting started", order)
            must(known.voting and event.ticket in known.voting.tickets, "{} was never allotted", event.ticket)
        else:
            must(owner is None or owner.expires_at is not None, "a timed hold of {} came upon {}", order, owner)
            must(event.expires_at <= since + HOLDS_MS_MAX, "{} holds {} for longer than anybody may", order, event.seat)
            self.counts["holds extended"] += owner is not None
        self.seats[event.flight][event.seat] = Owner(order, since, event.expires_at, event.ticket)

    def _sold(self, event: SeatCommitted) -> None:
        owner = self._owner(event)
        must(owner.expires_at is None, "{} was sold and never pledged", event.seat)
        must(not owner.sold, "{} was sold twice", event.seat)
        must(self.order(owner.order).commit, "{} was sold and no commit is on {}'s disk", event.seat, owner.order[0])
        must(event.ticket == owner.ticket, "{} was pledged for {}, sold for {}", event.seat, owner.ticket, event.ticket)
        must(
            (event.ticket, event.coupon) not in self.coupons,
            "coupon {} of {} exists already",
            event.coupon,
            event.ticket,
        )
        self.coupons.add((event.ticket, event.coupon))
        owner.sold = True
        self.counts["seats sold"] += 1

    def _released(self, event: HoldReleased) -> None:
        owner = self._owner(event)
        must(not owner.sold, "{} was released and it was sold", event.seat)
        self.counts[f"released: {event.reason}"] += 1
        if owner.expires_at is None:
            must(event.reason is not ReleaseReason.EXPIRED, "time released the pledge on {}", event.seat)
            must(not self.order(owner.order).commit, "{} was released and {} is committed", event.seat, owner.order)
        elif event.reason is ReleaseReason.EXPIRED:
            must(event.at >= owner.expires_at, "{} was released before its time", event.seat)
        self._free(event.flight, event.seat, event.at)

    def _returned(self, event: SeatReturned) -> None:
        owner = self._owner(event)
        must(owner.sold, "{} was returned and never sold", event.seat)
        must(self.order(owner.order).cancelled, "{} was returned and nobody cancelled {}", event.seat, owner.order)
        self.gave_back.add((event.flight, owner.order))
        self._free(event.flight, event.seat, event.at)

    def _owner(self, event: SeatCommitted | HoldReleased | SeatReturned) -> Owner:
        owner = self.seats[event.flight].get(event.seat)
        must(owner, "{} of {} has no owner: {}", event.seat, event.flight, event)
        assert owner is not None
        must(
            owner.order[1] == event.booking, "{} of {} belongs to {}: {}", event.seat, event.flight, owner.order, event
        )
        return owner

    def _free(self, flight: FlightId, seat: SeatNo, at: Millis) -> None:
        owner = self.seats[flight].pop(seat)
        self._close(flight, owner.order, at)

    def _close(self, flight: FlightId, order: Order, at: Millis) -> None:
        self.closed[flight, order] = at

    def _booked(self, known: Ordered, order: Order, event: AnyEvent) -> None:
        match event:
            case BookingOpened():
                must(known.opened is None and known.abort is None, "{} was opened twice, or after its end", order)
                known.opened = event
            case HoldExtended():
                must(known.opened and not known.voting, "the hold of {} was extended out of its time", order)
                must(
                    known.opened and event.hold_until <= known.opened.at + HOLDS_MS_MAX,
                    "{} was promised seats for longer than anybody may hold them",
                    order,
                )
            case VotingStarted():
                must(known.voting is None, "{} was voted on twice", order)
                known.voting = event
            case BookingCommitted():
                self._committed(known, order, event)
            case BookingAborted():
                must(not known.commit and not known.abort, "{} was decided twice", order)
                must(not known.told & {Status.CONFIRMED}, "{} was aborted after its traveller heard confirmed", order)
                known.abort = event
                self.counts[f"aborted: {event.reason}"] += 1
            case BookingCancelled():
                must(known.commit, "{} was cancelled and never committed", order)
                must(known.asked_to_cancel, "nobody asked to cancel {}", order)
                known.cancelled, known.settled = True, False
                self.counts["cancelled"] += 1
            case BookingSettled():
                known.settled = True
                self._check_settled(known, order)
            case _:
                raise Violation(f"an event that nobody knows: {event}")

    def _committed(self, known: Ordered, order: Order, event: BookingCommitted) -> None:
        must(not known.commit and not known.abort, "{} was decided twice", order)
        must(
            not known.told - {Status.HOLDING, Status.HELD, Status.CONFIRMING},
            "{} was committed after its traveller heard no",
            order,
        )
        assert known.opened is not None
        must(known.voting and event.at < known.voting.decide_by, "{} was committed after its time", order)
        for segment, seats in zip(known.opened.segments, event.seats, strict=True):
            pledges = {
                seat: owner for seat, owner in self.of(segment.flight, order).items() if owner.expires_at is None
            }
            must(set(pledges) == set(seats), "{} was committed without {}'s yes on disk", order, segment.flight)
            must(len(seats) == known.opened.passengers, "{} was committed without a seat for everybody", order)
        known.commit = event
        self.counts["bookings sold"] += 1

    def _check_settled(self, known: Ordered, order: Order) -> None:
        for flight in flights_of(known):
            if known.abort:
                must(not self.of(flight, order), "{} is settled as aborted and has seats on {}", order, flight)
            elif known.cancelled:
                must(
                    (flight, order) in self.gave_back,
                    "{} is settled as cancelled, {} did not take it back",
                    order,
                    flight,
                )
            else:
                owners = self.of(flight, order).values()
                must(owners and all(owner.sold for owner in owners), "{} is settled and not sold on {}", order, flight)

    # ---- what is said -----------------------------------------------------------------------------------------------

    def asked(self, message: PeerMessage) -> None:
        """A node sends this to another: what must be on its disk before."""
        known = self.order((message.coordinator, message.booking))
        before: Mapping[type[PeerMessage], object] = {
            Hold: known.opened,
            Prepare: known.voting,
            Commit: known.commit,
            Abort: known.abort,
            Release: known.abort,
            Return: known.cancelled,
            Inquire: True,
        }
        must(before[type(message)], TOO_SOON, message)
        if isinstance(message, Inquire) and message.asker == message.flight:
            self.counts["inquiries"] += 1

    def answered(self, message: PeerMessage, answer: Answer) -> None:
        """A node answers another: what must be on its disk before."""
        order, flight = (message.coordinator, message.booking), message.flight
        closed = (flight, order) in self.closed or flight not in self.plans
        match answer:
            case Held():
                must(self._has(flight, order, answer.seats), TOO_SOON, answer)
            case Pledged():
                must(self._was_pledged(flight, order), TOO_SOON, answer)
            case Refused():
                foreign = any(owner.order[1] == message.booking for owner in self.seats.get(flight, {}).values())
                foreign = foreign or any(f == flight and o[1] == message.booking for f, o in self.closed)
                must(closed or foreign, TOO_SOON, answer)
            case Acknowledged():
                self._acknowledged(answer, order, closed)
            case Outcome():
                self._told_outcome(answer, order)
            case Conflict():
                # An inquiry may come upon another coordinator's booking of the same id: that is no answer, and no harm.
                must(isinstance(message, Inquire), "a contradiction: {} was answered {}", message, answer)
            case _:
                raise Violation(f"{message} was answered {answer}")

    def _has(self, flight: FlightId, order: Order, seats: Iterable[SeatNo]) -> bool:
        # It may have run out between the writing of it and the saying, both in one batch.
        return set(seats) <= set(self.of(flight, order)) or (flight, order) in self.closed

    def _was_pledged(self, flight: FlightId, order: Order) -> bool:
        owners = self.of(flight, order).values()
        pledged = bool(owners) and all(owner.expires_at is None for owner in owners)
        return pledged or ((flight, order) in self.closed and bool(self.order(order).voting))

    def _acknowledged(self, answer: Acknowledged, order: Order, closed: bool) -> None:
        owners = self.of(answer.flight, order).values()
        match answer.done:
            case "commit":
                sold = bool(owners) and all(owner.sold for owner in owners)
                must(sold or (answer.flight, order) in self.gave_back, TOO_SOON, answer)
            case "return":
                must((answer.flight, order) in self.gave_back, TOO_SOON, answer)
            case _:
                must(not owners, TOO_SOON, answer)
                another = any(f == answer.flight and o[1] == order[1] for f, o in self.closed) or any(
                    owner.order[1] == order[1] for owner in self.seats.get(answer.flight, {}).values()
                )
                must(closed or another, "no door was closed, but: {}", answer)

    def _told_outcome(self, answer: Outcome, order: Order) -> None:
        known = self.order(order)
        by_coordinator = answer.by == order[0]
        match answer.word:
            case Word.COMMITTED:
                must(known.commit, TOO_SOON, answer)
            case Word.ABORTED if by_coordinator:
                must(known.abort, TOO_SOON, answer)
            case Word.ABORTED:
                must(not known.commit, "{}, but {} is committed", answer, order)
                must((answer.flight, order) in self.closed, TOO_SOON, answer)
            case Word.PLEDGED | Word.UNDECIDED:
                pass

    def told(self, carrier: CarrierCode, command: TravellerCommand, answer: Answer, was_open: bool) -> None:
        """A node answers a traveller: what must be on its disk before, and what they must not have heard before.

        `was_open`: the booking was on disk when the command came. An answer may be as old as that, and no older.
        """
        known = self.order((carrier, command.booking))
        if isinstance(answer, Refusal):
            must(answer.error != "no-such-booking" or not was_open, "a booking was denied that is on disk")
            self.counts[f"told: {answer.error}"] += 1
            return
        must(isinstance(answer, BookingView), "{} was answered {}", command, answer)
        assert isinstance(answer, BookingView)
        if isinstance(command, OpenBooking) and known.opened:
            must(known.opened.body_hash == command.body_hash, "{} was two orders under one id", command.booking)
        status = answer.status
        self.counts[f"told: {status}"] += 1
        if status is Status.CONFIRMED:
            must(known.commit, TOO_SOON, answer)
            must(not known.told & NO, "{} told {} no and then yes", carrier, command.booking)
            assert known.commit is not None
            must(
                tuple(part.seats for part in answer.segments) == known.commit.seats, "a traveller was told other seats"
            )
        elif status in NO:
            must(known.abort or known.cancelled, TOO_SOON, answer)
            must(
                known.cancelled or Status.CONFIRMED not in known.told,
                "{} told {} yes and then no",
                carrier,
                command.booking,
            )
        if status is Status.CANCELLED:
            must(known.asked_to_cancel, "{} was cancelled and nobody asked for it", command.booking)
        known.told.add(status)

    def came(self, carrier: CarrierCode, booking: BookingId) -> bool:
        """A traveller's command has come to a node. Whether this carrier's disk has the booking by then."""
        known = self.order((carrier, booking))
        known.came += 1
        return known.opened is not None

    def turned_away(self, carrier: CarrierCode, booking: BookingId) -> None:
        """A node was too busy for a traveller's command: nothing may come of it."""
        self.order((carrier, booking)).turned_away += 1

    def ordered(self, carrier: CarrierCode, command: TravellerCommand) -> None:
        """A traveller sends an order, whether it arrives or not."""
        if isinstance(command, CancelBooking):
            self.order((carrier, command.booking)).asked_to_cancel = True

    # ---- after the calm ---------------------------------------------------------------------------------------------

    def at_rest(self) -> None:
        """All is quiet: every booking is decided and settled, everywhere or nowhere; no seat is held."""
        for order, known in self.orders.items():
            if known.opened is None and known.abort is None:
                continue
            must(known.came > known.turned_away or not known.opened, "{} was turned away and opened", order)
            must(known.commit or known.abort, "{} was never decided", order)
            must(known.settled, "{} was never settled", order)
            self._check_settled(known, order)
        for flight, seats in self.seats.items():
            held = {seat: owner for seat, owner in seats.items() if not owner.sold}
            must(not held, "{} has seats that are held for nothing: {}", flight, held)
            must(len(seats) <= len(self.plans[flight].seats), "{} has sold more than it has", flight)


NO = frozenset({Status.REFUSED, Status.EXPIRED, Status.CANCELLED})


def flights_of(known: Ordered) -> Sequence[FlightId]:
    return [segment.flight for segment in known.opened.segments] if known.opened else []

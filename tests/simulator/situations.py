"""The rare situations that a run must have met often enough to mean something, read from what happened in a world."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TypeAlias

from ledger.events import (
    BookingAborted,
    BookingCancelled,
    BookingCommitted,
    BookingSettled,
    HoldReleased,
    PrepareRefused,
    ReleaseReason,
    SeatCommitted,
    SeatHeld,
    VotingStarted,
)
from ledger.messages import (
    Acknowledged,
    BookingView,
    Commit,
    Hold,
    Inquire,
    OpenBooking,
    Pledged,
    Prepare,
    Status,
)
from ledger.terms import DECIDE_MS, BookingId, CarrierCode, FlightId, carrier_of
from tests.simulator.trace import Entry

Order: TypeAlias = tuple[CarrierCode, BookingId]
Claim: TypeAlias = tuple[FlightId, BookingId]

COORDINATOR_VOTING = "a coordinator died while it collected votes"
COORDINATOR_SILENT = "a coordinator died between its decision and the first commit message"
COORDINATOR_UNTOLD = "a coordinator died between its decision and telling the traveller"
YES_UNSAID = "a carrier died between its yes on disk and saying it"
SALE_UNSAID = "a carrier died between its sale on disk and acknowledging it"
DIED_STARTING = "a node died while it started"
TWO_DOWN = "two carriers were down together"
LATE_COMMIT = "a pledge outlived its deadline and was sold"
PREPARE_REPEATED = "a repeated prepare came after the abort"
PREPARE_OVERTAKEN = "a prepare came after the abort that overtook it"
PREPARE_EXPIRED = "a prepare came after its hold had run out"
COMMIT_REPEATED = "a commit came twice"
YES_AFTER_ABORT = "a yes came after the abort"
ASKED_UNDECIDED = "an inquiry came before the decision"
ASKED_IN_RETRY = "an inquiry came while its traveller asked again"
ASKED_FIRST = "an order came after the inquiry about it"
TOLD_AGAIN = "a confirmed traveller asked again after a restart"
READ_BACK = "a settled booking was read back"
CANCELLED_EARLY = "a sale was cancelled while its commit was still on its way"
TWO_COORDINATORS = "two coordinators asked for seats under one booking id"
CLOSED_BUSY = "a node was told to end with orders under way"

SITUATIONS = (
    *(COORDINATOR_VOTING, COORDINATOR_SILENT, COORDINATOR_UNTOLD, YES_UNSAID, SALE_UNSAID, DIED_STARTING, TWO_DOWN),
    *(LATE_COMMIT, PREPARE_REPEATED, PREPARE_OVERTAKEN, PREPARE_EXPIRED, COMMIT_REPEATED, YES_AFTER_ABORT),
    *(ASKED_UNDECIDED, ASKED_IN_RETRY, ASKED_FIRST, TOLD_AGAIN, READ_BACK, CANCELLED_EARLY, TWO_COORDINATORS),
    CLOSED_BUSY,
)


def situations(trace: Iterable[Entry]) -> Counter[str]:
    """How often each was met in one world."""
    reader = _Reader()
    for entry in trace:
        reader.read(entry)
    return reader.met


class _Reader:
    def __init__(self) -> None:
        self.met: Counter[str] = Counter()
        self._down: set[CarrierCode] = set()
        self._starting: set[CarrierCode] = set()
        self._lives: Counter[CarrierCode] = Counter()
        self._voting: dict[CarrierCode, set[BookingId]] = defaultdict(set)
        self._unsent: dict[CarrierCode, set[BookingId]] = defaultdict(set)
        self._untold: dict[CarrierCode, set[BookingId]] = defaultdict(set)
        self._yes_unsaid: dict[CarrierCode, set[Claim]] = defaultdict(set)
        self._sale_unsaid: dict[CarrierCode, set[Claim]] = defaultdict(set)
        self._coordinators: dict[Claim, CarrierCode] = {}
        self._pledged_at: dict[Claim, float] = {}
        self._prepared: set[Claim] = set()
        self._closed: dict[Claim, str] = {}
        self._sold: set[Claim] = set()
        self._aborted: set[Order] = set()
        self._decided: set[Order] = set()
        self._settled: set[Order] = set()
        self._orders: Counter[Order] = Counter()
        self._asked_about: set[Order] = set()
        self._confirmed_in: dict[Order, int] = {}

    def read(self, entry: Entry) -> None:
        match entry.what:
            case "writes":
                self._written(entry)
            case "asks":
                self._asked(entry)
            case "is asked":
                self._was_asked(entry)
            case "answers":
                self._answered(entry)
            case "hears":
                if isinstance(entry.about, Pledged) and (entry.who, entry.about.booking) in self._aborted:
                    self.met[YES_AFTER_ABORT] += 1
            case "is told" if isinstance(entry.about, OpenBooking):
                self._ordered((entry.who, entry.about.booking))
            case "tells" if isinstance(entry.about, BookingView):
                self._told((entry.who, entry.about.booking), entry.about.status)
            case "starts":
                self._down.discard(entry.who)
                self._starting.add(entry.who)
                self._lives[entry.who] += 1
            case "opens":
                self._starting.discard(entry.who)
            case "crashes":
                self._crashed(entry.who)
            case "closes" if not str(entry.about).startswith("with 0 "):
                self.met[CLOSED_BUSY] += 1

    def _crashed(self, carrier: CarrierCode) -> None:
        self._down.add(carrier)
        self.met[TWO_DOWN] += len(self._down) > 1
        self.met[DIED_STARTING] += carrier in self._starting
        for situation, waiting in (
            (COORDINATOR_VOTING, self._voting[carrier]),
            (COORDINATOR_SILENT, self._unsent[carrier]),
            (COORDINATOR_UNTOLD, self._untold[carrier]),
        ):
            self.met[situation] += bool(waiting)
        self.met[YES_UNSAID] += bool(self._yes_unsaid[carrier])
        self.met[SALE_UNSAID] += bool(self._sale_unsaid[carrier])
        # Whatever it says in its next life is not what it was about to say in this one.
        for unsaid in (self._unsent, self._untold, self._voting):
            unsaid[carrier].clear()
        for unsaid_claims in (self._yes_unsaid, self._sale_unsaid):
            unsaid_claims[carrier].clear()

    def _written(self, entry: Entry) -> None:
        me, event = entry.who, entry.about
        match event:
            case SeatHeld(expires_at=None):
                claim = (event.flight, event.booking)
                self._pledged_at[claim] = entry.at
                if event.coordinator != me:
                    self._yes_unsaid[me].add(claim)
            case SeatCommitted():
                claim = (event.flight, event.booking)
                self._sold.add(claim)
                self._yes_unsaid[me].discard(claim)
                if self._coordinators.get(claim, me) != me:
                    self._sale_unsaid[me].add(claim)
                self.met[LATE_COMMIT] += entry.at - self._pledged_at[claim] > DECIDE_MS / 1000
            case HoldReleased() | PrepareRefused():
                self._closed[event.flight, event.booking] = event.reason
                self._yes_unsaid[me].discard((event.flight, event.booking))
            case VotingStarted():
                self._voting[me].add(event.booking)
            case BookingCommitted() | BookingAborted():
                self._voting[me].discard(event.booking)
                self._decided.add((me, event.booking))
                if isinstance(event, BookingAborted):
                    self._aborted.add((me, event.booking))
                else:
                    self._unsent[me].add(event.booking)
                    self._untold[me].add(event.booking)
            case BookingSettled():
                self._settled.add((me, event.booking))
                self._unsent[me].discard(event.booking)
            case BookingCancelled():
                self.met[CANCELLED_EARLY] += (me, event.booking) not in self._settled

    def _asked(self, entry: Entry) -> None:
        if isinstance(entry.about, Commit):
            self._unsent[entry.who].discard(entry.about.booking)

    def _was_asked(self, entry: Entry) -> None:
        message = entry.about
        match message:
            case Hold() | Prepare():
                claim = (message.flight, message.booking)
                first = self._coordinators.setdefault(claim, message.coordinator)
                self.met[TWO_COORDINATORS] += first != message.coordinator
                if isinstance(message, Prepare):
                    self._prepare_came(claim)
            case Commit():
                self.met[COMMIT_REPEATED] += (message.flight, message.booking) in self._sold
            case Inquire(to=to, coordinator=coordinator) if to == coordinator:
                self._inquired((coordinator, message.booking))

    def _prepare_came(self, claim: Claim) -> None:
        match self._closed.get(claim):
            case ReleaseReason.EXPIRED:
                self.met[PREPARE_EXPIRED] += 1
            case None:
                pass
            case _:
                self.met[PREPARE_REPEATED if claim in self._prepared else PREPARE_OVERTAKEN] += 1
        self._prepared.add(claim)

    def _inquired(self, order: Order) -> None:
        if order not in self._decided:
            self._asked_about.add(order)
            self.met[ASKED_UNDECIDED] += 1
            self.met[ASKED_IN_RETRY] += self._orders[order] > 1

    def _answered(self, entry: Entry) -> None:
        match entry.about:
            case Pledged(flight=flight, booking=booking):
                self._yes_unsaid[carrier_of(flight)].discard((flight, booking))
            case Acknowledged(flight=flight, booking=booking, done="commit"):
                self._sale_unsaid[carrier_of(flight)].discard((flight, booking))

    def _ordered(self, order: Order) -> None:
        self.met[ASKED_FIRST] += order in self._asked_about and not self._orders[order]
        self._orders[order] += 1

    def _told(self, order: Order, status: Status) -> None:
        carrier, booking = order
        self._untold[carrier].discard(booking)
        self.met[READ_BACK] += order in self._settled
        if status is Status.CONFIRMED:
            life = self._lives[carrier]
            self.met[TOLD_AGAIN] += self._confirmed_in.setdefault(order, life) < life

"""A node without a shell, for the tests of a whole ledger: everything that is thought is written at once."""

from collections.abc import Sequence

from ledger.events import (
    AnyEvent,
    Recorded,
    StreamName,
    stream_of,
)
from ledger.ledger import RETIRE_MS, Answer, Command, Ledger
from ledger.messages import (
    BookingView,
    OpenBooking,
    OpenSales,
    PeerMessage,
    Pledged,
    Status,
)
from ledger.terms import BookingId, FlightId, Millis, Segment
from tests.ledger.given import (
    AN_FLIGHT,
    ANA,
    ARRIVAL,
    JG_FLIGHT,
    NOW,
    open_booking,
    scheduled,
    segment,
)

AN_OTHER: FlightId = "AN1118/2026-12-14"
HOME = (segment(AN_FLIGHT, "1A"),)
HOME_AND_AWAY = (segment(AN_FLIGHT, "1A"), segment(JG_FLIGHT, "1A"))
LONG_AFTER: Millis = ARRIVAL + RETIRE_MS + 1
NOBODY: BookingId = "nobody-0000000000000000"


class Disk:
    """A node without a shell: a ledger and the log it has written. Everything is written at once."""

    def __init__(self, *flights: FlightId, carrier: str = "AN") -> None:
        self.ledger = Ledger(carrier, "981")
        self.log: list[Recorded] = []
        self.say(OpenSales(tuple(scheduled(flight) for flight in flights)))

    def say(self, command: Command, now: Millis = NOW) -> Answer:
        """One batch of one command."""
        if stream := self.ledger.missing(command):
            self.ledger.load(stream, self.read(stream))
        answer = self.ledger.handle(command, now)
        self.write()
        return answer

    def write(self) -> list[AnyEvent]:
        change = self.ledger.take()
        self.log += change.records
        self.ledger.forget(change.settled)
        return [recorded.event for recorded in change.records]

    def read(self, stream: StreamName) -> list[Recorded]:
        return [recorded for recorded in self.log if stream_of(recorded.event) == stream]

    def last(self, count: int) -> list[type[AnyEvent]]:
        return [type(recorded.event) for recorded in self.log[-count:]]

    def restart(self, now: Millis = NOW) -> None:
        carrier = self.ledger.carrier
        self.ledger = replay(self.log, carrier)
        self.ledger.restarted(now)
        self.write()

    def owed(self) -> list[PeerMessage]:
        machines = [*self.ledger.bookings, *self.ledger.flights]
        return [message for machine in machines for message in self.ledger.pending(machine)]


def replay(log: Sequence[Recorded], carrier: str = "AN") -> Ledger:
    """What a start makes of a log: all of it folded, and read whole what went on after it had left memory."""
    ledger = Ledger(carrier, "981")
    for recorded in log:
        ledger.apply(recorded)
    for stream in sorted(ledger.torn):
        ledger.load(stream, [recorded for recorded in log if stream_of(recorded.event) == stream])
    return ledger


def buy(*segments: Segment, booking: BookingId = ANA) -> OpenBooking:
    return open_booking(*segments, confirm=True, booking=booking)


def status(answer: Answer) -> Status:
    assert isinstance(answer, BookingView)
    return answer.status


def jangada_says_yes(node: Disk) -> None:
    node.say(Pledged(booking=ANA, flight=JG_FLIGHT, seats=("1A",)))

"""One carrier's node without its shell: the real `Ledger`, and a disk that keeps only what was written.

It lives as `airline_node.node` does. One batch is thought while the one before is being written; answers and messages
leave after the write; what has left memory is read back. A crash takes everything but the disk, and of the batch that
was being written all or nothing. What is owed is sent again for as long as it is owed.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, json
from msgspec.structs import replace

from ledger.coordinator.state import HEARD, SETTLED
from ledger.events import Recorded, StreamName, stream_of
from ledger.ledger import Answer, Change, Command, Ledger, Machine
from ledger.messages import ConfirmBooking, OpenBooking, OpenSales, Outcome, PeerMessage, TravellerCommand
from ledger.participant.state import HoldState
from ledger.terms import BookingId, CarrierCode, Millis
from snapshots.form import picture, restore
from tests.simulator.checker import must

if TYPE_CHECKING:
    from tests.simulator.world import World

RESEND_MS = 2_000
WRITE_MS = 20
SLOW_WRITE_MS = 800

Reply: TypeAlias = Callable[[Answer], None]


class Said(Struct):
    """A batch after thinking: what must be on disk, and what may be said after that."""

    change: Change
    answers: list[tuple[Reply, Answer]]
    owed: list[tuple[Machine, Sequence[PeerMessage]]]
    picture: bytes | None


class Server:
    """`disk` is what a crash leaves. `life` counts the starts: what belongs to an earlier life comes to nothing."""

    def __init__(self, world: "World", carrier: CarrierCode, ticket_prefix: str, skew_ms: Millis) -> None:
        self.world = world
        self.carrier = carrier
        self.ticket_prefix = ticket_prefix
        self.skew_ms = skew_ms
        self.disk: list[Recorded] = []
        self.streams: dict[StreamName, list[Recorded]] = {}
        self.snapshot: tuple[int, bytes] | None = None
        self.life = 0
        self.up = False

    def now(self) -> Millis:
        """This carrier's own clock."""
        return self.world.now + self.skew_ms

    # ---- its life ---------------------------------------------------------------------------------------------------

    def start(self, sales: OpenSales | None = None) -> None:
        self.life += 1
        self.up = True
        self.ledger = self.rebuilt(from_snapshot=True)
        self.inbox: deque[tuple[Command, Reply | None]] = deque()
        self.late: dict[BookingId, list[tuple[TravellerCommand, Reply]]] = {}
        self.owed: dict[Machine, Sequence[PeerMessage]] = {}
        self.writing: Said | None = None
        self.thought: Said | None = None
        self.alarm: Millis | None = None
        self.thinks = self.resends = False
        self.ledger.restarted(self.now())
        self.world.note(self.carrier, "starts", f"with {len(self.disk)} events on disk")
        if sales:
            self.inbox.append((sales, None))
        self.think_soon()

    def crash(self) -> None:
        """Of the batch that is being written, all or nothing is on disk. Nothing more is said."""
        self.up = False
        self.life += 1
        self.world.count("crashes")
        self.world.note(self.carrier, "crashes", "")
        if self.writing and self.writing.change.records:
            if self.world.chance.random() < 0.5:
                self.world.count("crashes after the write and before the answer")
                self.keep(self.writing.change.records)
            else:
                self.world.count("crashes that lost a batch")

    def rebuilt(self, *, from_snapshot: bool) -> Ledger:
        """What a start makes of the disk: the snapshot if there is one, the log after it, torn streams read whole."""
        ledger, start = Ledger(self.carrier, self.ticket_prefix), 0
        if from_snapshot and self.snapshot:
            start, state = self.snapshot
            restore(ledger, state)
        for recorded in self.disk[start:]:
            ledger.apply(recorded)
        for stream in sorted(ledger.torn):
            ledger.load(stream, self.streams[stream])
        ledger.forget(ledger.take().settled)
        return ledger

    @property
    def idle(self) -> bool:
        return not (self.inbox or self.writing or self.thought)

    def check_replay(self) -> None:
        """At rest: the log and the snapshot with its tail both give the state that lives, soft state left out."""
        live = facts(self.ledger)
        for from_snapshot in (False, True):
            replayed = facts(self.rebuilt(from_snapshot=from_snapshot))
            differs = [name for name in {**live, **replayed} if live.get(name) != replayed.get(name)]
            must(not differs, f"{self.carrier}: a replay gives other facts about {differs}")

    # ---- inbox, think, write, speak ---------------------------------------------------------------------------------

    def ask(self, command: Command, reply: Reply | None = None) -> None:
        """Something arrives. `reply` is called when the answer may leave, in this life or never."""
        if self.up:
            self.inbox.append((command, reply))
            self.think_soon()

    def think_soon(self) -> None:
        if not self.thinks:
            self.thinks = True
            self.world.later(self.world.chance.randint(0, 3), self.in_this_life(self.think))

    def think(self) -> None:
        """Decide the whole inbox, unless a batch is thought already and waits for its turn to be written."""
        self.thinks = False
        if self.thought:
            return
        batch = list(self.inbox)
        self.inbox.clear()
        for command, _ in batch:
            if stream := self.ledger.missing(command):
                self.ledger.load(stream, self.streams.get(stream, []))
        now = self.now()
        self.ledger.tick(now)
        answers: list[tuple[Reply, Answer]] = []
        for command, reply in batch:
            if (answer := self.decide(command, reply, now)) and reply:
                answers.append((reply, answer))
        change = self.ledger.take()
        answers += self.answers_at_last(change.machines)
        owed = [(machine, self.ledger.pending(machine)) for machine in change.machines]
        pictured = picture(self.ledger) if change.records and self.world.chance.random() < 0.03 else None
        self.thought = Said(change, answers, owed, pictured)
        self.set_alarm()
        self.write_next()

    def decide(self, command: Command, reply: Reply | None, now: Millis) -> Answer:
        self.world.note(self.carrier, "hears", command)
        pledged = isinstance(command, Outcome) and self.is_pledged(command)
        answer = self.ledger.handle(command, now)
        if pledged and isinstance(command, Outcome) and not self.is_pledged(command):
            self.world.count(f"doubts ended, {command.word}, by {self.role(command)}")
        if answer is None and reply and isinstance(command, OpenBooking | ConfirmBooking):
            self.late.setdefault(command.booking, []).append((command, reply))
        return answer

    def is_pledged(self, heard: Outcome) -> bool:
        flight = self.ledger.flights.get(heard.asker)
        return flight is not None and flight.state_of(heard.booking) is HoldState.PLEDGED

    def role(self, heard: Outcome) -> str:
        return "the coordinator" if heard.flight == heard.asker else "a participant"

    def answers_at_last(self, machines: Sequence[Machine]) -> list[tuple[Reply, Answer]]:
        answers: list[tuple[Reply, Answer]] = []
        for machine in machines:
            waiting = self.late.pop(machine, [])
            for command, reply in waiting:
                if answer := self.ledger.reply(command):
                    answers.append((reply, answer))
                else:
                    self.late.setdefault(command.booking, []).append((command, reply))
        return answers

    def set_alarm(self) -> None:
        due = self.ledger.next_due
        if due is not None and due != self.alarm:
            self.alarm = due
            self.world.later(max(due - self.now(), 1), self.in_this_life(self.think_soon))

    def write_next(self) -> None:
        """The batch that was thought is written, once the one before is on disk."""
        if self.writing or not self.thought:
            return
        self.writing, self.thought = self.thought, None
        slow = self.world.chance.random() < 0.03
        written_ms = self.world.chance.randint(1, SLOW_WRITE_MS if slow else WRITE_MS)
        self.world.later(written_ms if self.writing.change.records else 0, self.in_this_life(self.written))
        if self.writing.change.records and self.world.chance.random() < self.world.trouble.torn:
            self.world.later(self.world.chance.randint(0, written_ms + 5), self.in_this_life(self.world.falls(self)))
        overdue = self.ledger.next_due is not None and self.ledger.next_due <= self.now()
        if self.inbox or overdue:
            self.think_soon()

    def written(self) -> None:
        said, self.writing = self.writing, None
        assert said is not None
        self.keep(said.change.records)
        if said.picture is not None:
            self.snapshot = (len(self.disk), said.picture)
            self.world.count("snapshots")
        self.speak(said)
        self.write_next()

    def keep(self, records: Sequence[Recorded]) -> None:
        for recorded in records:
            self.world.note(self.carrier, "writes", recorded.event)
            stream = self.streams.setdefault(stream_of(recorded.event), [])
            must(recorded.version == len(stream) + 1, f"{self.carrier} writes {recorded} as number {len(stream) + 1}")
            self.disk.append(recorded)
            stream.append(recorded)
            self.world.checker.written(self.carrier, recorded.event)

    def speak(self, said: Said) -> None:
        self.ledger.forget(said.change.settled)
        for machine, messages in said.owed:
            before = self.owed.pop(machine, ())
            if messages:
                self.owed[machine] = messages
            for message in messages:
                if message not in before:
                    self.world.post(self, message)
        for reply, answer in said.answers:
            reply(answer)
        self.resend_later()

    # ---- sent again -------------------------------------------------------------------------------------------------

    def resend_later(self) -> None:
        if self.owed and not self.resends:
            self.resends = True
            self.world.later(RESEND_MS, self.in_this_life(self.resend))

    def resend(self) -> None:
        self.resends = False
        for messages in list(self.owed.values()):
            for message in messages:
                self.world.count("messages sent again")
                self.world.post(self, message)
        self.resend_later()

    def in_this_life(self, action: Callable[[], None]) -> Callable[[], None]:
        life = self.life

        def act() -> None:
            if self.life == life:
                action()

        return act


def facts(ledger: Ledger) -> dict[str, bytes]:
    """All that is remembered by right, byte for byte: what was merely heard is left out, and what may leave memory."""
    flights = {flight.id: json.encode(replace(flight, doubts={})) for flight in ledger.flights.values()}
    bookings = {
        booking.id: json.encode(replace(booking, **{name: type(getattr(booking, name))() for name in HEARD}))
        for booking in ledger.bookings.values()
        if booking.phase not in SETTLED
    }
    return {**flights, **bookings, "stock": json.encode(ledger.stock)}

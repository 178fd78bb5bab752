"""The people: who books what, how patient they are, and what they do when nobody answers."""

from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ledger.ledger import Answer
from ledger.messages import (
    BookingView,
    CancelBooking,
    ConfirmBooking,
    ExtendBooking,
    OpenBooking,
    ReadBooking,
    Status,
    TravellerCommand,
)
from ledger.terms import HOLD_MS, BookingId, CarrierCode, Millis

if TYPE_CHECKING:
    from tests.simulator.world import World

PATIENCE_MS = 6_000
RETRIES_MAX = 4


class Habit(StrEnum):
    BUYS = "buys in one step"
    HOLDS = "holds, thinks, confirms"
    DOUBTS = "holds, thinks, cancels"
    REGRETS = "buys, then cancels"
    VANISHES = "holds and is never seen again"
    HASTENS = "holds and confirms before it is held"
    MOVES = "takes the same order to another carrier"
    CONFUSES = "buys, then orders something else under the same id"


ONE_STEP = frozenset({Habit.BUYS, Habit.REGRETS, Habit.CONFUSES})
HABITS = (*[Habit.BUYS] * 6, *[Habit.HOLDS] * 4, *[Habit.REGRETS] * 2, *Habit)


class Traveller:
    """One person with one order under one booking id; every answer leads to the next step, silence to a retry."""

    def __init__(self, world: "World", chance: Random, order: OpenBooking, carrier: CarrierCode, habit: Habit) -> None:
        self.world = world
        self.chance = chance
        self.order = order
        self.carrier = carrier
        self.habit = habit
        self.asked = 0

    @property
    def booking(self) -> BookingId:
        return self.order.booking

    def begin(self) -> None:
        self.send(self.order, RETRIES_MAX)
        if self.habit is Habit.HASTENS:
            self.world.later(self.think_ms(500), lambda: self.send(ConfirmBooking(self.booking), RETRIES_MAX))

    def send(self, command: TravellerCommand, retries: int) -> None:
        """Ask, and ask again under the same id while nobody answers; some give up early."""
        self.asked += 1
        number = self.asked
        heard = False

        def listen(answer: Answer) -> None:
            nonlocal heard
            if not heard:
                heard = True
                self.react(command, answer)

        def lose_patience() -> None:
            if heard or number != self.asked:
                return
            if retries == 0 or self.chance.random() < 0.1:
                return
            if self.habit is Habit.MOVES:
                self.carrier = self.chance.choice(self.world.carriers)
            self.world.count("orders sent again")
            self.send(ReadBooking(self.booking) if self.chance.random() < 0.1 else command, retries - 1)

        self.world.request(self.carrier, command, listen)
        self.world.later(self.think_ms(PATIENCE_MS), lose_patience)

    def react(self, command: TravellerCommand, answer: Answer) -> None:
        """What the traveller does about an answer."""
        if not isinstance(answer, BookingView):
            return
        match self.habit, answer.status:
            case ((Habit.HOLDS | Habit.MOVES), Status.HELD) if command is self.order and self.chance.random() < 0.4:
                self.after(self.pause_ms(), ExtendBooking(self.booking))
            case ((Habit.HOLDS | Habit.HASTENS | Habit.MOVES), Status.HELD):
                self.after(self.pause_ms(), ConfirmBooking(self.booking))
            case Habit.DOUBTS, Status.HELD:
                self.after(self.pause_ms(), CancelBooking(self.booking))
            case Habit.REGRETS, Status.CONFIRMED:
                self.after(self.think_ms(self.chance.choice([1, 100, 300, 8_000])), CancelBooking(self.booking))
            case Habit.CONFUSES, _ if command is self.order:
                other = replace(self.order, segments=self.order.segments[:1], body_hash="of something else")
                self.after(self.pause_ms(), other, retries=0)
            case _, (Status.CONFIRMED | Status.REFUSED | Status.CANCELLED) if self.looks_again(command):
                again: list[TravellerCommand] = [self.order, ReadBooking(self.booking)]
                self.after(self.pause_ms(), self.chance.choice(again), retries=0)

    def looks_again(self, command: TravellerCommand) -> bool:
        return not isinstance(command, ReadBooking) and self.chance.random() < 0.5

    def after(self, pause_ms: Millis, command: TravellerCommand, retries: int = RETRIES_MAX) -> None:
        self.world.later(pause_ms, lambda: self.send(command, retries))

    def think_ms(self, longest: Millis) -> Millis:
        return self.chance.randint(longest // 3, longest)

    def pause_ms(self) -> Millis:
        """No time at all, some seconds, as long as a hold lasts, or longer than any."""
        if self.chance.random() < 0.1:
            return HOLD_MS + self.chance.randint(-1_000, 1_000)
        return self.think_ms(self.chance.choice([100, 3_000, 8_000, 8_000, 8_000, 8_000, 700_000]))

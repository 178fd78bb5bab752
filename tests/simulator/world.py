"""Three carriers, their travellers and a bad network in virtual time, all from one seed.

First trouble, then calm: messages and answers are lost, repeated, late and out of order, links are cut, nodes crash
between any two steps, clocks are up to an hour wrong; then nothing of this happens any more, and within some hours
everything must have come to rest. Some worlds have a second day: what the network had kept overnight arrives then.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from random import Random

from ledger.ledger import Answer
from ledger.messages import (
    Inquire,
    OpenBooking,
    OpenSales,
    PeerMessage,
    TravellerCommand,
    Unanswered,
    addressee,
)
from ledger.terms import CarrierCode, Millis, carrier_of
from tests.simulator.checker import Checker, Violation, must
from tests.simulator.draws import CALM, HOUR_MS, START, TROUBLE_MS, draw_plans, draw_skew, draw_traveller, draw_trouble
from tests.simulator.server import Server

REQUEST_MS = 5_000
"""When a carrier that does not answer counts as silent."""
NIGHT_MS = 13 * HOUR_MS
REST_MS_MAX = 6 * HOUR_MS
"""After the calm has begun everything has come to rest by then."""
STEPS_MAX = 60_000
CARRIERS: dict[CarrierCode, str] = {"AN": "981", "JG": "982", "IP": "983"}


class World:
    """Time, chance, the network and everybody in it. `note` remembers what happened, `count` how often."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.now = START
        self.checker = Checker()
        self.counts: Counter[str] = self.checker.counts
        self.trace: list[tuple[Millis, CarrierCode, str, object]] = []
        self.trouble = CALM
        self.cut: set[frozenset[CarrierCode]] = set()
        self.kept: list[Callable[[], None]] = []
        self.arrived: dict[tuple[CarrierCode, CarrierCode], int] = {}
        self.steps = 0
        self._queue: list[tuple[Millis, int, Callable[[], None]]] = []
        self._order = count()
        self.carriers = tuple(CARRIERS)
        self.servers = {
            carrier: Server(self, carrier, CARRIERS[carrier], draw_skew(self.chance)) for carrier in CARRIERS
        }
        self.plans = [plan for carrier in CARRIERS for plan in draw_plans(self.chance, carrier)]
        for carrier, server in self.servers.items():
            server.start(OpenSales(tuple(plan for plan in self.plans if carrier_of(plan.flight) == carrier)))

    # ---- a seed's whole life ----------------------------------------------------------------------------------------

    def live(self) -> None:
        """One day of trouble and its calm, in every third world a second one. Raises `Violation`."""
        try:
            self.day("day 1")
            if self.chance.random() < 0.35:
                self.now += NIGHT_MS
                self.count("nights")
                self.day("day 2")
        except Violation:
            raise
        except Exception as fault:  # a bug of any kind stops a node, and so it ends the run
            raise Violation(f"the rules themselves gave way: {type(fault).__name__}: {fault}") from fault

    def day(self, name: str) -> None:
        self.run(self.now + 1_000)
        self.trouble = draw_trouble(self.chance)
        self.note("--", "trouble", self.trouble)
        kept, self.kept = self.kept, []
        for action in kept:
            self.later(self.chance.randint(0, TROUBLE_MS), action)
        for number in range(self.chance.randint(8, 20)):
            self.later(self.chance.randint(0, TROUBLE_MS), draw_traveller(self, f"{name}-{number:02d}").begin)
        for blow, mean_ms in ((self.crash, self.trouble.crash_ms), (self.cut_link, self.trouble.cut_ms)):
            at = self.chance.expovariate(1 / mean_ms) if mean_ms else TROUBLE_MS
            while at < TROUBLE_MS:
                self.later(int(at), blow)
                at += self.chance.expovariate(1 / mean_ms)
        self.run(self.now + TROUBLE_MS)
        self.calm()

    def calm(self) -> None:
        self.trouble = CALM
        self.cut.clear()
        self.note("--", "calm", "")
        for server in self.servers.values():
            if not server.up:
                self.restart(server)
        end = self.now + REST_MS_MAX
        self.run(end)
        must(not self._queue, f"no rest after {REST_MS_MAX // HOUR_MS} hours: {self.unrest()}")
        self.check_rest()

    def check_rest(self) -> None:
        for carrier, server in self.servers.items():
            ledger = server.ledger
            must(server.idle, f"{carrier} is still busy")
            must(not server.late, f"travellers of {carrier} wait for ever: {server.late}")
            must(not ledger.bookings, f"{carrier} still has {list(ledger.bookings.values())}")
            owed = [message for flight in ledger.flights for message in ledger.pending(flight)]
            must(not owed, f"{carrier} still owes {owed}")
            doubts = [flight.doubts for flight in ledger.flights.values() if flight.doubts]
            must(not doubts, f"{carrier} is in doubt: {doubts}")
            server.check_replay()
        self.checker.at_rest()

    def unrest(self) -> str:
        return "; ".join(f"{carrier} owes {list(server.owed.values())}" for carrier, server in self.servers.items())

    # ---- time -------------------------------------------------------------------------------------------------------

    def later(self, delay_ms: Millis, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + delay_ms, next(self._order), action))

    def run(self, until: Millis) -> None:
        """Everything that is due by then; the clock ends there only if something is left for later."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, action = heapq.heappop(self._queue)
            self.steps += 1
            must(self.steps < STEPS_MAX, f"no rest after {STEPS_MAX} steps: {self.unrest()}")
            action()
        if self._queue or self.trouble is not CALM:
            self.now = until

    def note(self, who: CarrierCode, what: str, about: object) -> None:
        self.trace.append((self.now, who, what, about))

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def digest(self) -> str:
        """One number for all that happened, the same for the same seed anywhere."""
        return sha256("\n".join(self.transcript()).encode()).hexdigest()

    def transcript(self) -> list[str]:
        return [f"{(at - START) / 1000:11.3f} {who} {what:<8} {about}" for at, who, what, about in self.trace]

    # ---- the network ------------------------------------------------------------------------------------------------

    def post(self, sender: Server, message: PeerMessage) -> None:
        """Carry a message to another carrier, and its answer back, as well as this network can."""
        self.checker.asked(message)
        receiver = self.servers[addressee(message)]
        answered = False

        def arrive() -> None:
            receiver.ask(message, reply)

        def reply(answer: Answer) -> None:
            self.checker.answered(message, answer)
            self.note(receiver.carrier, "answers", answer)
            self.carry(receiver.carrier, sender.carrier, lambda: hear(answer))

        def hear(answer: Answer) -> None:
            nonlocal answered
            answered = True
            assert answer is not None
            sender.ask(answer)  # type: ignore[arg-type]  # `answered` has checked that it is a peer's

        def silence() -> None:
            if not answered:
                self.count("coordinators that were silent")
                sender.ask(Unanswered(message.booking, message.asker))  # type: ignore[union-attr]

        self.carry(sender.carrier, receiver.carrier, arrive)
        if isinstance(message, Inquire) and message.to == message.coordinator:
            self.later(REQUEST_MS, sender.in_this_life(silence))

    def request(self, carrier: CarrierCode, command: TravellerCommand, listen: Callable[[Answer], None]) -> None:
        """Carry a traveller's order to a carrier, and the answer back."""
        self.checker.ordered(carrier, command)
        server = self.servers[carrier]

        def reply(answer: Answer) -> None:
            self.checker.told(carrier, command, answer)
            self.note(carrier, "tells", answer)
            self.carry(carrier, "--", lambda: listen(answer))

        self.carry("--", carrier, lambda: server.ask(command, reply))

    def carry(self, source: CarrierCode, target: CarrierCode, arrive: Callable[[], None]) -> None:
        """Once, never, twice; soon, late, tomorrow."""
        chance, trouble = self.chance, self.trouble
        if frozenset({source, target}) in self.cut or chance.random() < trouble.loss:
            self.count("lost")
            return
        copies = 1
        if chance.random() < trouble.repeat:
            self.count("repeated")
            copies = 2
        for _ in range(copies):
            if chance.random() < trouble.keep:
                self.count("kept until tomorrow")
                self.kept.append(arrive)
            else:
                self.later(self.delay_ms(), self.in_order_or_not(source, target, arrive))

    def delay_ms(self) -> Millis:
        if self.chance.random() < self.trouble.late:
            self.count("late")
            return self.chance.randint(1_000, 40_000)
        return self.chance.randint(1, 60)

    def in_order_or_not(
        self, source: CarrierCode, target: CarrierCode, arrive: Callable[[], None]
    ) -> Callable[[], None]:
        """Counts what overtakes; the order itself is left to the delays."""
        number = next(self._order)

        def act() -> None:
            if number < self.arrived.get((source, target), 0):
                self.count("overtaken")
            self.arrived[source, target] = max(number, self.arrived.get((source, target), 0))
            arrive()

        return act

    # ---- blows ------------------------------------------------------------------------------------------------------

    def crash(self) -> None:
        self.falls(self.servers[self.chance.choice(self.carriers)])()

    def falls(self, server: Server) -> Callable[[], None]:
        """The node crashes, and is away for a moment, or for longer than anybody waits."""

        def fall() -> None:
            if server.up:
                server.crash()
                down_ms = self.chance.randint(1, self.chance.choice([50, 2_000, 15_000, 60_000]))
                self.later(down_ms, lambda: None if server.up else self.restart(server))

        return fall

    def restart(self, server: Server) -> None:
        if self.chance.random() < 0.2:
            server.skew_ms = draw_skew(self.chance)
        server.start()

    def cut_link(self) -> None:
        link = frozenset(self.chance.sample(self.carriers, 2))
        self.cut.add(link)
        self.count("links cut")
        self.note("--", "cuts", sorted(link))
        self.later(self.chance.randint(1_000, 40_000), lambda: self.cut.discard(link))

    def ask_too_early(self, order: OpenBooking, carrier: CarrierCode) -> None:
        """Another carrier asks about an order that is still on its way to the one that is to take it."""
        flight = next((s.flight for s in order.segments if carrier_of(s.flight) != carrier), None)
        if flight:
            inquiry = Inquire(booking=order.booking, flight=flight, coordinator=carrier, asker=flight, to=carrier)
            self.post(self.servers[carrier_of(flight)], inquiry)

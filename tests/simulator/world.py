"""Three carriers, their travellers and a bad world in virtual time, all from one seed.

First trouble, then calm: messages and answers are lost, repeated, late and out of order, links are cut, nodes crash at
any step, disks are slow or full or fail, clocks are up to an hour wrong; then nothing of this happens any more, and
within some hours everything must have come to rest. Some worlds have a second day: what the network had kept overnight
arrives then. How much of the production code the carriers run is up to the level: `direct` or `application`.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import copy_context
from random import Random
from typing import ParamSpec

from ledger.audit import Audit, Promises
from ledger.events import FlightScheduled
from ledger.ledger import Answer
from ledger.messages import OpenBooking, Status, TravellerCommand
from ledger.terms import CarrierCode, Millis
from tests.simulator.blows import Blows
from tests.simulator.checker import NO, Checker
from tests.simulator.draws import (
    CALM,
    HOUR_MS,
    START,
    STORM_MS,
    TRAVELLERS_MAX,
    TRAVELLERS_MIN,
    TROUBLES,
    Trouble,
    draw_order,
    draw_skew,
    draw_trouble,
)
from tests.simulator.limits import silent_logs, small_limits
from tests.simulator.loop import VirtualLoop
from tests.simulator.must import Violation, must
from tests.simulator.network import TRAVELLERS, Network, Place
from tests.simulator.server import Server
from tests.simulator.trace import Trace
from tests.simulator.travellers import Traveller

P = ParamSpec("P")
NIGHT_MS = 13 * HOUR_MS
REST_MS_MAX = 6 * HOUR_MS
"""After the calm has begun everything has come to rest by then."""
LOOK_S = 60
"""So often it is looked whether it has."""
DAYS = ("day1", "day2")
SECOND_DAY = "second day"
SECOND_DAYS = 0.15
"""So many worlds have one."""
CARRIERS: Mapping[CarrierCode, str] = {"AN": "981", "JG": "982", "IP": "983"}
"""With the prefixes of their tickets."""
PARTS: tuple[str, ...] = (
    SECOND_DAY,
    *TROUBLES,
    *(f"{day}-{number:02d}" for day in DAYS for number in range(TRAVELLERS_MAX)),
)
"""What can be left out of a world."""


class World(ABC):
    """Time, chance, the network and everybody in it. `note` remembers what happened, `count` how often."""

    def __init__(self, seed: int, without: Collection[str] = ()) -> None:
        self.seed = seed
        self.without = without
        self.chance = Random(seed)
        self.loop = self.new_loop()
        self.checker = Checker()
        self.counts: Counter[str] = self.checker.counts
        self.trace = Trace()
        self.network = Network(self)
        self.blows = Blows(self)
        self.over = False
        self._outside = copy_context()
        draw = self.stream("carriers")
        self.plans = self.draw_plans(draw)
        self.servers = {carrier: self.new_server(carrier, draw_skew(draw)) for carrier in CARRIERS}

    @property
    def carriers(self) -> Sequence[CarrierCode]:
        return tuple(CARRIERS)

    def stream(self, name: str) -> Random:
        """Chances of one part alone."""
        return Random(f"{self.seed} {name}")

    # ---- what a level decides ---------------------------------------------------------------------------------------

    def new_loop(self) -> VirtualLoop:
        return VirtualLoop(self.chance)

    @abstractmethod
    def new_server(self, carrier: CarrierCode, skew_ms: Millis) -> Server:
        """A carrier that was not started yet."""

    @abstractmethod
    def draw_plans(self, draw: Random) -> Mapping[CarrierCode, Sequence[FlightScheduled]]:
        """What each carrier flies."""

    @abstractmethod
    def draw_path(self, chance: Random) -> Sequence[FlightScheduled]:
        """Flights that somebody may want to take together."""

    @abstractmethod
    def request(self, carrier: CarrierCode, command: TravellerCommand, listen: Callable[[Answer], None]) -> None:
        """Carry a traveller's order to a carrier, and the answer back, if all goes well."""

    @abstractmethod
    def ask_too_early(self, order: OpenBooking, carrier: CarrierCode) -> None:
        """Another carrier asks about an order that is still on its way to the one that is to take it."""

    @abstractmethod
    def is_quiet(self) -> bool:
        """Nothing that was begun is still under way."""

    # ---- a seed's whole life ----------------------------------------------------------------------------------------

    def live(self) -> None:
        """One day of trouble and its calm, in some worlds a second one. Raises `Violation`."""
        with small_limits(self.stream("limits")), silent_logs():
            try:
                self.loop.run_until_complete(self.pass_by())
            except Violation:
                raise
            except Exception as fault:  # a bug of any kind stops a node, and so it ends the run
                raise Violation(f"the code itself gave way: {type(fault).__name__}: {fault}") from fault
            finally:
                self.over = True
                self.loop.bury()

    async def pass_by(self) -> None:
        for server in self.servers.values():
            server.start()
        await asyncio.sleep(1)
        await self._day(DAYS[0])
        if self.stream(SECOND_DAY).random() < SECOND_DAYS and SECOND_DAY not in self.without:
            await asyncio.sleep(NIGHT_MS / 1000)
            self.count("nights")
            await self._day(DAYS[1])

    async def _day(self, name: str) -> None:
        draw = self.stream(name)
        trouble = draw_trouble(draw, self.without)
        self.note(TRAVELLERS, "trouble", trouble)
        self._set(trouble)
        self.network.deliver_kept(STORM_MS)
        self.blows.plan(trouble, self.stream(f"{name} blows"))
        for number in range(draw.randint(TRAVELLERS_MIN, TRAVELLERS_MAX)):
            if (person := f"{name}-{number:02d}") not in self.without:
                self._invite(person, self.stream(person))
        await asyncio.sleep(STORM_MS / 1000)
        await self._calm()

    def _set(self, trouble: Trouble) -> None:
        self.network.trouble = trouble.network
        for server in self.servers.values():
            server.disk.trouble = trouble.disk

    def _invite(self, name: str, chance: Random) -> None:
        """One person with an order; now and then somebody asks about it too early, or an operator looks on."""
        order, habit = draw_order(chance, name, self.draw_path(chance))
        carrier = chance.choice(self.carriers)
        self.later(chance.randint(0, STORM_MS), Traveller(self, chance, order, carrier, habit).begin)
        if chance.random() < 0.05:
            self.later(chance.randint(0, STORM_MS), lambda: self.ask_too_early(order, carrier))
        if chance.random() < 0.1:
            self.later(chance.randint(0, STORM_MS), self.servers[carrier].look)

    async def _calm(self) -> None:
        self.note(TRAVELLERS, "calm", "")
        self._set(CALM)
        self.blows.end()
        end = self.now + REST_MS_MAX
        while not self.is_quiet():
            must(self.now < end, "no rest after {} hours", REST_MS_MAX // HOUR_MS)
            await asyncio.sleep(LOOK_S)
        await self.check_rest()

    async def check_rest(self) -> None:
        """Raises `Violation` if anything is not as it must be when all is over."""
        for server in self.servers.values():
            await server.check_rest()
        self.checker.at_rest()
        self._audit()

    def _audit(self) -> None:
        """What the product's own auditor finds in the three logs."""
        audit = Audit()
        for carrier, server in self.servers.items():
            for recorded in server.disk.log:
                audit.hear(carrier, recorded.event)
        orders = {order: known for order, known in self.checker.orders.items() if not known.cancelled}
        taken = Counter(booking for _, booking in self.checker.orders)
        confirmed = {booking for (_, booking), known in orders.items() if Status.CONFIRMED in known.told}
        denied = {booking for (_, booking), known in orders.items() if known.told & NO and taken[booking] == 1}
        found = audit.findings(Promises(confirmed, denied), at_rest=True)
        must(not found, "the audit finds {}", found)

    # ---- time, and what happens in it -------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """UTC milliseconds by a clock that is right."""
        return START + self.loop.time() * 1000

    def later(self, delay_ms: float, action: Callable[[], object]) -> None:
        """Happens whoever lives or dies meanwhile."""
        self.loop.call_later(delay_ms / 1000, action, context=self._outside)

    def note(self, who: Place, what: str, about: object) -> None:
        if not self.over:
            self.trace.note(self.loop.time(), who, what, about)

    def count(self, what: str) -> None:
        if not self.over:
            self.counts[what] += 1

    def check(self, rule: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """A violation ends the world, whatever the code that did it makes of exceptions."""
        try:
            rule(*args, **kwargs)
        except Violation as violation:
            self.fails(violation)

    def fails(self, fault: BaseException) -> None:
        self.loop.fail(fault)

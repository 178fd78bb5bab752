"""One run: what to buy, the travellers, rest; and what all of it took.

Rule: a booking is measured together with all the work that it causes, so what the nodes have spent is counted only
when nothing is unfinished anywhere any more.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from rich.progress import Progress

from airline_node.bench.crew import Crew
from airline_node.bench.empty import empty
from airline_node.bench.goods import Goods, Mode, goods
from airline_node.bench.load import Crowd, Outcomes, crowd
from airline_node.bench.nodes import Node, Spent, rest
from airline_node.config import Address
from airline_node.fleet import HOST
from airline_node.timetable import load
from ledger.audit import Audit, Finding, Promises
from ledger.events import AnyEvent
from ledger.terms import CarrierCode, Millis

USERS_MAX: Final = 10_000
BOOKINGS_MAX: Final = 1_000_000
LOADERS_MAX: Final = 16
SEED: Final = 1
EMPTY_REQUESTS_MAX: Final = 40_000


class Wanted(Struct, frozen=True, kw_only=True):
    """What a run is to do."""

    users: int
    bookings: int
    carriers: int
    mode: Mode
    loaders: int = 1


class Measured(Struct, frozen=True, kw_only=True):
    """A run. `spent` is what each node used for it; `busy`, for each process of travellers, the part of the time that
    it worked: near 1 it was the limit, and not the nodes.
    """

    wanted: Wanted
    outcomes: Outcomes
    busy: tuple[float, ...]
    spent: tuple[Spent, ...]
    empty_per_second: float
    at_rest: bool

    @property
    def promises(self) -> Promises:
        return Promises(frozenset(self.outcomes.confirmed), frozenset(self.outcomes.denied))


def measure(wanted: Wanted, nodes: Sequence[Node], now: Millis, progress: Progress) -> Measured:
    """Let travellers loose on running nodes. Raises `BenchTrouble` if that cannot be done."""
    asked = plan(wanted, nodes[0], now, progress)
    empty_per_second = empty_rate(wanted, asked, len(nodes), progress)
    before = [node.spent() for node in nodes]
    outcomes, busy = let_loose(wanted, asked, [node.address for node in nodes], "Booking", progress)
    at_rest = rest(nodes)
    return Measured(
        wanted=wanted,
        outcomes=outcomes,
        busy=busy,
        spent=tuple(node.spent().since(then) for node, then in zip(nodes, before, strict=True)),
        empty_per_second=empty_per_second,
        at_rest=at_rest,
    )


def plan(wanted: Wanted, node: Node, now: Millis, progress: Progress) -> Goods:
    """Who is to buy what, as far as this node knows what is on sale."""
    bar = progress.add_task("Searching", total=wanted.bookings)
    return goods(
        node,
        load(),
        bookings=wanted.bookings,
        carriers=wanted.carriers,
        mode=wanted.mode,
        now=now,
        chance=random.Random(SEED),  # noqa: S311 - the same run again, not a secret
        found=lambda count: progress.update(bar, completed=count),
    )


def empty_rate(wanted: Wanted, asked: Goods, servers: int, progress: Progress) -> float:
    """Requests a second that as many servers, one process each, answer to as many users when they do nothing."""
    orders = asked.orders[:EMPTY_REQUESTS_MAX]
    with Crew[int](empty, [()] * servers) as crew:
        addresses = [Address(HOST, port) for port in crew.first()]
        simple = Wanted(
            users=wanted.users,
            bookings=len(orders),
            carriers=wanted.carriers,
            mode=Mode.SPREAD,
            loaders=wanted.loaders,
        )
        outcomes, _ = let_loose(simple, Goods(asked.journeys, orders), addresses, "Empty handlers", progress)
        crew.go_on()
    return outcomes.finished / outcomes.seconds


def let_loose(
    wanted: Wanted, asked: Goods, addresses: Sequence[Address], what: str, progress: Progress
) -> tuple[Outcomes, tuple[float, ...]]:
    """Every order is placed by somebody. Answers what all travellers have seen, and how busy each process was."""
    bar = progress.add_task(what, total=len(asked.orders))
    with Crew[Outcomes](crowd, [(_share(wanted, asked, addresses, n),) for n in range(wanted.loaders)]) as crew:
        crew.first()
        crew.go_on()
        every = crew.results(lambda count: progress.update(bar, completed=count))
    return merged(every), tuple(one.cpu_seconds / one.seconds for one in every)


def merged(every: Sequence[Outcomes]) -> Outcomes:
    """What several processes have seen, as if it were one."""
    whole = Outcomes(seconds=max(one.seconds for one in every), cpu_seconds=sum(one.cpu_seconds for one in every))
    for one in every:
        whole.confirmed += one.confirmed
        whole.denied += one.denied
        whole.unknown += one.unknown
        whole.refusals += one.refusals
        whole.trouble += one.trouble
        whole.ends += one.ends
        for step, latencies in one.latencies.items():
            whole.latencies[step] = whole.latencies.get(step, latencies[:0]) + latencies
    return whole


def _share(wanted: Wanted, asked: Goods, addresses: Sequence[Address], n: int) -> Crowd:
    """What the n-th process does. It begins at another node than the others, so that none has more users."""
    turn = n % len(addresses)
    return Crowd(
        addresses=(*addresses[turn:], *addresses[:turn]),
        users=len(range(n, wanted.users, wanted.loaders)),
        journeys=asked.journeys,
        orders=asked.orders[n :: wanted.loaders],
        mixed=wanted.mode is Mode.MIXED,
        seed=SEED + n,
    )


def audited(logs: Mapping[CarrierCode, Iterable[AnyEvent]], measured: Measured, progress: Progress) -> list[Finding]:
    """What the logs say about the run."""
    audit = Audit()
    for carrier, log in logs.items():
        for event in progress.track(log, description=f"Auditing {carrier}"):
            audit.hear(carrier, event)
    return audit.findings(measured.promises, at_rest=measured.at_rest)

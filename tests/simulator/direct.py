"""The quick level: the production node without its HTTP. What one carrier sends is handed to the other's door.

`Ledger`, `Node`, `Writer`, `Peers`, `Line`, `rebuild` and the peers' door are the real ones.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import cache
from random import Random
from typing import Any, TypeAlias, cast

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from airline_node.app import DRAIN_MS
from airline_node.door import NODE, in_one_shape
from airline_node.lines import Line
from airline_node.node import Busy, Stopped
from airline_node.peer_routes import ME, PEERS, add_peer_routes
from airline_node.peers import Peers
from airline_node.rebuild import rebuild
from ledger.events import FlightScheduled
from ledger.ledger import Answer
from ledger.messages import Inquire, OpenBooking, PeerAnswer, PeerMessage, TravellerCommand, Unanswered
from ledger.terms import CarrierCode, Millis, carrier_of
from tests.simulator.disk import SimulatedJournal, SimulatedSnapshots
from tests.simulator.draws import draw_plans
from tests.simulator.must import must
from tests.simulator.network import BROKEN, TRAVELLERS, Reply
from tests.simulator.server import Server, here
from tests.simulator.watched import WatchedNode, look_at
from tests.simulator.world import CARRIERS, World

GiveReply: TypeAlias = Callable[[Reply], None]


class DirectWorld(World):
    """Everything goes through `network`, message by message."""

    def new_server(self, carrier: CarrierCode, skew_ms: Millis) -> "DirectServer":
        return DirectServer(self, carrier, CARRIERS[carrier], skew_ms, self.plans[carrier])

    def draw_plans(self, draw: Random) -> Mapping[CarrierCode, Sequence[FlightScheduled]]:
        return {carrier: draw_plans(draw, carrier) for carrier in CARRIERS}

    def draw_path(self, chance: Random) -> Sequence[FlightScheduled]:
        """Any flights: the ledger leaves it to the door whether they connect."""
        every = [plan for plans in self.plans.values() for plan in plans]
        return chance.sample(every, chance.choice([1, 2, 2, 3, 3]))

    def request(self, carrier: CarrierCode, command: TravellerCommand, listen: Callable[[Answer], None]) -> None:
        self.checker.ordered(carrier, command)

        def reply(answer: Answer) -> None:
            self.network.carry(carrier, TRAVELLERS, lambda: listen(answer))

        self.network.carry(TRAVELLERS, carrier, lambda: self._server(carrier).take(command, reply))

    async def ask(self, source: CarrierCode, target: CarrierCode, route: str, messages: Sequence[PeerMessage]) -> Reply:
        """One carrier's request to another. Waits for ever if it, or its reply, is lost."""
        server = self._server(target)
        return await self.network.ask(source, target, lambda reply: server.serve(source, route, messages, reply))

    def ask_too_early(self, order: OpenBooking, carrier: CarrierCode) -> None:
        flight = next((s.flight for s in order.segments if carrier_of(s.flight) != carrier), None)
        if flight:
            asker, server = carrier_of(flight), self._server(carrier)
            inquiry = Inquire(booking=order.booking, flight=flight, coordinator=carrier, asker=flight, to=carrier)
            self.network.carry(asker, carrier, lambda: server.serve(asker, "inquire", [inquiry], lambda _reply: None))

    def is_quiet(self) -> bool:
        return self.loop.quiet

    def _server(self, carrier: CarrierCode) -> "DirectServer":
        server = self.servers[carrier]
        assert isinstance(server, DirectServer)
        return server


class DirectServer(Server):
    """Builds a node as `airline_node.app` does."""

    world: DirectWorld

    peers: "DirectPeers"

    async def run(self) -> None:
        journal, snapshots = SimulatedJournal(self.disk), SimulatedSnapshots(self.disk)
        rebuilt = await rebuild(self.carrier, self.ticket_prefix, journal, snapshots)
        addresses = dict.fromkeys(self.others, "http://simulated")
        chance = self.world.chance.random
        self.peers = DirectPeers(self.carrier, addresses, None, self._hear, self._unanswered, self.now, chance)
        node = WatchedNode(
            rebuilt.ledger,
            journal,
            self.now,
            self.peers,
            position=rebuilt.position,
            replayed=rebuilt.replayed,
            written=lambda _records: None,
            keep=snapshots.write,
        )
        life = asyncio.create_task(node.run())
        await self.peers.start()
        await _first(life, node.open_sales(self.plans))
        self.opened()
        await _first(life, self.told_to_end.wait())
        await node.drain(DRAIN_MS)
        self.open = False
        await self.peers.close()
        node.close()
        await life

    async def _hear(self, _carrier: CarrierCode, answers: Sequence[PeerAnswer]) -> None:
        self.node.tell(answers)

    async def _unanswered(self, messages: Sequence[PeerMessage]) -> None:
        silent = [m for m in messages if isinstance(m, Inquire) and m.to == m.coordinator]
        if silent:
            self.node.tell([Unanswered(message.booking, message.asker) for message in silent])

    # ---- what arrives -----------------------------------------------------------------------------------------------

    def serve(self, asker: CarrierCode, route: str, messages: Sequence[PeerMessage], reply: GiveReply) -> None:
        """A peer's request arrives."""
        if self.open:
            self.life.start(self._serve(asker, route, messages, reply))
        elif self.world.chance.random() < 0.5:
            reply(BROKEN)

    async def _serve(self, asker: CarrierCode, route: str, messages: Sequence[PeerMessage], reply: GiveReply) -> None:
        app = {NODE: self.node, ME: self.carrier, PEERS: frozenset(self.others)}
        request = Delivered(app, asker, orjson.dumps({"items": msgspec.to_builtins(messages)}))
        response = await in_one_shape(cast(web.Request, request), _peers_door()[f"/{route}"])
        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        if response.status != 200:
            self.world.count(f"peers answered {response.status}")
            wrong = f"{messages} was answered {response.status} {response.body.decode()}"
            self.world.check(must, response.status == 503, wrong)
        reply(Reply(response.status, response.body))

    def take(self, command: TravellerCommand, reply: Callable[[Answer], None]) -> None:
        """A traveller's order arrives. The connection may break while the node works at it."""
        if self.open and not self.closing:
            handling = self.life.start(self._handle(command, reply))
            if self.world.chance.random() < self.world.network.trouble.cut_off:
                self.world.count("travellers cut off")
                self.world.later(self.world.chance.random() * 1_000, handling.cancel)

    async def _handle(self, command: TravellerCommand, reply: Callable[[Answer], None]) -> None:
        with suppress(Busy, Stopped):  # The traveller hears 503, and tries again: as with silence.
            reply(await self.node.handle(command))

    async def check_rest(self) -> None:
        waiting = {carrier: reach for carrier, reach in self.peers.reach().items() if reach.waiting}
        must(not waiting, "{} still waits for {}", self.carrier, waiting)
        await super().check_rest()


class DirectPeers(Peers):
    """The production lines, with another way for the bytes."""

    async def start(self) -> None:
        await super().start()
        self._session.detach()  # Nothing goes through it, so nothing is left open by a crash.

    async def _post(self, line: Line, messages: Sequence[PeerMessage]) -> tuple[int, bytes]:
        look_at(messages)
        server = here()
        assert isinstance(server, DirectServer)
        reply = await server.world.ask(server.carrier, line.carrier, line.route, messages)
        if reply is BROKEN:
            raise ConnectionResetError
        return reply.status, reply.body


async def _first(life: "asyncio.Task[None]", work: Coroutine[Any, Any, object]) -> None:
    """Wait for the work, or for the end of the life, which then tells why."""
    working = asyncio.create_task(work)
    await asyncio.wait([life, working], return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        working.cancel()
        await life
    await working


@cache
def _peers_door() -> Mapping[str, Handler]:
    """What the production door does on each path."""
    app = web.Application()
    add_peer_routes(app)
    return {route.resource.canonical: route.handler for route in app.router.routes() if route.resource}


class Delivered:
    """As much of a request as the peers' door looks at: who shows which certificate, and a body."""

    def __init__(self, app: Mapping[Any, object], carrier: CarrierCode, data: bytes) -> None:
        self.app = app
        self.transport = self.content = self
        self._carrier = carrier
        self._data = data

    def get_extra_info(self, name: str) -> object:
        assert name == "peercert", name
        return {"subject": ((("commonName", self._carrier),),)}

    def is_eof(self) -> bool:
        return True

    def exception(self) -> None:
        return None

    def read_nowait(self) -> bytes:
        return self._data

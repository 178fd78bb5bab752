"""One node put together: disk behind, peers beside, two doors in front; its start, its life and its end.

start   rebuild the ledger -> put flights on sale -> answer peers and travellers -> ready
life    until SIGTERM or SIGINT, or until something that must not fail has failed
end     no new orders -> orders under way are answered (DRAIN_MS) -> the last batch is written -> files closed
"""

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from airline_node import certificates, logs, peer_routes, routes
from airline_node.availability import Availability
from airline_node.certificates import CertificateTrouble
from airline_node.changes import Changes
from airline_node.config import Config
from airline_node.control import Control
from airline_node.control_routes import CONTROL
from airline_node.desk import NodeBookings, NodeHistory, NodeHouse, NodeLog, NodeOperations, NodeSale
from airline_node.door import JOURNAL, NODE
from airline_node.entrance import Entrance
from airline_node.evidence.keys import KeyTrouble
from airline_node.evidence.notary import Changed
from airline_node.evidence.office import Office
from airline_node.evidence.routes import OFFICE
from airline_node.evidence.shelf import ShelfTrouble
from airline_node.journal import Journal, JournalDamaged, JournalTrouble
from airline_node.neighbours import VITALS, Neighbours, add_neighbour_routes
from airline_node.network import Network
from airline_node.node import Busy, Node, Stopped
from airline_node.peers import Peers
from airline_node.people.parts import People
from airline_node.rebuild import Rebuilt, rebuild
from airline_node.sales import Sales
from airline_node.seatmaps import Publisher, SeatMaps
from airline_node.timetable import BadTimetable, Timetable, load
from airline_node.tokens import TOKENS, Tokens
from airline_node.turnstile import Coming, Turnstile
from airline_node.vault import Vault, VaultTrouble
from ledger.events import Recorded
from ledger.ledger import LogBroken
from ledger.messages import Inquire, PeerAnswer, PeerMessage, Unanswered
from ledger.terms import CarrierCode, Millis
from snapshots.store import SnapshotStore
from ui.desk import Desk
from ui.site import add_site


class ServerOptions(TypedDict):
    access_log: None
    auto_decompress: bool
    keepalive_timeout: float
    lingering_time: float
    shutdown_timeout: float


GC_ALLOCATIONS = 50_000
"""Between two looks at the young garbage: the default of 700 costs a tenth of the processor under load."""
DRAIN_MS = 6_000
"""How long orders under way may still take after SIGTERM; the whole end takes less than ten seconds."""
SERVER: ServerOptions = {
    "access_log": None,  # A line a request would cost as much as the request.
    "auto_decompress": False,  # No client of ours packs its body, and a few packed bytes can be seconds of work.
    "keepalive_timeout": 20.0,  # Nor may one be silent, or at its headers, for longer. Peers keep theirs for 15 s.
    "lingering_time": 1.0,  # What follows a refused body is thrown away for so long; then the connection is closed.
    "shutdown_timeout": 1.0,  # A closed server waits a second for who still talks.
}
TROUBLE = (
    *(JournalTrouble, JournalDamaged, LogBroken, VaultTrouble, CertificateTrouble, BadTimetable),
    *(KeyTrouble, ShelfTrouble, Changed),
    *(Busy, Stopped, OSError),
)
"""What can keep a node from starting, each with a sentence for whoever runs it."""

log = logging.getLogger(__name__)


def now() -> Millis:
    """This node's clock: UTC milliseconds."""
    return time.time_ns() // 1_000_000


def serve(
    config: Config, begun: Journal | None = None, *, timetable: Timetable | None = None, until_eof: bool = False
) -> int:
    """Run a node until it is told to end (exit code 0) or cannot go on (1, and the log says why).

    Its journal may have been begun already; without a `timetable` it flies the usual one. With `until_eof` the end of
    the standard input tells it to end, too.
    """
    logs.set_up(config.log, config.carrier)
    logging.getLogger("aiohttp.server").addFilter(_is_our_fault)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(config, begun, timetable or load(), until_eof=until_eof))


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether aiohttp complains of this node. Of a malformed request it would log the sender's own bytes."""
    fault = record.exc_info[1] if record.exc_info else None
    return not isinstance(fault, (HttpProcessingError, web.RequestPayloadError))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


async def _serve(config: Config, begun: Journal | None, timetable: Timetable, *, until_eof: bool) -> int:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    if until_eof:
        await loop.connect_read_pipe(lambda: _Tied(stop), sys.stdin)
    try:
        async with running(config, timetable, begun) as life:
            log.info("%s: ready at http://%s, peers at https://%s", config.carrier, config.listen, config.peer_listen)
            ended = asyncio.create_task(stop.wait())
            await asyncio.wait([ended, life], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if life.done():
                await life
            log.info("%s: told to end; finishing what is under way", config.carrier)
    except TROUBLE as trouble:
        log.critical("%s stops: %s", config.carrier, trouble)
        return 1
    log.info("%s: ended", config.carrier)
    return 0


class _Tied(asyncio.Protocol):
    """On a pipe that nobody writes to, and that ends with whoever holds its other end."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, _error: Exception | None) -> None:
        self._stop.set()


@asynccontextmanager
async def running(
    config: Config, timetable: Timetable, begun: Journal | None = None
) -> AsyncIterator["asyncio.Task[None]"]:
    """A node in this loop: ready when the block begins, drained and closed when it ends.

    The task it gives fails when the node cannot go on. Raises one of `TROUBLE` if it cannot start.
    """
    async with AsyncExitStack() as open_files:
        journal = begun or Journal.begin(config.journal)
        open_files.callback(journal.close)
        store = SnapshotStore(config.data / "snapshots")
        rebuilt = await rebuild(config.carrier, timetable.carriers[config.carrier].prefix, journal, store)
        vault = Vault.open(config.data / "vault.sqlite")
        open_files.callback(vault.close)
        office = _office(config, journal)
        if office:
            open_files.callback(office.close)
        parts = Parts(config, timetable, journal, store, rebuilt, vault, office)
        await asyncio.to_thread(journal.check)
        life = asyncio.create_task(parts.live())
        try:
            await parts.open(life)
            yield life
            await parts.drain()
        finally:
            await parts.close(life)


def _office(config: Config, journal: Journal) -> Office | None:
    """Who signs the log and watches the others', if there is a key to do it with."""
    if config.signing_key is None or config.log_keys is None:
        log.warning("%s: no PASSCOM_SIGNING_KEY: nobody can prove what this log held", config.carrier)
        return None
    tls = certificates.client_context(config.tls_ca, config.tls_cert, config.tls_key)
    return Office.open(
        *(config.carrier, config.data, config.signing_key, config.log_keys, journal, config.peers, tls, now)
    )


class Parts:
    """What a node is made of, between opened files and closed ones."""

    def __init__(
        self,
        config: Config,
        timetable: Timetable,
        journal: Journal,
        store: SnapshotStore,
        rebuilt: Rebuilt,
        vault: Vault,
        office: Office | None,
    ) -> None:
        self._config = config
        self._office = office
        self._closed: str | None = "the node is starting"
        own = (config.tls_ca, config.tls_cert, config.tls_key)
        to_peers = certificates.client_context(*own)
        self._from_peers = certificates.server_context(*own)
        self._peers = Peers(config.carrier, config.peers, to_peers, self._hear, self._unanswered, now)
        self._availability = Availability(now)
        self._changes = Changes()
        self._network = Network(
            self._availability, config.carrier, config.peers, to_peers, now, changed=self._changes.tell
        )
        seat_maps = SeatMaps()
        self._network.publish(seat_maps.fill(rebuilt.ledger))
        self._publisher = Publisher(seat_maps, self._network.publish)
        self._said = logs.BookingLog(config.carrier) if config.log is logs.Kind.JSON else None
        self._node = Node(
            rebuilt.ledger,
            journal,
            now,
            self._peers,
            position=rebuilt.position,
            replayed=rebuilt.replayed,
            written=self._written,
            keep=store.write,
            moved=self._changes.tell,
        )
        self._people = People(config, timetable, vault, journal, self._node, to_peers, now)
        self._control = Control(config.carrier, self._node, self._peers, self._network, now)
        self._neighbours = Neighbours(config.peers, to_peers)
        self._sales = Sales(config.carrier, timetable, self._node, now)
        self._public = web.AppRunner(self._public_app(timetable, journal, vault), **SERVER)
        self._private = web.AppRunner(self._private_app(journal), **SERVER)

    async def live(self) -> None:
        """Until the node is closed. Raises what none of its parts may raise."""
        try:
            async with asyncio.TaskGroup() as parts:
                runs = (self._network.run(), self._sales.run(), self._people.run())
                beside = [parts.create_task(run) for run in runs]
                if self._office:
                    beside.append(parts.create_task(self._office.run()))
                await parts.create_task(self._node.run())
                for task in beside:
                    task.cancel()
        except BaseExceptionGroup as faults:
            raise faults.exceptions[0] from None

    async def open(self, life: "asyncio.Task[None]") -> None:
        """Flights on sale, then the doors; or what kept the node from getting there."""
        opening = asyncio.create_task(self._open())
        await asyncio.wait([opening, life], return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            opening.cancel()
            await life
        await opening

    async def drain(self) -> None:
        """Orders under way are answered; new ones hear that this node is closing."""
        self._closed = "the node is closing"
        await self._node.drain(DRAIN_MS)

    async def close(self, life: "asyncio.Task[None]") -> None:
        """Both doors, then the peers, then the inbox: what came in before is still written. Raises what `life` did."""
        self._closed = "the node is closing"
        self._availability.close()
        await asyncio.gather(self._public.cleanup(), self._private.cleanup())
        await self._peers.close()
        await self._people.close()
        self._node.close()
        await life

    async def _open(self) -> None:
        await self._peers.start()
        await self._sales.open()
        self._publisher.flush()
        await self._private.setup()
        host, port = self._config.peer_listen
        await web.TCPSite(self._private, host, port, ssl_context=self._from_peers).start()
        await self._public.setup()
        server = self._public.server
        assert server is not None
        coming = Coming(self._crowded, self._node.turn_away)
        await Entrance(self._public, self._config.listen, lambda: Turnstile(server(), coming)).start()
        gc.collect()
        gc.freeze()  # What is in memory now stays: the collector need not look at it again.
        gc.set_threshold(GC_ALLOCATIONS, 20, 50)
        self._closed = None

    def _crowded(self, coming: int) -> bool:
        return self._closed is None and self._node.crowded(coming)

    def _written(self, records: Sequence[Recorded]) -> None:
        self._publisher(records)
        if self._said:
            self._said(records)

    def _why_closed(self) -> str | None:
        return self._closed or ("there is no room on the disk" if self._node.full else None)

    def _public_app(self, timetable: Timetable, journal: Journal, vault: Vault) -> web.Application:
        app = web.Application()
        app[NODE], app[JOURNAL] = self._node, journal
        app[routes.NETWORK], app[routes.VAULT], app[routes.TIMETABLE] = self._network, vault, timetable
        app[TOKENS] = Tokens(self._config.operator_token, self._config.auditor_token)
        app[CONTROL] = self._control
        app[routes.NOW] = now
        app[routes.CLOSED] = self._why_closed
        self._people.add_to_public(app)
        if self._office:
            app[OFFICE] = self._office
        routes.add_public_routes(app)
        add_site(app, self._desk(timetable, vault, journal))
        return app

    def _desk(self, timetable: Timetable, vault: Vault, journal: Journal) -> Desk:
        boot = self._availability.lineage
        return Desk(
            house=NodeHouse(self._config.carrier, timetable, self._changes, now, self._why_closed, boot),
            sale=NodeSale(self._network, timetable, now),
            bookings=NodeBookings(self._node, vault, self._network, timetable, now, self._why_closed),
            operations=NodeOperations(self._control, self._neighbours, self._network, journal, now),
            history=NodeHistory(journal),
            people=self._people.for_pages(self._config),
            log=NodeLog(self._config.carrier, journal, self._office),
        )

    def _private_app(self, journal: Journal) -> web.Application:
        app = web.Application()
        app[NODE], app[JOURNAL] = self._node, journal
        app[peer_routes.ME], app[peer_routes.PEERS] = self._config.carrier, frozenset(self._config.peers)
        app[peer_routes.AVAILABILITY] = self._availability
        if self._office:
            app[OFFICE] = self._office
        peer_routes.add_peer_routes(app)
        app[VITALS] = self._control.vitals
        add_neighbour_routes(app)
        self._people.add_to_private(app)
        return app

    async def _hear(self, _carrier: CarrierCode, answers: Sequence[PeerAnswer]) -> None:
        self._node.tell(answers)

    async def _unanswered(self, messages: Sequence[PeerMessage]) -> None:
        """A coordinator that does not answer makes its participants ask one another."""
        asked = [message for message in messages if isinstance(message, Inquire)]
        if asked:
            self._node.tell([Unanswered(message.booking, message.asker, message.to) for message in asked])

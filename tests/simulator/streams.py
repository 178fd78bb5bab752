"""TCP in virtual time: connections that are slow, stall while their way is cut, break, and never lose or mix a byte.

A `StreamLoop` gives the real aiohttp, client and server, what it asks of an event loop. Addresses are numbers, so that
nobody asks for a name; who speaks at either end is the owner of the life that opened it. What TLS would prove in
production, the name of the carrier at the other end, is taken from there.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from random import Random
from typing import Any, NamedTuple, TypeAlias

from tests.simulator.loop import LIFE, Life, VirtualLoop
from tests.simulator.network import TRAVELLERS, Network, Place

Address: TypeAlias = tuple[str, int]
Protocol: TypeAlias = asyncio.Protocol
STALL_MS = 200
"""So often a cut way is tried again."""
ROUNDS_MAX = 100
"""So often a task may refuse to end."""
EOF, RESET, MADE = object(), object(), object()


class Listener(NamedTuple):
    """Who waits for connections at an address, in which life."""

    place: Place
    life: Life
    factory: Callable[[], Protocol]


class Listening(asyncio.Server):
    """The listener's handle. Connections that were accepted live on after it is closed."""

    def __init__(self, listeners: dict[Address, Listener], address: Address) -> None:
        self._listeners = listeners
        self._address = address

    @property
    def sockets(self) -> tuple[Any, ...]:
        return ()

    def close(self) -> None:
        self._listeners.pop(self._address, None)


class End(asyncio.Transport):
    """One end of a connection. What arrives waits in order until its own life takes it in."""

    def __init__(self, loop: "StreamLoop", here: Place, there: Place, context: Context) -> None:
        super().__init__({"peername": (there, 0), "sockname": (here, 0), "peercert": _certificate(there)})
        self.here = here
        self.there = there
        self.protocol: Protocol
        self._loop = loop
        self._context = context
        self._other: End
        self._sent: deque[object] = deque()
        self._arrived: deque[object] = deque()
        self._under_way = False
        self._closing = False
        self._lost = False
        self._paused = False

    def join(self, protocol: Protocol, other: "End") -> None:
        """From now on it is one of a pair."""
        self.protocol, self._other = protocol, other

    # ---- what a protocol asks of its transport -----------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._send(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._closing:
            self._send(EOF)
            self._closing = True
            self._loop.call_soon(self._lose, None, context=self._context)

    def abort(self) -> None:
        """Nothing that was not sent yet is."""
        if not self._closing:
            self._sent.clear()
            self._send(RESET)
            self._closing = True
            self._loop.call_soon(self._lose, None, context=self._context)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._take_in, context=self._context)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is room for everything."""

    # ---- on the way --------------------------------------------------------------------------------------------------

    def _send(self, item: object) -> None:
        self._sent.append(item)
        self._go_on()

    def _go_on(self) -> None:
        """One thing is on its way at a time, so that nothing overtakes."""
        if self._sent and not self._under_way:
            self._under_way = True
            self._loop.carry(self.here, self.there, self._deliver)

    def _deliver(self) -> None:
        self._under_way = False
        if self._loop.breaks():
            self.arrive(RESET)
            self._other.arrive(RESET)
            self._sent.clear()
        if self._sent:
            self._other.arrive(self._sent.popleft())
            self._go_on()

    def arrive(self, item: object) -> None:
        self._arrived.append(item)
        self._loop.call_soon(self._take_in, context=self._context)

    def _take_in(self) -> None:
        while self._arrived and not self._paused and not self._lost:
            match self._arrived.popleft():
                case bytes() as data:
                    self.protocol.data_received(data)
                case item if item is MADE:
                    self.protocol.connection_made(self)
                case item if item is EOF:
                    if not self.protocol.eof_received():
                        self.close()
                case _:
                    self._closing = True
                    self._lose(ConnectionResetError("the connection was reset"))

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self.protocol.connection_lost(error)


class StreamLoop(VirtualLoop):
    """A virtual loop with addresses that can be listened at and connected to."""

    network: Network

    def __init__(self, chance: Random) -> None:
        super().__init__(chance)
        self._listeners: dict[Address, Listener] = {}
        self._dialled: dict[int, Listener] = {}
        self._ends: list[tuple[Life | None, End]] = []

    def carry(self, source: Place, target: Place, arrive: Callable[[], None]) -> None:
        """After a while; while the way is cut, later."""

        def act() -> None:
            if (source, target) in self.network.cut:
                self.network.world.later(STALL_MS, act)
            else:
                arrive()

        self.network.world.later(self.network.delay_ms(), act)

    def breaks(self) -> bool:
        """Whether the connection that carries something breaks now: what a datagram's loss is to a stream."""
        return self._chance.random() < self.network.trouble.loss / 10

    def sever(self, life: Life) -> None:
        """The process is gone: the other ends hear of it, or in a power cut never do."""
        silent = self._chance.random() < 0.3
        gone = [end for owner, end in self._ends if owner is life]
        self._ends = [(owner, end) for owner, end in self._ends if owner is not life and not end.is_closing()]
        if not silent:
            for end in gone:
                end.abort()

    def bury(self) -> None:
        """aiohttp complains of what was not closed: so everything may first end by itself, of the dead too."""
        self._mourning, self.fatal = True, None
        self._ready += self._dead
        for _ in range(ROUNDS_MAX):
            if not (pending := [task for task in self._tasks if not task.done()]):
                break
            for task in pending:
                task.cancel()
            self.run_until_complete(asyncio.wait(pending, timeout=1))
        super().bury()

    # ---- what aiohttp asks of a loop ---------------------------------------------------------------------------------

    async def create_server(  # type: ignore[override]  # as aiohttp calls it
        self, protocol_factory: Callable[[], Protocol], host: str, port: int, **_options: object
    ) -> Listening:
        life = LIFE.get()
        assert life is not None
        assert (host, port) not in self._listeners or self._listeners[host, port].life.over, "address in use"
        self._listeners[host, port] = Listener(_place(life), life, protocol_factory)
        return Listening(self._listeners, (host, port))

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """The handshake. Raises `ConnectionRefusedError` where nobody listens; stalls on a cut way."""
        there: asyncio.Future[Listener | None] = self.create_future()
        place = self._listeners[address].place if address in self._listeners else TRAVELLERS

        def arrive() -> None:
            listener = self._listeners.get(address)
            if not there.done():
                there.set_result(listener if listener and not listener.life.over else None)

        self.carry(_place(LIFE.get()), place, arrive)
        listener = await there
        if listener is None:
            raise ConnectionRefusedError(f"nobody listens at {address}")
        self._dialled[sock.fileno()] = listener

    async def create_connection(  # type: ignore[override]  # as aiohttp calls it
        self, protocol_factory: Callable[[], Protocol], *, sock: socket.socket, ssl: None = None, **_options: object
    ) -> tuple[End, Protocol]:
        """The socket has served its purpose: the bytes go through memory."""
        listener, life = self._dialled.pop(sock.fileno()), LIFE.get()
        sock.close()
        assert ssl is None
        assert life is not None
        near = End(self, _place(life), listener.place, life.context)
        far = End(self, listener.place, _place(life), listener.life.context)
        self._ends += [(life, near), (listener.life, far)]
        far.join(listener.factory(), near)
        near.join(protocol_factory(), far)
        far.arrive(MADE)
        near.protocol.connection_made(near)  # Whoever called may write at once.
        return near, near.protocol


def _place(life: Life | None) -> Place:
    return getattr(life.owner, "carrier", TRAVELLERS) if life else TRAVELLERS


def _certificate(place: Place) -> object:
    return None if place == TRAVELLERS else {"subject": ((("commonName", place),),)}

"""`passcom bench`: its travellers, the line that each of them has, and the processes that they live in."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest

from airline_node.bench.crew import BenchTrouble, Crew
from airline_node.bench.exchange import Line, Reply, request
from airline_node.bench.load import Crowd, Journey, Outcomes, Step, crowd
from airline_node.config import Address
from airline_node.fleet import HOST

JOURNEY = Journey(("IP4001/2026-12-14", "JG2055/2026-12-14"), "/api/itineraries?origin=FEC&destination=BSB")
Answer = Callable[[bytes], bytes]
"""What a server says to the head and body of a request."""


@asynccontextmanager
async def server(answer: Answer, *, then_close: bool = False) -> AsyncIterator[Address]:
    """Speaks raw bytes, so that it can be as strange as a test wants."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while head := await reader.read(2**16):
                writer.write(answer(head))
                await writer.drain()
                if then_close:
                    break

    listening = await asyncio.start_server(serve, HOST, 0)
    async with listening:
        yield Address(*listening.sockets[0].getsockname()[:2])


def says(status: int, body: str, *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Words", *more, f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()


CONFIRMED = says(201, '{"status":"confirmed"}')

# ---- a traveller's line -----------------------------------------------------------------------------------------


async def asked_twice(address: Address) -> tuple[Reply, Reply, bool]:
    line = await Line.to(address)
    asked = request("PUT", "/api/bookings/1", address, b"{}")
    async with asyncio.timeout(2):
        first = await line.ask(asked)
        open_between = line.is_open
        second = await line.ask(asked)
    line.close()
    return first, second, open_between


def test_a_line_is_kept_from_one_request_to_the_next() -> None:
    async def main() -> None:
        async with server(lambda _: CONFIRMED) as address:
            expected = Reply(201, b'{"status":"confirmed"}')
            assert await asked_twice(address) == (expected, expected, True)

    asyncio.run(main())


def test_an_answer_in_pieces_is_one_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.read(2**16)
            for byte in CONFIRMED:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)

    async def main() -> None:
        listening = await asyncio.start_server(serve, HOST, 0)
        async with listening, asyncio.timeout(2):
            address = Address(*listening.sockets[0].getsockname()[:2])
            line = await Line.to(address)
            assert await line.ask(request("GET", "/", address)) == Reply(201, b'{"status":"confirmed"}')
            line.close()

    asyncio.run(main())


def test_a_server_that_says_it_closes_is_not_asked_again_on_that_line() -> None:
    async def main() -> None:
        async with server(lambda _: says(201, "{}", "Connection: close")) as address:
            line = await Line.to(address)
            assert await line.ask(request("GET", "/", address)) == Reply(201, b"{}")
            assert not line.is_open

    asyncio.run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        CONFIRMED * 2,
    ],
    ids=["not HTTP", "of unknown length", "more than was asked"],
)
def test_an_answer_that_is_not_understood_ends_the_line(answer: bytes) -> None:
    async def main() -> bool:
        async with server(lambda _: answer) as address, asyncio.timeout(2):
            line = await Line.to(address)
            try:
                await line.ask(request("GET", "/", address))
            except ConnectionError:
                return True
            await asyncio.sleep(0)
            return not line.is_open

    assert asyncio.run(main())


def test_a_line_that_breaks_says_so_to_who_waits() -> None:
    async def main() -> None:
        async with server(lambda _: b"HTTP/1.1 20", then_close=True) as address, asyncio.timeout(2):
            line = await Line.to(address)
            with pytest.raises(ConnectionError):
                await line.ask(request("GET", "/", address))

    asyncio.run(main())


# ---- travellers -------------------------------------------------------------------------------------------------


class Pipe:
    """The other end of a process's pipe: lets it begin at once and remembers the last thing that it said."""

    said: int | Outcomes = 0

    def send(self, said: int | Outcomes) -> None:
        self.said = said

    def recv(self) -> int:
        return 0


def outcomes(answer: Answer, *, mixed: bool = False, users: int = 2, orders: int = 4) -> Outcomes:
    async def main() -> Outcomes:
        async with server(answer) as address:
            work = Crowd(
                addresses=(address,), users=users, journeys=(JOURNEY,), orders=(0,) * orders, mixed=mixed, seed=1
            )
            pipe = Pipe()
            await asyncio.to_thread(crowd, work, pipe)
            assert isinstance(pipe.said, Outcomes)
            return pipe.said

    return asyncio.run(main())


def test_every_order_is_placed_once_whoever_takes_it() -> None:
    asked: list[bytes] = []

    def node(head: bytes) -> bytes:
        asked.append(head)
        return CONFIRMED

    seen = outcomes(node)
    ids = {head.split()[1] for head in asked}
    assert len(asked) == len(ids) == len(seen.confirmed) == seen.finished == 4
    assert len(seen.latencies[Step.BUY]) == 4


def test_a_second_run_does_not_repeat_the_orders_of_the_first() -> None:
    first, second = outcomes(lambda _: CONFIRMED), outcomes(lambda _: CONFIRMED)
    assert not set(first.confirmed) & set(second.confirmed)


def test_a_traveller_who_does_not_know_asks_again_under_the_same_id() -> None:
    answers = iter([says(202, "{}"), says(503, '{"error":"busy"}'), CONFIRMED])
    asked: list[bytes] = []

    def node(head: bytes) -> bytes:
        asked.append(head.split()[1])
        return next(answers)

    seen = outcomes(node, users=1, orders=1)
    assert len(asked) == 3
    assert len(set(asked)) == 1
    assert (len(seen.confirmed), dict(seen.trouble)) == (1, {"HTTP 503": 1})


def test_a_refusal_is_counted_by_its_reason() -> None:
    seen = outcomes(lambda _: says(409, '{"error":"seat-taken"}'), users=1, orders=3)
    assert (dict(seen.refusals), len(seen.denied), seen.confirmed) == ({"seat-taken": 3}, 3, [])


def test_mixed_travellers_search_hold_and_then_confirm_or_cancel() -> None:
    def node(head: bytes) -> bytes:
        method, path, _ = head.split(maxsplit=2)
        status = {b"GET": "none", b"PUT": "held"}.get(method) or path.rpartition(b"/")[2].decode() + "ed"
        return says(200, json.dumps({"status": status.replace("cancel", "cancell")}))

    seen = outcomes(node, mixed=True, users=10, orders=30)
    assert len(seen.latencies[Step.SEARCH]) == len(seen.latencies[Step.HOLD]) == 30
    assert len(seen.latencies[Step.CANCEL]) == len(seen.denied)
    assert len(seen.confirmed) + len(seen.denied) == 30
    assert seen.confirmed
    assert seen.denied


@pytest.mark.slow
def test_a_process_that_dies_is_trouble_at_once() -> None:
    with Crew[int](_die, [()]) as crew, pytest.raises(BenchTrouble, match="died"):
        crew.first()


def _die(_link: object) -> None:
    raise SystemExit(3)

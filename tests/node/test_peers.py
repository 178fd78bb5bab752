"""What is owed reaches the other carrier, whatever that carrier and the network do meanwhile.

The other carrier is a real aiohttp server on loopback that says what a test tells it to.
"""

import asyncio
import gzip
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import msgspec
import orjson
import pytest
import uvloop
from aiohttp import web

from airline_node import certificates, lines, peers
from airline_node.lines import BATCH_MAX
from airline_node.peer_routes import BODY_BYTES_MAX
from airline_node.peers import Peers
from ledger.messages import (
    Abort,
    Acknowledged,
    Commit,
    Inquire,
    Outcome,
    PeerAnswer,
    PeerMessage,
    Pledged,
    Prepare,
    Word,
)

FLIGHT = "JG2055/2026-12-14"
NOON = 1_790_000_000_000

Items: TypeAlias = list[dict[str, str]]
Answering: TypeAlias = Callable[[str, Items], Awaitable[web.StreamResponse]]


def booking(number: int) -> str:
    return f"01JD3VBOOKING{number:013d}"


def commit(number: int) -> Commit:
    return Commit(booking=booking(number), flight=FLIGHT, coordinator="AN")


def abort(number: int) -> Abort:
    return Abort(booking=booking(number), flight=FLIGHT, coordinator="AN")


def inquire(number: int) -> Inquire:
    return Inquire(booking=booking(number), flight=FLIGHT, coordinator="JG", asker="AN1117/2026-12-14", to="JG")


def done(route: str, item: dict[str, str]) -> PeerAnswer:
    if route == "inquire":
        return Outcome(
            booking=item["booking"], flight=item["flight"], asker=item["asker"], by="JG", word=Word.COMMITTED
        )
    return Acknowledged(booking=item["booking"], flight=item["flight"], done=route)


def say(*answers: PeerAnswer) -> web.Response:
    return web.Response(body=orjson.dumps({"answers": msgspec.to_builtins(answers)}))


async def obey(route: str, items: Items) -> web.Response:
    return say(*(done(route, item) for item in items))


async def refuse_service(route: str, items: Items) -> web.StreamResponse:
    return web.Response(text="\x1b[31mtry later", status=503)


class Jangada:
    """The other carrier: does what `answering` does, and remembers what it was asked and when."""

    def __init__(self) -> None:
        self.answering: Answering = obey
        self.asked: list[tuple[str, list[str]]] = []
        self.times: list[float] = []
        self.callers: list[str | None] = []
        self.port = 0

    async def open(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{route}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        route, items = request.match_info["route"], orjson.loads(await request.read())["items"]
        self.asked.append((route, [item["booking"] for item in items]))
        self.times.append(asyncio.get_running_loop().time())
        assert request.transport is not None
        self.callers.append(certificates.carrier_of_peer(request.transport.get_extra_info("peercert")))
        return await self.answering(route, items)


class Desk:
    """Our node, as its peers see it: a claim that is answered for is owed no more, unless `settles` is unset."""

    def __init__(self, address: str, tls: ssl.SSLContext | None = None) -> None:
        self.peers = Peers("AN", {"JG": address}, tls, self.hear, self.unanswered, lambda: NOON, lambda: 0.0)
        self.heard: list[PeerAnswer] = []
        self.unreached: list[list[PeerMessage]] = []
        self.settles = True
        self.refuses: Exception | None = None

    def owe(self, *messages: PeerMessage) -> None:
        """Each as a machine of its own."""
        for message in messages:
            self.peers.owe(message.booking, [message])

    async def hear(self, carrier: str, answers: Sequence[PeerAnswer]) -> None:
        assert carrier == "JG"
        if self.refuses:
            raise self.refuses
        self.heard += answers
        if self.settles:
            for answer in answers:
                self.peers.owe(answer.booking, [])

    async def unanswered(self, messages: Sequence[PeerMessage]) -> None:
        self.unreached.append(list(messages))


async def until(what: Callable[[], object]) -> None:
    for _ in range(5_000):
        if what():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came about")


@asynccontextmanager
async def business() -> AsyncIterator[tuple[Jangada, Desk]]:
    jangada = Jangada()
    await jangada.open()
    desk = Desk(f"http://127.0.0.1:{jangada.port}")
    await desk.peers.start()
    try:
        yield jangada, desk
    finally:
        await desk.peers.close()
        await jangada.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests wait a twentieth of what passengers do."""
    monkeypatch.setattr(lines, "BACKOFF_MS_MIN", 5)
    monkeypatch.setattr(lines, "BACKOFF_MS_MAX", 40)
    monkeypatch.setattr(lines, "RETRY_MS", 50)
    monkeypatch.setattr(lines, "RETRY_MS_MAX", 200)


# ---- when all is well --------------------------------------------------------------------------------------


def test_what_is_owed_together_is_asked_together_and_answered_in_order() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            desk.owe(*map(commit, range(30)))
            await until(lambda: len(desk.heard) == 30)
            assert jangada.asked == [("commit", [booking(number) for number in range(30)])]
            assert [answer.booking for answer in desk.heard] == [booking(number) for number in range(30)]

    asyncio.run(main())


def test_what_is_owed_before_the_start_leaves_at_the_start() -> None:
    async def main() -> None:
        jangada = Jangada()
        await jangada.open()
        desk = Desk(f"http://127.0.0.1:{jangada.port}")
        desk.owe(commit(1))
        await desk.peers.start()
        await until(lambda: desk.heard)
        await desk.peers.close()
        await jangada.close()

    asyncio.run(main())


def test_what_never_began_can_be_closed() -> None:
    asyncio.run(Desk("http://127.0.0.1:1").peers.close())


def test_what_is_owed_while_a_request_is_under_way_travels_together_in_the_next() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            gate = asyncio.Event()

            async def slowly(route: str, items: Items) -> web.StreamResponse:
                await gate.wait()
                return await obey(route, items)

            jangada.answering = slowly
            desk.owe(commit(0))
            await until(lambda: jangada.asked)
            desk.owe(*map(commit, range(1, 5)))
            await asyncio.sleep(0.01)
            assert len(jangada.asked) == 1
            gate.set()
            await until(lambda: len(desk.heard) == 5)
            assert [len(bookings) for _, bookings in jangada.asked] == [1, 4]

    asyncio.run(main())


def test_a_commit_does_not_wait_for_an_abort_that_is_under_way() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):

            async def never_an_abort(route: str, items: Items) -> web.StreamResponse:
                await asyncio.sleep(5 if route == "abort" else 0)
                return await obey(route, items)

            jangada.answering = never_an_abort
            desk.owe(abort(1))
            await until(lambda: jangada.asked)
            desk.owe(commit(2))
            await until(lambda: desk.heard)
            assert desk.heard == [done("commit", {"booking": booking(2), "flight": FLIGHT})]

    asyncio.run(main())


def test_every_kind_of_message_has_its_own_route() -> None:
    assert {kind.__struct_config__.tag for kind in lines.KINDS} == {
        "hold", "release", "prepare", "commit", "abort", "return", "inquire",
    }  # fmt: skip


def test_a_request_never_bears_more_than_a_batch() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            desk.owe(*map(commit, range(2 * BATCH_MAX + 1)))
            await until(lambda: len(desk.heard) == 2 * BATCH_MAX + 1)
            assert [len(bookings) for _, bookings in jangada.asked] == [BATCH_MAX, BATCH_MAX, 1]

    asyncio.run(main())


def test_a_batch_of_the_longest_messages_is_well_under_a_megabyte() -> None:
    longest = Prepare(
        booking="x" * 36,
        flight=FLIGHT,
        coordinator="AN",
        participants=(FLIGHT,) * 4,
        seats=tuple(f"99{column}" for column in "ABCDEFGHJ"),
        count=9,
        fare=2**63,
        decide_by=NOON,
        tickets=("9820000000017",) * 9,
        coupon=4,
    )
    assert BATCH_MAX * len(orjson.dumps(msgspec.to_builtins(longest))) < BODY_BYTES_MAX / 2


# ---- owed while a state lasts ------------------------------------------------------------------------------


def test_what_is_owed_no_more_is_not_sent_again() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            jangada.answering = refuse_service
            desk.owe(commit(1))
            await until(lambda: len(jangada.asked) >= 3)
            desk.peers.owe(booking(1), [])
            await asyncio.sleep(0.1)
            assert len(jangada.asked) <= 4, "one may have been under way"
            assert desk.peers.reach()["JG"].waiting == 0
            assert desk.peers.reach()["JG"].silent_since is None

            desk.owe(commit(2), commit(3))
            await until(lambda: desk.peers.reach()["JG"].next_try)
            desk.peers.owe(booking(2), [])
            jangada.answering = obey
            await until(lambda: desk.heard)
            assert jangada.asked[-1] == ("commit", [booking(3)])

    asyncio.run(main())


def test_a_new_debt_of_a_machine_takes_the_place_of_the_old_one_at_once() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            desk.settles = False
            desk.owe(commit(1))
            await until(lambda: desk.heard)
            desk.owe(abort(1))
            await until(lambda: len(desk.heard) == 2)
            await asyncio.sleep(0.12)
            assert [route for route, _ in jangada.asked].count("commit") == 1

    asyncio.run(main())


def test_an_answer_that_does_not_discharge_is_asked_for_again_ever_more_seldom() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):

            async def undecided(route: str, items: Items) -> web.StreamResponse:
                return say(*(msgspec.structs.replace(done(route, item), word=Word.UNDECIDED) for item in items))

            jangada.answering = undecided
            desk.settles = False
            desk.owe(inquire(1))
            await until(lambda: desk.heard)
            desk.owe(inquire(1))  # The same debt after some other event: it keeps its rest.
            await until(lambda: len(desk.heard) >= 3)
            first, second, third = jangada.times[:3]
            assert second - first >= 0.05
            assert third - second >= 0.1
            assert not desk.unreached

    asyncio.run(main())


def test_one_that_rests_does_not_hold_up_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "RETRY_MS", 60_000)
    monkeypatch.setattr(lines, "RETRY_MS_MAX", 60_000)

    async def main() -> None:
        async with business() as (jangada, desk):
            desk.settles = False
            desk.owe(commit(1))
            await until(lambda: desk.heard)
            desk.owe(commit(1), commit(2))
            await until(lambda: len(desk.heard) == 2)
            assert [bookings for _, bookings in jangada.asked] == [[booking(1)], [booking(2)]]

    asyncio.run(main())


def test_the_same_message_of_two_machines_is_owed_until_neither_owes_it() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            jangada.answering = refuse_service
            desk.peers.owe("flight:AN1117/2026-12-14", [inquire(1)])
            desk.peers.owe("flight:AN1118/2026-12-14", [inquire(1), inquire(1)])
            assert desk.peers.reach()["JG"].waiting == 2
            desk.peers.owe("flight:AN1117/2026-12-14", [])
            assert desk.peers.reach()["JG"].waiting == 1
            jangada.answering = obey
            await until(lambda: desk.heard)

    asyncio.run(main())


def test_what_the_node_could_not_take_in_is_asked_for_again() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            desk.refuses = RuntimeError("the inbox is full")
            desk.owe(commit(1))
            await until(lambda: len(jangada.asked) >= 2)
            desk.refuses = None
            await until(lambda: desk.heard)
            assert desk.peers.reach()["JG"].silent_since is None

    asyncio.run(main())


# ---- an operator who will not wait -------------------------------------------------------------------------


def test_it_is_known_when_what_a_machine_owes_goes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "RETRY_MS", 5_000)
    monkeypatch.setattr(lines, "RETRY_MS_MAX", 5_000)

    async def main() -> None:
        async with business() as (_, desk):
            assert desk.peers.next_try(booking(1)) is None
            desk.settles = False
            desk.owe(commit(1))
            await until(lambda: (desk.peers.next_try(booking(1)) or 0) > NOON)
            due = desk.peers.next_try(booking(1))
            assert due is not None
            assert NOON + 4_000 < due <= NOON + 5_000

    asyncio.run(main())


def test_an_operator_has_what_rests_sent_now_and_twice_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    for rest in ("RETRY_MS", "RETRY_MS_MAX", "BACKOFF_MS_MIN", "BACKOFF_MS_MAX"):
        monkeypatch.setattr(lines, rest, 60_000)

    async def main() -> None:
        async with business() as (jangada, desk):
            desk.settles = False
            desk.owe(commit(1))
            await until(lambda: desk.heard)
            jangada.answering = refuse_service
            desk.owe(commit(2))
            await until(lambda: len(jangada.asked) == 2)
            await until(lambda: desk.peers.reach()["JG"].silent_since)
            jangada.answering, desk.settles = obey, True
            desk.peers.wake()
            desk.peers.wake()
            await until(lambda: len(desk.heard) == 3)
            assert sorted(jangada.asked[-1][1]) == [booking(1), booking(2)]
            assert desk.peers.next_try(booking(1)) is None

    asyncio.run(main())


# ---- trouble -----------------------------------------------------------------------------------------------


def test_trouble_is_answered_with_ever_longer_rests_up_to_a_limit_and_everybody_can_see_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            jangada.answering = refuse_service
            desk.owe(commit(1), commit(2))
            await until(lambda: len(jangada.asked) >= 6)
            rests = [later - earlier for earlier, later in pairwise(jangada.times[:6])]
            assert all(rest >= least for rest, least in zip(rests, (0.005, 0.01, 0.02, 0.04, 0.04), strict=True))

            await until(lambda: desk.peers.reach()["JG"].next_try is not None)
            reach = desk.peers.reach()["JG"]
            assert reach.silent_since == NOON
            assert reach.error is not None
            assert reach.error.startswith("commit: HTTP 503")
            assert reach.next_try is not None
            assert NOON < reach.next_try <= NOON + 40
            assert (reach.waiting, reach.rejected) == (2, 0)

            jangada.answering = obey
            await until(lambda: len(desk.heard) == 2)
            reach = desk.peers.reach()["JG"]
            assert (reach.silent_since, reach.error, reach.next_try, reach.waiting) == (None, None, None, 0)

            jangada.answering = fall_silent
            desk.owe(commit(3))
            await until(lambda: jangada.asked[-1] == ("commit", [booking(3)]))
            reach = desk.peers.reach()["JG"]
            assert (reach.silent_since, reach.error, reach.waiting) == (None, None, 1), "what is past is forgiven"

    asyncio.run(main())
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1, "once, not each time"


def test_a_carrier_that_was_down_hears_everything_when_it_is_back() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            await jangada.close()
            desk.owe(*map(commit, range(3)), *map(abort, range(3, 6)))
            await until(lambda: desk.peers.reach()["JG"].silent_since)
            assert desk.peers.reach()["JG"].waiting == 6
            await jangada.open()
            await until(lambda: len(desk.heard) == 6)

    asyncio.run(main())


def test_when_one_line_gets_through_again_the_others_do_not_wait_their_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            jangada.answering = refuse_service
            monkeypatch.setattr(lines, "BACKOFF_MS_MIN", 60_000)
            monkeypatch.setattr(lines, "BACKOFF_MS_MAX", 60_000)
            desk.owe(abort(1))
            await until(lambda: desk.peers.reach()["JG"].silent_since)
            monkeypatch.setattr(lines, "BACKOFF_MS_MAX", 5)
            desk.owe(commit(2))
            await until(lambda: len(jangada.asked) >= 3)
            jangada.answering = obey
            await until(lambda: len(desk.heard) == 2)

    asyncio.run(main())


async def no_such_route(route: str, items: Items) -> web.StreamResponse:
    return web.Response(status=404)


async def crash(route: str, items: Items) -> web.StreamResponse:
    return web.Response(status=500)


async def lead_elsewhere(route: str, items: Items) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": "/elsewhere"})


async def babble(route: str, items: Items) -> web.StreamResponse:
    return web.Response(body=b"<html>\xff")


async def say_too_little(route: str, items: Items) -> web.StreamResponse:
    return say(*(done(route, item) for item in items[1:]))


async def say_too_much(route: str, items: Items) -> web.StreamResponse:
    return say(*(done(route, item) for item in items), done(route, items[0]))


async def speak_of_another_booking(route: str, items: Items) -> web.StreamResponse:
    return say(*(done(route, {**item, "booking": booking(99)}) for item in items))


async def speak_of_another_flight(route: str, items: Items) -> web.StreamResponse:
    return say(*(done(route, {**item, "flight": "JG2056/2026-12-14"}) for item in items))


async def do_another_thing(route: str, items: Items) -> web.StreamResponse:
    return say(*(done("release", item) for item in items))


async def decide_unasked(route: str, items: Items) -> web.StreamResponse:
    """An outcome decides a pledge at home: nobody may send one instead of an acknowledgement."""
    return say(*(done("inquire", {**item, "asker": item["flight"]}) for item in items))


async def pledge_unasked(route: str, items: Items) -> web.StreamResponse:
    return say(*(Pledged(booking=item["booking"], flight=item["flight"], seats=("1A",)) for item in items))


async def send_a_flood(route: str, items: Items) -> web.StreamResponse:
    answer = (await obey(route, items)).body
    assert isinstance(answer, bytes)
    return web.Response(body=answer + b" " * peers.ANSWER_BYTES_MAX)


async def send_a_bomb(route: str, items: Items) -> web.StreamResponse:
    answer = (await obey(route, items)).body
    assert isinstance(answer, bytes)
    return web.Response(body=gzip.compress(answer), headers={"Content-Encoding": "gzip"})


async def fall_silent(route: str, items: Items) -> web.StreamResponse:
    await asyncio.sleep(5)
    raise AssertionError("nobody waits so long")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (no_such_route, "HTTP 404"),
        (crash, "HTTP 500"),
        (refuse_service, "HTTP 503"),
        (lead_elsewhere, "HTTP 307"),
        (babble, "cannot be read"),
        (say_too_little, "answers to"),
        (say_too_much, "answers to"),
        (speak_of_another_booking, "it answered"),
        (speak_of_another_flight, "it answered"),
        (do_another_thing, "it answered"),
        (decide_unasked, "it answered"),
        (pledge_unasked, "it answered"),
        (send_a_flood, "bytes"),
        (send_a_bomb, "cannot be read"),
        (fall_silent, "no answer within 60 ms"),
    ],
)
def test_an_answer_that_proves_nothing_does_not_count_and_the_same_is_asked_again(
    trouble: Answering, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "REQUEST_MS_MAX", 60)

    async def main() -> None:
        async with business() as (jangada, desk):
            jangada.answering = trouble
            desk.owe(commit(1), commit(2))
            await until(lambda: len(jangada.asked) >= 2)
            assert not desk.heard
            assert desk.peers.reach()["JG"].silent_since == NOON
            assert words in str(desk.peers.reach()["JG"].error)
            assert {route for route, _ in jangada.asked} == {"commit"}, "a redirect is not followed"
            jangada.answering = obey
            await until(lambda: len(desk.heard) == 2)

    asyncio.run(main())


def test_an_outcome_in_the_name_of_another_carrier_does_not_count() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):

            async def hearsay(route: str, items: Items) -> web.StreamResponse:
                return say(*(msgspec.structs.replace(done(route, item), by="IP") for item in items))

            jangada.answering = hearsay
            desk.owe(inquire(1))
            await until(lambda: len(jangada.asked) >= 2)
            assert not desk.heard

    asyncio.run(main())


def test_a_carrier_that_dies_in_the_middle_of_a_request_is_asked_again() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            reached = asyncio.Event()

            async def die(route: str, items: Items) -> web.StreamResponse:
                reached.set()
                await asyncio.sleep(5)
                raise AssertionError("killed before")

            jangada.answering = die
            desk.owe(commit(1))
            await reached.wait()
            await jangada.close()
            await until(lambda: desk.peers.reach()["JG"].silent_since)
            jangada.answering = obey
            await jangada.open()
            await until(lambda: desk.heard)

    asyncio.run(main())


def test_a_message_that_its_receiver_cannot_stand_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with business() as (jangada, desk):

            async def choke_on_seven(route: str, items: Items) -> web.StreamResponse:
                if any(item["booking"] == booking(7) for item in items):
                    return web.Response(text="seven\x1b[2J", status=400)
                return await obey(route, items)

            jangada.answering = choke_on_seven
            desk.owe(*map(commit, range(20)))
            await until(lambda: len(desk.heard) == 19)
            await until(lambda: desk.peers.reach()["JG"].rejected == 1)
            reach = desk.peers.reach()["JG"]
            assert reach.waiting == 1
            assert reach.error is not None
            assert "HTTP 400" in reach.error

            def tries() -> list[float]:
                alone = ("commit", [booking(7)])
                return [time for time, asked in zip(jangada.times, jangada.asked, strict=True) if asked == alone]

            for number in range(20, 500):
                desk.owe(commit(number))
                await asyncio.sleep(0.001)
                if len(tries()) >= 3:
                    break
            first, second, third = tries()[:3]
            assert second - first >= 0.05
            assert third - second >= 0.1
            assert [bookings for _, bookings in jangada.asked if booking(7) in bookings and len(bookings) > 1] == [
                [booking(number) for number in range(20)]
            ]
            await until(lambda: desk.peers.reach()["JG"].waiting == 1)

            desk.peers.owe(booking(7), [])
            assert desk.peers.reach()["JG"].rejected == 0

    asyncio.run(main())
    assert any(record.levelno == logging.ERROR for record in caplog.records)
    assert "\x1b" not in caplog.text


def test_after_a_batch_was_refused_each_of_its_messages_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BACKOFF_MS_MAX", 50)
    monkeypatch.setattr(lines, "BACKOFF_MS_MIN", 50)

    async def main() -> None:
        async with business() as (jangada, desk):
            gate = asyncio.Event()

            async def crash_at_last(route: str, items: Items) -> web.StreamResponse:
                await gate.wait()
                return await crash(route, items)

            jangada.answering = crash_at_last
            desk.owe(commit(1), commit(2))
            await until(lambda: jangada.asked)
            desk.owe(commit(3))
            gate.set()
            await until(lambda: desk.peers.reach()["JG"].next_try)
            jangada.answering = obey
            desk.owe(commit(4))
            await until(lambda: len(desk.heard) == 4)
            together = [booking(1), booking(2)]
            assert [bookings for _, bookings in jangada.asked] == [together, *([booking(n)] for n in (3, 1, 2, 4))]

    asyncio.run(main())


def test_a_message_that_is_understood_at_last_counts_as_rejected_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "RETRY_MS", 5)

    async def main() -> None:
        async with business() as (jangada, desk):
            jangada.answering = crash
            desk.settles = False
            desk.owe(commit(1))
            await until(lambda: desk.peers.reach()["JG"].rejected)
            jangada.answering = obey
            await until(lambda: desk.heard)
            reach = desk.peers.reach()["JG"]
            assert (reach.waiting, reach.rejected, reach.error) == (1, 0, None)

    asyncio.run(main())


def test_the_node_learns_which_inquiries_reached_nobody_once_a_failed_request() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            jangada.answering = refuse_service
            desk.owe(inquire(1), inquire(2), commit(3))
            await until(lambda: len(desk.unreached) == 2)
            jangada.answering = obey
            await until(lambda: len(desk.heard) == 3)
            failed = [bookings for route, bookings in jangada.asked if route == "inquire"][:-1]
            assert [[message.booking for message in messages] for messages in desk.unreached] == failed
            assert desk.unreached[0] == [inquire(1), inquire(2)]

    asyncio.run(main())


def test_what_always_fails_does_not_keep_the_rest_from_being_tried() -> None:
    async def main() -> None:
        async with business() as (jangada, desk):
            jangada.answering = refuse_service
            desk.owe(*map(inquire, range(BATCH_MAX + 1)))
            await until(lambda: len(jangada.asked) >= 2)
            assert booking(BATCH_MAX) in jangada.asked[1][1]

    asyncio.run(main())


def test_a_debt_to_a_carrier_without_an_address_is_kept_and_shown() -> None:
    async def main() -> None:
        async with business() as (_, desk):
            to_ipe = Commit(booking=booking(1), flight="IP4001/2026-12-14", coordinator="AN")
            desk.peers.owe("booking:1", [to_ipe, commit(1)])
            await until(lambda: desk.heard)
            reach = desk.peers.reach()["IP"]
            assert (reach.waiting, reach.error) == (1, "commit: no address is configured for IP")
            assert reach.next_try is None

    asyncio.run(main())


def test_a_node_does_not_write_to_itself() -> None:
    desk = Desk("http://127.0.0.1:1")
    with pytest.raises(AssertionError, match="itself"):
        desk.owe(Commit(booking=booking(1), flight="AN1117/2026-12-14", coordinator="AN"))


# ---- who is at the other end -------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificates.make(tmp_path, ("AN", "JG", "IP"))
    return tmp_path


@asynccontextmanager
async def secure_business(server: ssl.SSLContext, client: ssl.SSLContext) -> AsyncIterator[tuple[Jangada, Desk]]:
    jangada = Jangada()
    await jangada.open(server)
    desk = Desk(f"https://127.0.0.1:{jangada.port}", client)
    await desk.peers.start()
    desk.owe(commit(1))
    try:
        yield jangada, desk
    finally:
        await desk.peers.close()
        await jangada.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_two_carriers_with_certificates_do_business(
    folder: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    server = certificates.server_context(*certificates.files(folder, "JG"))
    client = certificates.client_context(*certificates.files(folder, "AN"))

    async def main() -> None:
        async with secure_business(server, client) as (jangada, desk):
            await until(lambda: desk.heard)
            assert jangada.callers == ["AN"]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("wrong", ["another carrier's server", "a client of another authority"])
def test_nothing_is_said_to_or_by_someone_else(
    folder: Path, tmp_path: Path, wrong: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    server_name = "IP" if wrong == "another carrier's server" else "JG"
    server = certificates.server_context(*certificates.files(folder, server_name))
    ca, cert, key = certificates.files(folder, "AN")
    if wrong == "a client of another authority":
        certificates.make(tmp_path / "elsewhere", ("AN",))
        _, cert, key = certificates.files(tmp_path / "elsewhere", "AN")
    client = certificates.client_context(ca, cert, key)

    async def main() -> None:
        async with secure_business(server, client) as (jangada, desk):
            await until(lambda: desk.peers.reach()["JG"].silent_since)
            assert not jangada.asked
            assert not desk.heard
            assert desk.peers.reach()["JG"].waiting == 1

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())

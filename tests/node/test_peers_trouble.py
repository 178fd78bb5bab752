"""What is owed reaches the other carrier, whatever that carrier and the network do meanwhile, and nobody else."""

import asyncio
import gzip
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import uvloop
from aiohttp import web

from airline_node import certificates, lines, peers
from airline_node.lines import BATCH_MAX
from ledger.messages import Commit, Pledged
from tests.node.jangada import (
    NOON,
    Answering,
    Desk,
    Items,
    Jangada,
    abort,
    booking,
    business,
    commit,
    done,
    hurry,
    inquire,
    obey,
    refuse_service,
    say,
    until,
)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


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

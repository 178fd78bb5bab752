"""What is owed reaches the other carrier, together and in order, and as long as it is owed."""

import asyncio

import msgspec
import orjson
import pytest
from aiohttp import web

from airline_node import lines
from airline_node.lines import BATCH_MAX
from airline_node.peer_routes import BODY_BYTES_MAX
from ledger.messages import (
    Prepare,
    Word,
)
from tests.node.jangada import (
    FLIGHT,
    NOON,
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

"""Availability published by one carrier and followed by another."""

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airline_node import availability, network
from airline_node.availability import PAST_KEPT_MS, FlightNews
from airline_node.network import BadAnswer
from ledger.terms import FlightId
from tests.node.published import (
    FIRST,
    HOUR,
    NOW,
    SECOND,
    THIRD,
    Clock,
    answer,
    catch_up,
    follower,
    news,
    publisher,
    schedule,
    seats_of,
    view,
)

# ---- what is told -----------------------------------------------------------------------------------------------


def test_a_schedule_travels_once_and_its_seats_whenever_they_change() -> None:
    published, followed = publisher(FIRST, SECOND), follower()
    assert [news.schedule is not None for news in catch_up(followed, published)] == [True, True]
    published.publish([(None, SECOND, ".h..")])
    assert catch_up(followed, published) == [FlightNews(flight=SECOND, seats=".h..")]
    assert seats_of(followed) == {FIRST: "....", SECOND: ".h.."}


def test_many_changes_of_one_flight_travel_as_one() -> None:
    published, followed = publisher(FIRST), follower()
    catch_up(followed, published)
    for seats in ("h...", "s...", "sh..", "ss.."):
        published.publish([(None, FIRST, seats)])
    assert catch_up(followed, published) == [FlightNews(flight=FIRST, seats="ss..")]


def test_a_follower_that_has_everything_is_told_nothing() -> None:
    published, followed = publisher(FIRST), follower()
    catch_up(followed, published)
    assert catch_up(followed, published) == []


def test_a_new_fare_is_told_with_the_schedule_again() -> None:
    published, followed = publisher(FIRST), follower()
    catch_up(followed, published)
    dearer = msgspec.structs.replace(schedule(FIRST), fare=50_000)
    published.publish([(dearer, FIRST, "....")])
    catch_up(followed, published)
    assert followed.flights[FIRST][0].fare == 50_000


def test_after_a_restart_everything_is_told_anew_and_what_is_gone_is_dropped() -> None:
    followed = follower()
    catch_up(followed, publisher(FIRST, SECOND, THIRD))
    catch_up(followed, publisher(SECOND, THIRD))
    assert set(followed.flights) == {SECOND, THIRD}


def test_while_everything_is_told_anew_the_old_view_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "FLIGHTS_PER_ANSWER", 1)
    followed = follower()
    catch_up(followed, publisher(FIRST, SECOND))
    followed.hear(publisher(SECOND, THIRD).since(followed.position, followed.lineage))
    assert set(followed.flights) == {FIRST, SECOND}


@pytest.mark.parametrize("after", [4, -1])
def test_a_position_that_was_never_given_is_answered_with_everything(after: int) -> None:
    published = publisher(FIRST, SECOND, THIRD)
    answer = published.since(after, published.lineage)
    assert answer.reset
    assert len(answer.flights) == 3


def test_a_flight_that_changes_while_its_follower_catches_up_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(availability, "FLIGHTS_PER_ANSWER", 1)
    published, followed = publisher(FIRST, SECOND, THIRD), follower()
    published.publish([(None, FIRST, "h...")])
    followed.hear(published.since(followed.position, followed.lineage))
    published.publish([(None, SECOND, "s...")])
    catch_up(followed, published)
    assert seats_of(followed) == {FIRST: "h...", SECOND: "s...", THIRD: "...."}


MOVES = st.lists(
    st.tuples(st.sampled_from(["open", "sell", "sell", "ask"]), st.integers(0, 6)), min_size=10, max_size=40
)


@given(moves=MOVES)
@settings(max_examples=60)
def test_however_answers_are_cut_a_follower_ends_with_what_is_published(moves: list[tuple[str, int]]) -> None:
    published, followed = publisher(), follower()
    truth: dict[FlightId, str] = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(availability, "FLIGHTS_PER_ANSWER", 2)
        for step, (move, number) in enumerate(moves):
            flight = f"JG{2000 + number}/2026-12-14"
            if move == "ask":
                followed.hear(published.since(followed.position, followed.lineage))
            elif move == "open" or flight in truth:
                truth[flight] = f"{step:04b}"[-4:].replace("0", ".").replace("1", "s")
                published.publish([(schedule(flight) if move == "open" else None, flight, truth[flight])])
        catch_up(followed, published)
    assert seats_of(followed) == truth


def test_flights_long_departed_are_forgotten_on_both_sides_when_new_ones_open() -> None:
    clock = Clock()
    published, followed = publisher(FIRST, clock=clock), follower(clock)
    catch_up(followed, published)
    clock.now += HOUR + PAST_KEPT_MS + 1
    published.publish([(schedule(SECOND, departure=clock.now + HOUR), SECOND, "....")])
    catch_up(followed, published)
    assert set(followed.flights) == {SECOND}
    assert [told.flight for told in published.since(0, "").flights] == [SECOND]


def test_a_late_change_of_a_forgotten_flight_is_no_news_to_anyone() -> None:
    published, followed = publisher(SECOND), follower()
    published.publish([(None, FIRST, "s...")])
    catch_up(followed, published)
    assert set(followed.flights) == {SECOND}
    followed.hear(answer(FlightNews(flight=FIRST, seats="s..."), lineage=published.lineage))
    assert set(followed.flights) == {SECOND}


# ---- waiting for news -------------------------------------------------------------------------------------------


def test_a_poll_is_answered_as_soon_as_there_is_news() -> None:
    async def main() -> None:
        published = publisher(FIRST)
        polled = asyncio.create_task(published.poll(1, published.lineage, wait_ms=10_000))
        await asyncio.sleep(0)
        assert not polled.done()
        published.publish([(None, FIRST, "h...")])
        async with asyncio.timeout(1):
            assert (await polled).flights == (FlightNews(flight=FIRST, seats="h..."),)

    asyncio.run(main())


def test_a_poll_without_news_ends_empty_handed() -> None:
    async def main() -> None:
        published = publisher(FIRST)
        told = await published.poll(1, published.lineage, wait_ms=1)
        assert (told.position, told.flights) == (1, ())

    asyncio.run(main())


def test_nobody_waits_who_has_something_to_hear() -> None:
    async def main() -> None:
        published = publisher(FIRST)
        async with asyncio.timeout(1):
            assert (await published.poll(1, "another lineage", wait_ms=10_000)).reset
            assert (await published.poll(0, published.lineage, wait_ms=10_000)).flights

    asyncio.run(main())


def test_more_waiters_than_there_is_room_for_are_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "WAITERS_MAX", 1)

    async def main() -> None:
        published = publisher(FIRST)
        waiting = asyncio.create_task(published.poll(1, published.lineage, wait_ms=10_000))
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await published.poll(1, published.lineage, wait_ms=10_000)
        waiting.cancel()
        await asyncio.wait([waiting])
        again = asyncio.create_task(published.poll(1, published.lineage, wait_ms=10_000))
        await asyncio.sleep(0)
        assert not again.done(), "who left made room"
        published.close()
        await again

    asyncio.run(main())


def test_a_closing_node_lets_every_poll_go() -> None:
    async def main() -> None:
        published = publisher(FIRST)
        polled = asyncio.create_task(published.poll(1, published.lineage, wait_ms=10_000))
        await asyncio.sleep(0)
        published.close()
        async with asyncio.timeout(1):
            await polled
            published.publish([(None, FIRST, "h...")])
            await published.poll(2, published.lineage, wait_ms=10_000)

    asyncio.run(main())


# ---- what is not believed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        FlightNews(flight="AN1001/2026-12-14", seats="....", schedule=schedule("AN1001/2026-12-14")),
        FlightNews(flight=SECOND, seats="....", schedule=schedule(FIRST)),
        FlightNews(flight=FIRST, seats="...", schedule=schedule(FIRST)),
        news(origin="Salvador"),
        news(destination="GRU\n"),
        news(departure=-1),
        news(arrival=NOW + HOUR),
        news(arrival=10**20),
        news(fare=-1),
        news(fare=10**20),
        news(aircraft="A" * 1000),
        news(cabin="AC\nDF"),
        news(seats=("1A", "1A", "1D", "1F")),
        news(seats=("1A", "1C", "1D", "<b>")),
        news(seats=("1A", "1C", "1D", "1F\n")),
        FlightNews(flight=FIRST, seats="", schedule=msgspec.structs.replace(schedule(FIRST), seats=())),
    ],
)
def test_what_cannot_be_so_is_refused_and_leaves_nothing(told: FlightNews) -> None:
    followed = follower()
    with pytest.raises(BadAnswer):
        followed.hear(answer(told, reset=True))
    assert followed.flights == {}
    assert not followed.whole


def test_a_carrier_cannot_fill_our_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "FLIGHTS_PER_CARRIER_MAX", 2)
    followed = follower()
    with pytest.raises(BadAnswer, match="more than 2 flights"):
        catch_up(followed, publisher(FIRST, SECOND, THIRD))


def test_another_lineage_without_a_reset_is_refused() -> None:
    followed = follower()
    with pytest.raises(BadAnswer):
        followed.hear(answer())


def test_after_a_bad_answer_everything_is_asked_for_again() -> None:
    published, followed = publisher(FIRST), follower()
    catch_up(followed, published)
    with pytest.raises(BadAnswer):
        followed.hear(answer(news(fare=-1), lineage=published.lineage))
    assert published.since(followed.position, followed.lineage).reset


def test_flights_of_one_aircraft_share_their_seats() -> None:
    followed = follower()
    for flight in (FIRST, SECOND):
        told = FlightNews(flight=flight, seats="....", schedule=schedule(flight))
        copied = msgspec.json.decode(msgspec.json.encode(told), type=FlightNews)
        followed.hear(answer(copied, reset=True) if flight == FIRST else answer(copied))
    assert followed.flights[FIRST][0].seats is followed.flights[SECOND][0].seats


# ---- the view ---------------------------------------------------------------------------------------------------


def test_own_flights_are_on_the_board_when_publishing_returns() -> None:
    flight = "AN1001/2026-12-14"
    seen = view(Clock())
    seen.publish([(schedule(flight), flight, ".hs.")])
    offer = seen.board.get(flight)
    assert offer is not None
    assert (offer.free, offer.fare) == (2, 43_190)
    assert seen.seats(flight) == (schedule(flight), ".hs.")
    assert seen.segment(flight) == schedule(flight)


def test_a_flight_of_nobody_is_not_known() -> None:
    seen = view(Clock())
    assert seen.seats("ZZ1001/2026-12-14") is None
    assert seen.segment("AN1001/2026-12-14") is None


def test_only_a_peer_that_is_silent_too_long_is_stale() -> None:
    clock = Clock()
    seen = view(clock, JG="http://127.0.0.1:9")
    assert not seen.ready
    clock.now += network.STALE_MS
    assert seen.stale(clock.now) == {}
    clock.now += 500
    assert seen.stale(clock.now) == {"JG": 10.5}

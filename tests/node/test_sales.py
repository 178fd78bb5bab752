"""Thirty days are on sale, whatever today is; a day more every midnight; nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from airline_node import sales
from airline_node.sales import Sales
from airline_node.timetable import SALE_DAYS, Timetable, load
from ledger.events import FlightScheduled
from ledger.terms import FlightId, Millis
from tests.node.house import Andorinha, at_work, until

DAY_MS = 24 * 3_600_000
MONDAY = date(2026, 12, 14)
NOON: Millis = int(datetime(2026, 12, 14, 15, tzinfo=UTC).timestamp()) * 1000
"""In São Paulo: AN1003 of today has left at 9:50, AN1007 leaves at 18:10."""


def two_flights() -> Timetable:
    """Both fly every day."""
    timetable = load()
    return replace(timetable, week=tuple(weekly for weekly in timetable.week if weekly.number in ("AN1003", "AN1007")))


def opening(house: Andorinha) -> Sales:
    return Sales("AN", two_flights(), house.node, lambda: house.now)


def on_sale(house: Andorinha) -> list[FlightId]:
    """What was put on sale, in that order, without the flight that the house began with."""
    facts = [record.event for record in house.disk.log]
    return [fact.flight for fact in facts if isinstance(fact, FlightScheduled)][1:]


@at_work()
async def test_thirty_days_are_on_sale_but_for_what_has_left(house: Andorinha) -> None:
    house.now = NOON
    await opening(house).open()
    days = [(MONDAY + timedelta(days=n)).isoformat() for n in range(SALE_DAYS)]
    expected = [f"{number}/{day}" for day in days for number in ("AN1003", "AN1007")]
    assert on_sale(house) == expected[1:]


@at_work()
async def test_a_new_day_opens_one_day_more(house: Andorinha) -> None:
    house.now = NOON
    sales = opening(house)
    await sales.open()
    before = on_sale(house)
    house.now += DAY_MS
    await sales.open()
    day = (MONDAY + timedelta(days=SALE_DAYS)).isoformat()
    assert on_sale(house)[len(before) :] == [f"AN1003/{day}", f"AN1007/{day}"]


@at_work()
async def test_nothing_is_put_on_sale_twice_not_even_by_a_new_start(house: Andorinha) -> None:
    house.now = NOON
    first = opening(house)
    await first.open()
    before = on_sale(house)
    await first.open()
    house.now += 3_600_000
    await opening(house).open()
    assert on_sale(house) == before


@at_work()
async def test_a_sale_is_not_written_all_at_once(house: Andorinha) -> None:
    house.now = NOON
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sales, "FLIGHTS_PER_WRITE", 25)
        await opening(house).open()
    assert house.disk.sizes[1:] == [25, 25, 9]


@at_work()
async def test_midnight_is_noticed_without_being_told(house: Andorinha) -> None:
    house.now = NOON
    open_sales = opening(house)
    await open_sales.open()
    before = len(on_sale(house))
    async with watching(open_sales):
        await asyncio.sleep(0.01)
        assert len(on_sale(house)) == before
        house.now += DAY_MS
        await until(lambda: len(on_sale(house)) == before + 2)


@at_work(READ_MS=60)
async def test_a_disk_that_is_full_at_midnight_does_not_end_the_watch(house: Andorinha) -> None:
    house.now = NOON
    open_sales = opening(house)
    await open_sales.open()
    before = len(on_sale(house))
    async with watching(open_sales) as watch:
        house.disk.may_write.clear()
        house.now += DAY_MS
        await asyncio.sleep(0.1)
        assert not watch.done()
        house.disk.may_write.set()
        await until(lambda: len(on_sale(house)) == before + 2)


@asynccontextmanager
async def watching(open_sales: Sales) -> AsyncIterator["asyncio.Task[None]"]:
    """It looks every millisecond."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sales, "LOOK_MS", 1)
        watch = asyncio.create_task(open_sales.run())
        yield watch
        watch.cancel()
        await asyncio.wait([watch])

"""A node on a network of another size: `python -m airline_node.bench.sized 50000` has so many flights on sale.

The week of the packaged timetable is thinned out, or flown again and again some minutes later.
"""

import os
import sys
from collections.abc import Container, Iterator, Sequence
from itertools import count
from typing import Final

from msgspec.structs import replace

from airline_node import app, config
from airline_node.timetable import SALE_DAYS, Timetable, WeeklyFlight, load
from ledger.terms import CarrierCode

FIRST: Final = ("IP4001", "JG2055", "AN1117")
"""However small the network is, it has this way from FEC to CGB over all three carriers."""
LATER_MINUTES: Final = 35
DAY_MINUTES: Final = 24 * 60


def sized(timetable: Timetable, flights: int) -> Timetable:
    """The same network with about so many flights in the days that are on sale."""
    a_day = flights / SALE_DAYS
    week: list[WeeklyFlight] = []
    flown = 0.0
    for weekly in _endless(timetable.week):
        if flown >= a_day:
            return replace(timetable, week=tuple(week))
        week.append(weekly)
        flown += sum(day != "-" for day in weekly.days) / 7
    raise AssertionError("an endless week has ended")


def _endless(week: Sequence[WeeklyFlight]) -> Iterator[WeeklyFlight]:
    """Every flight once, then each again under a number of its own, later by a little more in every round."""
    first = sorted(week, key=lambda weekly: weekly.number not in FIRST)
    yield from first
    taken = {weekly.number for weekly in week}
    fleets = [[weekly for weekly in week if weekly.carrier == carrier] for carrier in {one.carrier: 0 for one in week}]
    numbers = {fleet[0].carrier: _unused(fleet[0].carrier, taken) for fleet in fleets}
    for n in count():
        # One of each carrier in turn: none may have many more flights than the others.
        for fleet in fleets:
            lap, place = divmod(n, len(fleet))
            yield _later(fleet[place], (lap + 1) * LATER_MINUTES, next(numbers[fleet[place].carrier]))


def _unused(carrier: CarrierCode, taken: Container[str]) -> Iterator[str]:
    return (number for n in range(10_000) if (number := f"{carrier}{n:04d}") not in taken)


def _later(weekly: WeeklyFlight, minutes: int, number: str) -> WeeklyFlight:
    """Earlier by as much, where it would else leave or arrive on another day."""
    leaves, lands = _minutes(weekly.departs), _minutes(weekly.arrives) + weekly.day_offset * DAY_MINUTES
    if leaves + minutes >= DAY_MINUTES or lands + minutes >= 2 * DAY_MINUTES:
        minutes = -min(minutes, leaves)
    leaves, lands = leaves + minutes, lands + minutes
    return replace(
        weekly,
        number=number,
        departs=f"{leaves // 60:02d}:{leaves % 60:02d}",
        arrives=f"{lands % DAY_MINUTES // 60:02d}:{lands % 60:02d}",
        day_offset=lands // DAY_MINUTES,
    )


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


if __name__ == "__main__":
    told, flights = config.read(os.environ), int(sys.argv[1])
    sys.exit(app.serve(told, timetable=sized(load(), flights), until_eof=True))

"""A cabin's seats in the order of its rows, and which of the free ones a carrier gives to a party."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from ledger.terms import SeatNo

CABINS_MAX = 256
"""Distinct layouts kept; flights of one layout share one `Cabin`."""


class Cabin(Struct, frozen=True):
    """`places` has each seat's number in `seats`. `rows` are as a passenger finds them, `blocks` lie between aisles."""

    seats: tuple[SeatNo, ...]
    places: Mapping[SeatNo, int]
    rows: tuple[tuple[SeatNo, ...], ...]
    blocks: tuple[tuple[SeatNo, ...], ...]


@lru_cache(CABINS_MAX)
def cabin_of(columns: str, seats: tuple[SeatNo, ...]) -> Cabin:
    """The cabin with these seats; `columns` shows the aisle, as in `ABC DEF`."""
    rows: dict[str, list[SeatNo]] = {}
    blocks: dict[tuple[str, str], list[SeatNo]] = {}
    for seat in seats:
        row, letter = seat[:-1], seat[-1]
        side = next((block for block in columns.split() if letter in block), "")
        rows.setdefault(row, []).append(seat)
        blocks.setdefault((row, side), []).append(seat)
    return Cabin(
        seats=seats,
        places=MappingProxyType({seat: place for place, seat in enumerate(seats)}),
        rows=tuple(map(tuple, rows.values())),
        blocks=tuple(map(tuple, blocks.values())),
    )


def choose(cabin: Cabin, taken: Collection[SeatNo], count: int) -> tuple[SeatNo, ...] | None:
    """Seats for a party: side by side, else across the aisle, else as near as there are; None if too few are free."""
    if count == 1:
        return next(((seat,) for seat in cabin.seats if seat not in taken), None)
    for groups in (cabin.blocks, cabin.rows):
        for group in groups:
            if together := _run(group, taken, count):
                return together
    return _nearest(cabin.seats, taken, count)


def _run(group: Sequence[SeatNo], taken: Collection[SeatNo], count: int) -> tuple[SeatNo, ...] | None:
    for start in range(len(group) - count + 1):
        seats = group[start : start + count]
        if not any(seat in taken for seat in seats):
            return tuple(seats)
    return None


def _nearest(seats: Sequence[SeatNo], taken: Collection[SeatNo], count: int) -> tuple[SeatNo, ...] | None:
    """The `count` free seats that lie closest in the order of the rows."""
    free = [place for place, seat in enumerate(seats) if seat not in taken]
    if len(free) < count:
        return None
    start = min(range(len(free) - count + 1), key=lambda at: free[at + count - 1] - free[at])
    return tuple(seats[place] for place in free[start : start + count])

"""A cabin as it is drawn and spoken: rows, aisles, windows, exits, and what is free. Pure."""

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct, structs

from ledger.cabin import cabin_of, choose
from ledger.terms import SeatNo
from ui.desk import Cabin
from ui.language import gettext as _

FREE = "."


class Seat(Struct, frozen=True, kw_only=True):
    """`words` is what a screen reader says."""

    number: SeatNo
    free: bool
    window: bool
    words: str


class Row(Struct, frozen=True, kw_only=True):
    """`blocks` lie between aisles; None is a place without a seat."""

    number: str
    exit: bool
    blocks: tuple[tuple[Seat | None, ...], ...]


def rows(cabin: Cabin) -> list[Row]:
    """From the front."""
    free, numbers = set(cabin.free), dict.fromkeys(seat[:-1] for seat in cabin.seats)
    there = set(cabin.seats)
    return [
        Row(
            number=number,
            exit=int(number) in cabin.exits,
            blocks=tuple(
                tuple(
                    seat_of(cabin, name, name in free) if (name := number + letter) in there else None
                    for letter in block
                )
                for block in cabin.columns.split()
            ),
        )
        for number in numbers
    ]


def seat_of(cabin: Cabin, number: SeatNo, free: bool) -> Seat:
    window = number[-1] in (cabin.columns[0], cabin.columns[-1])
    return Seat(number=number, free=free, window=window, words=", ".join(_words(cabin, number, free, window)))


def changed(before: Cabin, after: Cabin) -> list[Seat]:
    """The seats that have become free, or are free no longer."""
    return [
        seat_of(after, seat, now == FREE)
        for seat, then, now in zip(after.seats, before.letters, after.letters, strict=True)
        if (then == FREE) is not (now == FREE)
    ]


def taken(cabin: Cabin, seats: Sequence[SeatNo]) -> tuple[SeatNo, ...]:
    """Those of these seats that are there and not free."""
    not_free = set(cabin.seats) - set(cabin.free)
    return tuple(seat for seat in seats if seat in not_free)


def absent(cabin: Cabin, seats: Sequence[SeatNo]) -> tuple[SeatNo, ...]:
    """Those of these seats that the aircraft does not have."""
    return tuple(seat for seat in seats if seat not in cabin.seats)


def suggested(cabin: Cabin, count: int) -> tuple[SeatNo, ...]:
    """Seats for a party as a carrier would give them: together if there are any; nothing if too few are free."""
    return choose(cabin_of(cabin.columns, cabin.seats), taken(cabin, cabin.seats), count) or ()


def nearest(cabin: Cabin, wanted: Sequence[SeatNo]) -> tuple[SeatNo, ...]:
    """For each seat that was wanted the free one most like it: the same place in its row, then the nearest row."""
    free, found = list(cabin.free), []
    for seat in wanted:
        if not free:
            return ()
        best = min(free, key=lambda other: (_unlike(cabin, seat, other), abs(int(seat[:-1]) - int(other[:-1])), other))
        free.remove(best)
        found.append(best)
    return tuple(found)


def without(cabin: Cabin, seats: Collection[SeatNo]) -> Cabin:
    """The same cabin with these seats taken."""
    letters = ("s" if seat in seats else letter for seat, letter in zip(cabin.seats, cabin.letters, strict=True))
    return structs.replace(cabin, letters="".join(letters))


def _unlike(cabin: Cabin, seat: SeatNo, other: SeatNo) -> int:
    if seat == other:
        return -1
    return 0 if _place(cabin, seat) == _place(cabin, other) else 1


def _place(cabin: Cabin, seat: SeatNo) -> str:
    letter = seat[-1]
    if letter in (cabin.columns[0], cabin.columns[-1]):
        return "window"
    return "aisle" if any(letter in (block[0], block[-1]) for block in cabin.columns.split()) else "middle"


def _words(cabin: Cabin, number: SeatNo, free: bool, window: bool) -> Iterator[str]:
    yield number
    if window:
        yield _("window")
    elif _place(cabin, number) == "aisle":
        yield _("aisle")
    else:
        yield _("middle")
    if int(number[:-1]) in cabin.exits:
        yield _("emergency exit row")
    if not free:
        yield _("taken")

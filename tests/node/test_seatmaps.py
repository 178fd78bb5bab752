"""What is published of a flight follows what is on disk, event by event, and nothing else."""

from collections.abc import Sequence

from msgspec.structs import replace

from airline_node.seatmaps import Changed, SeatMaps
from ledger.events import AnyFlightEvent, Recorded
from ledger.ledger import Ledger
from ledger.terms import FlightId, SeatNo
from tests.ledger.given import (
    DEPARTURE,
    HOUR_MS,
    JG_FLIGHT,
    RUI,
    opened,
    pledged,
    refused,
    released,
    returned,
    scheduled,
    settled,
    sold,
    timed,
)

LATER_FLIGHT: FlightId = "JG2055/2026-12-21"


def maps(*history: AnyFlightEvent) -> SeatMaps:
    """With one flight on sale, and what has happened to it."""
    maps = SeatMaps()
    fold(maps, scheduled(), *history)
    return maps


def fold(maps: SeatMaps, *events: AnyFlightEvent) -> list[Changed]:
    return maps.fold([Recorded(1, event) for event in events])


def letters(changes: Sequence[Changed]) -> dict[SeatNo, str]:
    """Of the one flight that changed, the seats that are not free."""
    [(_, flight, seats)] = changes
    assert flight == JG_FLIGHT
    return {seat: letter for seat, letter in zip(scheduled().seats, seats, strict=True) if letter != "."}


def test_a_new_flight_is_told_with_its_schedule_and_all_its_seats_are_free() -> None:
    assert fold(SeatMaps(), scheduled()) == [(scheduled(), JG_FLIGHT, "." * 12)]


def test_a_known_flight_is_told_without_its_schedule() -> None:
    assert fold(maps(), timed("2B")) == [(None, JG_FLIGHT, ".......h....")]


def test_a_seat_is_held_then_sold_then_free_again() -> None:
    seats = maps()
    assert letters(fold(seats, timed("1A"))) == {"1A": "h"}
    assert letters(fold(seats, pledged("1A"))) == {"1A": "h"}
    assert letters(fold(seats, sold("1A"))) == {"1A": "s"}
    assert letters(fold(seats, returned("1A"))) == {}


def test_a_released_seat_is_free_and_the_others_stay_as_they_are() -> None:
    seats = maps(timed("1A"), timed("2C", RUI), sold("2C", RUI))
    assert letters(fold(seats, released("1A"))) == {"2C": "s"}


def test_a_flight_that_changed_many_times_is_told_once_as_it_is_now() -> None:
    assert letters(fold(maps(), timed("1A"), released("1A"), pledged("1B", RUI), sold("1B", RUI))) == {"1B": "s"}


def test_what_moves_no_seat_is_not_told() -> None:
    seats = maps()
    assert fold(seats, refused()) == []
    assert seats.fold([Recorded(1, opened()), Recorded(2, settled())]) == []


def test_a_rebuilt_ledger_is_told_whole_and_goes_on_from_there() -> None:
    ledger = Ledger("JG", "982")
    history: list[AnyFlightEvent] = [scheduled(), timed("1A"), pledged("2A", RUI), sold("2A", RUI)]
    for version, event in enumerate(history, 1):
        ledger.apply(Recorded(version, event))
    seats = SeatMaps()
    [(plan, *_)] = changes = seats.fill(ledger)
    assert plan == scheduled()
    assert letters(changes) == {"1A": "h", "2A": "s"}
    assert letters(fold(seats, released("1A"))) == {"2A": "s"}


NEXT_WEEK = replace(scheduled(LATER_FLIGHT, departure=DEPARTURE + 7 * 24 * HOUR_MS), at=DEPARTURE + 25 * HOUR_MS)


def test_a_flight_long_gone_is_forgotten_when_new_ones_come() -> None:
    seats = maps(pledged("1A"))
    assert fold(seats, NEXT_WEEK) == [(NEXT_WEEK, LATER_FLIGHT, "." * 12)]
    assert fold(seats, sold("1A")) == []


def test_a_flight_long_gone_may_still_change_in_the_batch_that_forgets_it() -> None:
    """A commit can be days late, and arrive at midnight."""
    told = fold(maps(pledged("1A")), sold("1A"), NEXT_WEEK)
    assert [flight for _, flight, _ in told if flight != JG_FLIGHT] == [LATER_FLIGHT]

"""Which seats a carrier gives to a party that names none: together where it can."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.cabin import cabin_of, choose

ROWS = tuple(f"{row}{letter}" for row in (1, 2, 3) for letter in "ABCDEF")
CABIN = cabin_of("ABC DEF", ROWS)


def test_a_cabin_knows_its_rows_its_blocks_and_the_place_of_each_seat() -> None:
    assert CABIN.rows[1] == ("2A", "2B", "2C", "2D", "2E", "2F")
    assert CABIN.blocks[:2] == (("1A", "1B", "1C"), ("1D", "1E", "1F"))
    assert [CABIN.places[seat] for seat in ROWS] == list(range(len(ROWS)))


def test_flights_of_one_layout_share_one_cabin() -> None:
    assert cabin_of("ABC DEF", tuple(ROWS)) is CABIN


def test_a_single_passenger_gets_the_first_free_seat() -> None:
    assert choose(CABIN, {}, 1) == ("1A",)
    assert choose(CABIN, {"1A", "1B"}, 1) == ("1C",)


def test_a_party_sits_side_by_side_even_if_that_is_further_back() -> None:
    assert choose(CABIN, {"1B", "1E"}, 3) == ("2A", "2B", "2C")


def test_a_party_sits_across_the_aisle_where_no_block_has_room() -> None:
    assert choose(CABIN, {"1A", "1F", "2A", "2F", "3A", "3F"}, 3) == ("1B", "1C", "1D")


def test_a_party_too_large_for_a_block_takes_a_row() -> None:
    assert choose(CABIN, {"1C"}, 4) == ("2A", "2B", "2C", "2D")


def test_a_party_that_cannot_sit_in_a_row_sits_as_near_as_there_are_seats() -> None:
    free = {"1A", "2E", "3A", "3C"}
    assert choose(CABIN, set(ROWS) - free, 2) == ("2E", "3A")
    assert choose(CABIN, set(ROWS) - free, 3) == ("2E", "3A", "3C")


def test_a_party_larger_than_what_is_free_gets_nothing() -> None:
    assert choose(CABIN, set(ROWS) - {"1A"}, 2) is None
    assert choose(CABIN, ROWS, 1) is None


@given(taken=st.sets(st.sampled_from(ROWS)), count=st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_whatever_is_taken_a_party_gets_its_number_of_different_free_seats_or_nothing(
    taken: set[str], count: int
) -> None:
    seats = choose(CABIN, taken, count)
    if len(ROWS) - len(taken) < count:
        assert seats is None
    else:
        assert seats is not None
        assert len(set(seats)) == len(seats) == count
        assert taken.isdisjoint(seats)
        assert set(seats) <= set(ROWS)

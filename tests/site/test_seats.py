"""A cabin as it is drawn, spoken, chosen from; and what an address may say about it."""

from typing import cast

import pytest
from multidict import MultiDict

from tests.site.given import cabin, leg
from ui import language
from ui.desk import Leg, Sale
from ui.seats.cabin import absent, changed, nearest, rows, suggested, taken, without
from ui.seats.chosen import read


@pytest.fixture(autouse=True)
def _in_english() -> None:
    language.speak("en")


class OneFlight:
    """A sale of a single flight."""

    def leg(self, flight: str) -> Leg | None:
        return leg(flight) if flight.startswith("AN1117/") else None


SALE = cast(Sale, OneFlight())


def test_a_row_has_its_blocks_its_exit_and_gaps_where_no_seat_is() -> None:
    plane = cabin(exits=(1,), rows=2)
    no_1a = cabin(rows=2)
    first, second = rows(plane)
    assert (first.exit, second.exit) == (True, False)
    assert [[seat and seat.number for seat in block] for block in second.blocks] == [
        ["2A", "2B", "2C"],
        ["2D", "2E", "2F"],
    ]
    assert rows(no_1a)[0].blocks[0][0] is not None


def test_a_seat_says_where_it_is_and_whether_it_is_taken() -> None:
    spoken = {
        seat.number: seat.words for row in rows(cabin(taken=("2F",))) for block in row.blocks for seat in block if seat
    }
    assert spoken["1A"] == "1A, window"
    assert spoken["1B"] == "1B, middle"
    assert spoken["1C"] == "1C, aisle"
    assert spoken["2F"] == "2F, window, emergency exit row, taken"


def test_only_what_has_changed_for_a_traveller_is_told() -> None:
    before, after = cabin(taken=("1A", "1B")), cabin(taken=("1B", "3C"))
    assert [(seat.number, seat.free) for seat in changed(before, after)] == [("1A", True), ("3C", False)]
    held_then_sold = cabin(taken=("1A",))
    assert changed(held_then_sold, without(held_then_sold, ["1A"])) == []


def test_a_chosen_seat_has_gone_if_it_is_there_and_somebody_else_s() -> None:
    assert taken(cabin(taken=("1A", "2C")), ("1A", "1B", "2C", "99Z")) == ("1A", "2C")


def test_a_seat_that_the_aircraft_does_not_have_is_not_one_that_has_gone() -> None:
    assert absent(cabin(taken=("1A", "2C")), ("1A", "1B", "20B", "99Z")) == ("20B", "99Z")


def test_a_party_is_seated_together() -> None:
    assert suggested(cabin(taken=("1A",)), 3) == ("1D", "1E", "1F")
    assert suggested(cabin(rows=1), 7) == ()


def test_the_next_best_seat_is_of_the_same_kind_and_near() -> None:
    assert nearest(cabin(taken=("2A",)), ["2A"]) == ("2F",)
    assert nearest(cabin(taken=("2A", "2F")), ["2A"]) == ("1A",)
    assert nearest(cabin(), ["2A"]) == ("2A",)
    assert nearest(cabin(taken=("1A", "2A", "3A", "1F", "2F", "3F"), rows=3), ["2A"]) == ("2B",)
    assert len(set(nearest(cabin(taken=("2A", "2B")), ["2A", "2B"]))) == 2
    assert nearest(without(cabin(rows=1), ["1A", "1B", "1C", "1D", "1E", "1F"]), ["1A"]) == ()


def test_an_address_remembers_what_is_chosen() -> None:
    fields = MultiDict([("flight", "AN1117/2026-12-01"), ("passengers", "2"), ("seats", "1A.1B")])
    chosen = read(fields, SALE)
    assert chosen is not None
    assert chosen.whole
    assert chosen.total == 2 * 30_000
    assert MultiDict(chosen.fields()) == fields


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("flight", "AN1117")],
        [("flight", "XX1117/2026-12-01")],
        [("flight", "AN1117/2026-12-01")] * 5,
        [("flight", "AN1117/2026-12-01"), ("passengers", "0")],
        [("flight", "AN1117/2026-12-01"), ("passengers", "10")],
        [("flight", "AN1117/2026-12-01"), ("passengers", "²")],
    ],
)
def test_an_address_that_is_no_journey_on_sale_is_none(fields: list[tuple[str, str]]) -> None:
    assert read(MultiDict(fields), SALE) is None


@pytest.mark.parametrize("seats", ["", "1A.1A", "1A", "1A.<b>", "1A.1B.1C"])
def test_seats_that_cannot_be_are_not_chosen(seats: str) -> None:
    fields = MultiDict([("flight", "AN1117/2026-12-01"), ("passengers", "2"), ("seats", seats)])
    chosen = read(fields, SALE)
    assert chosen is not None
    assert chosen.seats == ((),)

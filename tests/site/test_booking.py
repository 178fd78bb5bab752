"""How far each airline has come, and what a form of names and payment may say."""

import pytest
from multidict import MultiDict

from ledger.messages import SegmentState, Status
from tests.site.given import view
from ui.booking.lanes import Step, lanes
from ui.booking.payment import luhn, read

HELD, ASKED, COMMITTED = SegmentState.HELD, SegmentState.ASKED, SegmentState.COMMITTED
RELEASED, REFUSED = SegmentState.RELEASED, SegmentState.REFUSED
PAYS = {"name-1": "Ana  Lima", "email": "ana@example.com", "method": "pix"}
CARD = {"method": "card", "card-number": "4242 4242 4242 4242", "card-expiry": "08/30", "card-code": "123"}


@pytest.mark.parametrize(
    ("status", "state", "step"),
    [
        (Status.HOLDING, ASKED, Step.ASKED),
        (Status.HOLDING, HELD, Step.HELD),
        (Status.CONFIRMING, HELD, Step.HELD),
        (Status.CONFIRMED, HELD, Step.DECIDED),
        (Status.CONFIRMED, COMMITTED, Step.ISSUED),
        (Status.REFUSED, RELEASED, Step.LET_GO),
        (Status.REFUSED, REFUSED, Step.REFUSED),
        (Status.CANCELLED, SegmentState.RETURNED, Step.RETURNED),
    ],
)
def test_a_lane_shows_how_far_its_airline_is(status: Status, state: SegmentState, step: Step) -> None:
    [lane] = lanes(view(status, ("JG", state)), silent=())
    assert lane.step is step


def test_an_airline_with_two_flights_is_as_far_as_the_slower_one() -> None:
    ours, theirs = lanes(view(Status.HOLDING, ("AN", HELD), ("JG", HELD), ("AN", ASKED)), silent=())
    assert (ours.carrier, ours.step, len(ours.segments)) == ("AN", Step.ASKED, 2)
    assert theirs.step is Step.HELD


def test_who_does_not_answer_is_named_only_while_something_is_waited_for() -> None:
    decided = view(Status.CONFIRMED, ("AN", COMMITTED), ("IP", HELD), pending=("IP",))
    assert [lane.silent for lane in lanes(decided, silent=("AN", "IP"))] == [False, True]


def test_a_lane_has_come_to_every_step_before_its_own() -> None:
    [lane] = lanes(view(Status.CONFIRMED, ("JG", HELD)), silent=())
    assert [lane.has_come_to(step) for step in (Step.HELD, Step.DECIDED, Step.ISSUED)] == [True, True, False]


def test_names_and_a_way_to_pay_are_all_that_is_asked() -> None:
    paid = read(MultiDict(PAYS), 1)
    assert paid.faults == {}
    assert paid.travellers.passengers == ("Ana Lima",)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name-1": ""}, ["name-1"]),
        ({"name-1": "x" * 81}, ["name-1"]),
        ({"name-1": "Ana\u202eLima"}, ["name-1"]),
        ({"email": "ana"}, ["email"]),
        ({"email": "ana@example"}, ["email"]),
        ({"method": ""}, ["method-pix"]),
        ({"method": "cash"}, ["method-pix"]),
        ({**CARD, "card-number": "4242 4242 4242 4241"}, ["card-number"]),
        ({**CARD, "card-number": "4000 0000 0000 0002"}, ["card-number"]),
        ({**CARD, "card-expiry": "13/30", "card-code": "1"}, ["card-expiry", "card-code"]),
        (CARD, []),
    ],
)
def test_each_fault_is_told_at_its_field(changes: dict[str, str], fields: list[str]) -> None:
    assert list(read(MultiDict({**PAYS, **changes}), 1).faults) == fields


def test_every_passenger_is_named() -> None:
    faults = read(MultiDict(PAYS), 3).faults
    assert list(faults) == ["name-2", "name-3"]
    assert len(set(faults.values())) == 2, "each sentence says which passenger is meant"


@pytest.mark.parametrize(("digits", "fits"), [("4242424242424242", True), ("4242424242424241", False), ("0", True)])
def test_a_card_s_last_digit_fits_the_others(digits: str, fits: bool) -> None:
    assert luhn(digits) is fits

"""The words: what a locator, a ticket number, an id look like, and what a door lets in."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.messages import Hold, Inquire, PeerMessage, Prepare, addressee
from ledger.terms import LOCATOR_LETTERS, carrier_of, locator_of, ticket_number
from tests.ledger.given import AN_FLIGHT, ANA, JG_FLIGHT, ask_coordinator, commit, hold, inquire, prepare

PEER_MESSAGE: msgspec.json.Decoder[PeerMessage] = msgspec.json.Decoder(PeerMessage)


def test_a_flight_names_its_carrier() -> None:
    assert carrier_of(JG_FLIGHT) == "JG"


@given(st.text())
def test_a_locator_can_be_spelled_on_the_telephone(booking: str) -> None:
    locator = locator_of(booking)
    assert len(locator) == 6
    assert set(locator) <= set(LOCATOR_LETTERS)
    assert locator == locator_of(booking)


def test_no_locator_letter_is_mistaken_for_another() -> None:
    assert len(set(LOCATOR_LETTERS)) == 32
    assert not set("01OI") & set(LOCATOR_LETTERS)


def test_a_locator_stays_the_same_from_release_to_release() -> None:
    assert locator_of("01JD3VBOOKING0000000000001") == "CA3CU9"


@pytest.mark.parametrize(
    ("prefix", "serial", "number"),
    [("982", 1, "9820000000016"), ("981", 999_999_999, "9819999999994"), ("981", 7, "9810000000076")],
)
def test_a_ticket_number_ends_in_the_rest_of_the_twelve_before_it_by_seven(
    prefix: str, serial: int, number: str
) -> None:
    assert ticket_number(prefix, serial) == number
    assert int(number[:12]) % 7 == int(number[12])


@pytest.mark.parametrize("serial", [0, -1, 10**9])
def test_a_ticket_stock_has_nine_digits_and_then_an_end(serial: int) -> None:
    with pytest.raises(AssertionError):
        ticket_number("981", serial)


# ---- the door -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [hold("1A"), prepare("1A", "1B"), commit(), inquire()])
def test_a_message_comes_out_of_the_door_as_it_went_in(message: PeerMessage) -> None:
    assert PEER_MESSAGE.decode(msgspec.json.encode(message)) == message


@pytest.mark.parametrize(
    "fault",
    [
        {"seats": ["1A", "1A"]},
        {"seats": ["1A"]},
        {"seats": ["1A", "1B", "1C"]},
        {"seats": ["0A", "1B"]},
        {"count": 0},
        {"count": 10},
        {"fare": -1},
        {"flight": "XX1"},
        {"flight": "IP9999/2026-12-14"},
        {"booking": "short"},
        {"participants": []},
        {"participants": [JG_FLIGHT] * 5},
        {"coordinator": "an"},
        {"tickets": []},
        {"tickets": ["9810000000013"]},
        {"coupon": 5},
        {"decide_by": -1},
        {"surprise": 1},
    ],
)
def test_a_message_out_of_bounds_does_not_pass_the_door(fault: dict[str, object]) -> None:
    body = msgspec.to_builtins(prepare("1A", "1B")) | fault
    with pytest.raises(msgspec.ValidationError):
        PEER_MESSAGE.decode(msgspec.json.encode(body))


def test_a_hold_is_never_asked_for_longer_than_a_carrier_grants() -> None:
    body = msgspec.to_builtins(hold("1A"))
    with pytest.raises(msgspec.ValidationError):
        PEER_MESSAGE.decode(msgspec.json.encode(body | {"lasting": body["lasting"] + 1}))


def test_a_message_is_for_the_carrier_that_flies_it_and_an_inquiry_for_whom_it_names() -> None:
    assert addressee(commit(flight=AN_FLIGHT)) == "AN"
    assert addressee(ask_coordinator(ANA)) == "AN"
    assert addressee(inquire(about=JG_FLIGHT)) == "JG"
    assert {Hold, Prepare, Inquire} <= set(PeerMessage.__args__)

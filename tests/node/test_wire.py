"""What is asked at the public door, and what is answered: no sockets here."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson
import pytest

from airline_node import answers, timetable, wire
from airline_node.availability import Availability
from airline_node.door import DETAIL_MAX, Fault
from airline_node.network import Network
from airline_node.vault import Passenger
from ledger.events import AbortReason, FlightScheduled
from ledger.messages import (
    BookingView,
    CancelBooking,
    ConfirmBooking,
    ExtendBooking,
    OpenBooking,
    ReadBooking,
    Refusal,
    SegmentState,
    SegmentView,
    Status,
    TravellerCommand,
)

NOW = 1_797_000_000_000
HOUR = 3_600_000
BOOKING = "0" * 26
AIRPORTS = timetable.load().airports


def flight(number: str, origin: str, destination: str, departure_h: float, hours: float = 2) -> FlightScheduled:
    departure = NOW + round(departure_h * HOUR)
    return FlightScheduled(
        at=NOW,
        flight=f"{number}/2026-12-14",
        origin=origin,
        destination=destination,
        departure=departure,
        arrival=departure + round(hours * HOUR),
        aircraft="320",
        cabin="ABC DEF",
        seats=("1A", "1B", "1C", "1D"),
        fare=10_000,
    )


FIRST = flight("AN1001", "FEC", "SSA", 10)
SECOND = flight("AN1002", "SSA", "CGB", 15)
TOO_SOON = flight("AN1003", "SSA", "CGB", 12.1)
BACK = flight("AN1004", "SSA", "FEC", 15)
GONE = flight("AN1005", "FEC", "SSA", 0)


def network(*flights: FlightScheduled) -> Network:
    """Whatever is on sale; each flight's first seat is free, its second held."""
    known = Network(Availability(lambda: NOW), "AN", {}, None, lambda: NOW)
    known.publish((plan, plan.flight, ".h..") for plan in flights)
    return known


def order(**changed: object) -> dict[str, Any]:
    return {
        "segments": [{"flight": FIRST.flight, "seats": ["1A"]}, {"flight": SECOND.flight, "seats": 1}],
        "passengers": [{"name": "Ana Lima"}],
        "contact": {"email": "ana@example.com"},
    } | changed


def opened(body: Mapping[str, object] | bytes) -> OpenBooking:
    command, _ = wire.open_booking(
        BOOKING,
        body if isinstance(body, bytes) else orjson.dumps(body),
        network=network(FIRST, SECOND, TOO_SOON, BACK, GONE),
        airports=AIRPORTS,
        now=NOW,
        fingerprint=lambda order: sha256(order).hexdigest(),
    )
    return command


def fault(body: Mapping[str, object] | bytes) -> tuple[int, dict[str, Any]]:
    with pytest.raises(Fault) as raised:
        opened(body)
    return raised.value.answer.status, orjson.loads(raised.value.answer.body)


# ---- bytes -> command --------------------------------------------------------------------------------------------


def test_a_segment_is_completed_with_what_its_carrier_published() -> None:
    command = opened(order())
    assert [segment.seats for segment in command.segments] == [("1A",), ()]
    assert [segment.fare for segment in command.segments] == [FIRST.fare, SECOND.fare]
    assert [segment.departure for segment in command.segments] == [FIRST.departure, SECOND.departure]
    assert command.passengers == 1
    assert command.objection is None
    assert not command.confirm


def test_neither_spacing_nor_the_order_of_keys_nor_confirm_makes_another_order() -> None:
    plain = order()
    turned = orjson.dumps(dict(reversed(plain.items())) | {"confirm": True}, option=orjson.OPT_INDENT_2)
    unsaid = order(segments=[plain["segments"][0], {"flight": SECOND.flight}])
    assert opened(plain).body_hash == opened(turned).body_hash == opened(unsaid).body_hash
    assert opened(turned).confirm


@pytest.mark.parametrize(
    "changed",
    [
        {"segments": [{"flight": FIRST.flight, "seats": ["1B"]}, {"flight": SECOND.flight, "seats": 1}]},
        {"segments": [{"flight": FIRST.flight, "seats": ["1A"]}]},
        {"passengers": [{"name": "Ana Luz"}]},
        {"contact": {"email": "eva@example.com"}},
    ],
)
def test_other_contents_make_another_order(changed: dict[str, object]) -> None:
    assert opened(order(**changed)).body_hash != opened(order()).body_hash


@pytest.mark.parametrize(
    ("flights", "error"),
    [
        (["JG2055/2026-12-14"], "no-such-flight"),
        ([FIRST.flight, "JG2055/2026-12-14"], "no-such-flight"),
        ([GONE.flight], "departed"),
        ([FIRST.flight, TOO_SOON.flight], "connection"),
        ([SECOND.flight, FIRST.flight], "connection"),
        ([FIRST.flight, BACK.flight], "airport-twice"),
    ],
)
def test_what_this_world_objects_to_is_left_for_the_ledger_to_say(flights: list[str], error: str) -> None:
    command = opened(order(segments=[{"flight": name} for name in flights]))
    assert command.objection is not None
    assert command.objection.error == error
    assert len(command.segments) == len([name for name in flights if name.startswith("AN")])


def test_a_seat_that_the_cabin_does_not_have_is_objected_to() -> None:
    command = opened(order(segments=[{"flight": FIRST.flight, "seats": ["9K"]}]))
    assert command.objection == Refusal("no-such-seat", f"{FIRST.flight} has no seat 9K")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (order(segments=[]), "`$.segments`"),
        (order(segments=[{"flight": f"AN100{n}/2026-12-14"} for n in range(5)]), "`$.segments`"),
        (order(segments=[{"flight": "AN1001"}]), "`$.segments[0].flight`"),
        (order(segments=[{"flight": FIRST.flight, "seats": ["1Z"]}]), "`$.segments[0].seats[0]`"),
        (order(segments=[{"flight": FIRST.flight, "seats": []}]), "`$.segments[0].seats`"),
        (order(segments=[{"flight": FIRST.flight, "seats": 2}]), "`$.segments[0]`"),
        (order(segments=[{"flight": FIRST.flight, "seats": ["1A", "1B"]}]), "`$.segments[0]`"),
        (order(segments=[{"flight": FIRST.flight}, {"flight": FIRST.flight}]), "`$.segments[1]`"),
        (
            order(passengers=[{"name": "Ana"}, {"name": "Rui"}], segments=[{"flight": "X", "seats": ["1A", "1A"]}]),
            "`$.segments[0].flight`",
        ),
        (
            order(
                passengers=[{"name": "Ana"}, {"name": "Rui"}],
                segments=[{"flight": FIRST.flight, "seats": ["1A", "1A"]}],
            ),
            "same seat twice",
        ),
        (order(passengers=[]), "`$.passengers`"),
        (order(passengers=[{"name": "A"}] * 10), "`$.passengers`"),
        (order(passengers=[{"name": "Ana\nLima"}]), "`$.passengers[0].name`"),
        (order(contact={"email": "nowhere"}), "`$.contact.email`"),
        (order(coupon="FREE"), "`coupon`"),
        (order(confirm="yes"), "`$.confirm`"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_the_field_named(body: dict[str, object], where: str) -> None:
    status, problem = fault(body)
    assert status == 422
    assert where in problem["detail"]
    assert problem["known"] is True


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'{"\xff": 1}', b'{"contact": {"email": "\\ud800"}}'])
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    status, problem = fault(body)
    assert (status, problem["error"], problem["known"]) == (400, "malformed", True)


def test_a_problem_repeats_only_so_much_of_what_was_sent() -> None:
    _, problem = fault(order(**{"x" * 5_000: 1}))
    assert len(problem["detail"]) <= DETAIL_MAX


@pytest.mark.parametrize("text", ["", "0" * 19, "0" * 37, "0" * 26 + "\n", "0" * 25 + "/", "0" * 25 + "é"])
def test_a_booking_id_is_twenty_to_thirty_six_plain_characters(text: str) -> None:
    with pytest.raises(Fault):
        wire.booking_id(text)


# ---- answer -> bytes ---------------------------------------------------------------------------------------------


def view(status: Status, reason: AbortReason | None = None) -> BookingView:
    return BookingView(
        booking=BOOKING,
        locator="K7QX2M",
        status=status,
        total=54_180,
        hold_until=NOW + 999,
        reason=reason,
        detail="seat 1A of AN1001/2026-12-14 was taken" if reason else None,
        tickets=("9810000000017",),
        segments=(
            SegmentView(
                flight=FIRST.flight,
                carrier="AN",
                origin="FEC",
                destination="SSA",
                departure=FIRST.departure,
                arrival=FIRST.arrival,
                seats=("1A",),
                state=SegmentState.COMMITTED,
            ),
        ),
        pending=("JG",),
    )


OPEN = opened(order())
CONFIRM, CANCEL, READ = ConfirmBooking(BOOKING), CancelBooking(BOOKING), ReadBooking(BOOKING)

STATUSES: dict[Status, dict[type, int]] = {
    Status.HOLDING: {OpenBooking: 202, ExtendBooking: 202, ConfirmBooking: 202, CancelBooking: 202, ReadBooking: 202},
    Status.HELD: {OpenBooking: 201, ExtendBooking: 200, ConfirmBooking: 200, CancelBooking: 200, ReadBooking: 200},
    Status.CONFIRMING: {
        OpenBooking: 202,
        ExtendBooking: 202,
        ConfirmBooking: 202,
        CancelBooking: 202,
        ReadBooking: 202,
    },
    Status.CONFIRMED: {OpenBooking: 201, ExtendBooking: 200, ConfirmBooking: 200, CancelBooking: 200, ReadBooking: 200},
    Status.REFUSED: {OpenBooking: 409, ExtendBooking: 409, ConfirmBooking: 409, CancelBooking: 200, ReadBooking: 200},
    Status.EXPIRED: {OpenBooking: 409, ExtendBooking: 409, ConfirmBooking: 409, CancelBooking: 200, ReadBooking: 200},
    Status.CANCELLED: {OpenBooking: 409, ExtendBooking: 409, ConfirmBooking: 409, CancelBooking: 200, ReadBooking: 200},
}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("command", [OPEN, CONFIRM, CANCEL, READ])
def test_every_state_of_a_booking_has_its_status(status: Status, command: TravellerCommand) -> None:
    answer = answers.booking_answer(command, view(status))
    assert answer.status == STATUSES[status][type(command)]
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) == (answer.status == 202)
    assert ("Location" in answer.headers) == (answer.status in (201, 202))
    assert ("known" in orjson.loads(answer.body)) == (answer.status == 409)


def test_a_lost_seat_is_told_in_the_one_error_shape() -> None:
    answer = answers.booking_answer(OPEN, view(Status.REFUSED, AbortReason.SEAT_TAKEN))
    assert orjson.loads(answer.body) == {
        "error": "seat-taken",
        "detail": "seat 1A of AN1001/2026-12-14 was taken",
        "known": True,
    }


def test_a_booking_is_shown_in_the_shape_of_the_wire() -> None:
    told = orjson.loads(answers.booking_answer(READ, view(Status.HELD), (Passenger("Ana Lima"),)).body)
    assert told["total"] == 54_180
    assert told["currency"] == "BRL"
    assert told["hold_until"] == "2026-12-11T14:40:00Z", "in whole seconds, never later than it is"
    assert told["segments"][0]["state"] == "committed"
    assert told["segments"][0]["departure"] == "2026-12-12T00:40:00Z"
    assert told["passengers"] == [{"name": "Ana Lima"}]
    assert "passengers" not in orjson.loads(answers.booking_answer(OPEN, view(Status.HELD)).body)


@pytest.mark.parametrize(
    ("error", "status"),
    [("no-such-booking", 404), ("booking-id-reused", 422), ("departed", 422), ("connection", 422), ("too-late", 409)],
)
def test_every_refusal_is_definite(error: str, status: int) -> None:
    answer = answers.booking_answer(READ, Refusal(error, "in words"))
    assert answer.status == status
    assert orjson.loads(answer.body) == {"error": error, "detail": "in words", "known": True}

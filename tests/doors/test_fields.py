"""Any text at all, in any field of what travellers and peers send: it is refused or taken, and never a fault."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import quote_from_bytes

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airline_node.answers import BookingAnswer
from airline_node.routes import BODY_BYTES_MAX, ROUTES
from tests.doors.lone import FLIGHTS, NAME, TOKENS, LoneNode, Reply, exchange, new_booking, order
from tests.node.test_peer_routes import INQUIRE, MESSAGES
from tests.thorough import size

pytestmark = pytest.mark.slow

Where: TypeAlias = tuple[str | int, ...]
"""The way to a field of a JSON document."""

EXAMPLES = settings(
    max_examples=size(12, 40), derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
HOSTILE = (
    "",
    " ",
    "\0",
    "\n",
    "\r\nX: 1",
    "\x1b[31m",
    "\ud800",
    "\u202e",
    "\ufeff",
    "𝒜" * 80,
    "%00",
    "';--",
    "9" * 400,
)
TEXT = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=()), max_size=300)
VALUES = (
    TEXT
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.lists(TEXT, max_size=3)
    | st.dictionaries(TEXT, TEXT, max_size=2)
)
BYTES = st.sampled_from(HOSTILE).map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=300)

OPERATOR = {"Authorization": f"Bearer {TOKENS.operator}"}
ORDER = order(segments=[{"flight": FLIGHTS[0], "seats": ["1A"]}], confirm=False)
ORDERS_FIELDS: tuple[Where, ...] = (
    ("segments",),
    ("segments", 0),
    ("segments", 0, "flight"),
    ("segments", 0, "seats"),
    ("segments", 0, "seats", 0),
    ("segments", 0, "more"),
    ("passengers",),
    ("passengers", 0),
    ("passengers", 0, "name"),
    ("contact",),
    ("contact", "email"),
    ("confirm",),
    ("more",),
)
PARAMETERS = [(route.path, name) for route in ROUTES if route.query for name in route.query.__struct_fields__]
PEERS_FIELDS = [
    (tag, field) for tag, message in {**MESSAGES, "inquire": INQUIRE}.items() for field in message.__struct_fields__
]


def body(value: object) -> bytes:
    """As JSON that holds only ASCII: orjson writes no lone surrogates and no NaN, an attacker does."""
    return json.dumps(value).encode()


def changed(document: object, where: Where, value: object) -> object:
    """A copy with another value there."""
    copy = orjson.loads(orjson.dumps(document))
    place = copy
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    return copy


def assert_no_fault(reply: Reply) -> None:
    assert reply.status < HTTPStatus.INTERNAL_SERVER_ERROR, reply
    if reply.status >= HTTPStatus.BAD_REQUEST:
        assert reply.problem.known


@pytest.mark.parametrize("where", ORDERS_FIELDS, ids=lambda where: ".".join(map(str, where)))
def test_an_order_with_anything_in_a_field(node: LoneNode, where: Where) -> None:
    @EXAMPLES
    @given(VALUES)
    def put(value: object) -> None:
        assert_no_fault(node.ask("PUT", f"/api/bookings/{new_booking()}", body(changed(ORDER, where, value))))

    put()


def test_a_name_that_is_taken_is_the_name_that_was_given(node: LoneNode) -> None:
    taken = []

    @EXAMPLES
    @given(TEXT)
    def put(name: str) -> None:
        path = f"/api/bookings/{new_booking()}"
        reply = node.ask("PUT", path, body(order(passengers=[{"name": name}])))
        assert_no_fault(reply)
        if reply.status == HTTPStatus.CREATED:
            shown = msgspec.json.decode(node.ask("GET", path).body, type=BookingAnswer).passengers
            assert shown
            assert [passenger.name for passenger in shown] == [name]
            taken.append(name)

    put()
    assert taken, "no name was taken"


@EXAMPLES
@given(st.binary(max_size=500) | TEXT.map(body))
def test_an_order_that_is_any_bytes(node: LoneNode, bytes_sent: bytes) -> None:
    reply = node.ask("PUT", f"/api/bookings/{new_booking()}", bytes_sent)
    assert reply.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
    assert reply.problem.known


@EXAMPLES
@given(BYTES)
def test_an_order_whose_name_is_any_bytes(node: LoneNode, name: bytes) -> None:
    sent = orjson.dumps(order()).replace(NAME.encode(), name)
    assert_no_fault(node.ask("PUT", f"/api/bookings/{new_booking()}", sent))


@pytest.mark.parametrize(
    "bytes_sent",
    [b"[" * BODY_BYTES_MAX, b'{"a":' * 10_000, body(order(passengers=[{"name": "A" * 60_000}])), b"9" * BODY_BYTES_MAX],
    ids=["brackets", "braces", "a name", "a number"],
)
def test_an_order_as_large_as_is_read(node: LoneNode, bytes_sent: bytes) -> None:
    reply = node.ask("PUT", f"/api/bookings/{new_booking()}", bytes_sent)
    assert reply.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
    assert reply.problem.known


def test_an_order_larger_than_is_read(node: LoneNode) -> None:
    reply = node.ask("PUT", f"/api/bookings/{new_booking()}", b" " * (BODY_BYTES_MAX + 1))
    assert (reply.status, reply.problem.error) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large")


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_a_query_with_anything_in_a_parameter(node: LoneNode, path: str, name: str) -> None:
    sound = {"origin": "GRU", "destination": "BSB", "date": "2026-12-14"} if path == "/api/itineraries" else {}

    @EXAMPLES
    @given(BYTES)
    def get(value: bytes) -> None:
        query = "&".join(f"{key}={text}" for key, text in {**sound, name: quote_from_bytes(value, safe="")}.items())
        assert_no_fault(node.ask("GET", f"{path}?{query}", headers=OPERATOR))

    get()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/flights/{}/seats"),
        ("GET", "/api/bookings/{}"),
        ("PUT", "/api/bookings/{}"),
        ("POST", "/api/bookings/{}/confirm"),
        ("POST", "/api/bookings/{}/cancel"),
        ("GET", "/{}"),
    ],
)
def test_a_path_with_anything_in_it(node: LoneNode, method: str, path: str) -> None:
    @EXAMPLES
    @given(BYTES)
    def ask(value: bytes) -> None:
        assert_no_fault(node.ask(method, path.format(quote_from_bytes(value, safe="")), body(ORDER)))

    ask()


@EXAMPLES
@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=300))
def test_a_token_that_is_any_text(node: LoneNode, token: str) -> None:
    for path in ("/api/log", "/api/transactions"):
        reply = node.ask("GET", path, headers={"Authorization": token})
        assert (reply.status, reply.problem.error) == (HTTPStatus.UNAUTHORIZED, "unauthorized")


@pytest.mark.parametrize(("tag", "field"), PEERS_FIELDS)
def test_a_peers_message_with_anything_in_a_field(node: LoneNode, tag: str, field: str) -> None:
    message: Mapping[str, object] = msgspec.to_builtins({**MESSAGES, "inquire": INQUIRE}[tag])

    with node.peer() as peer:

        @settings(EXAMPLES, max_examples=size(6, 20))
        @given(VALUES)
        def post(value: object) -> None:
            items = [changed(message, (field,), value)]
            assert_no_fault(exchange(peer, "POST", f"/{tag}", body({"items": items})))

        post()

"""The document of the public port says what is served, all of it, and as it is."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from airline_node.door import encoded
from airline_node.openapi import document
from airline_node.routes import ROUTES, add_public_routes
from tests.node.port import AUDITOR, BOOKING_PATH, OPERATOR, Port, served, told
from tests.node.test_control_routes import FORCE, PROPOSED
from tests.node.test_wire import BOOKING, FIRST, order


def as_read() -> dict[str, Any]:
    read: dict[str, Any] = orjson.loads(encoded(document(ROUTES, "1.2.3")))
    return read


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in as_read()["paths"].items()
        for method, operation in methods.items()
    }


def conforms(value: object, method: str, path: str, status: int) -> None:
    """Raises where the value is not what the document promises."""
    promised = operations()[method, path]["responses"][str(status)]["content"]["application/json"]["schema"]
    OAS31Validator({**promised, "components": as_read()["components"]}).validate(value)


def test_the_document_is_valid() -> None:
    validate(as_read())


def test_whatever_is_served_is_documented_and_whatever_is_documented_is_served() -> None:
    app = web.Application()
    add_public_routes(app)
    routed = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    assert {(method, path) for method, path in routed if method != "HEAD"} == set(operations())


def test_routes_of_operators_and_auditors_ask_for_their_token() -> None:
    secured = {path for (_, path), operation in operations().items() if "security" in operation}
    staff = (
        "/api/transactions",
        "/api/log",
        "/api/checkpoints",
        "/api/leaves",
        "/api/taken",
        "/api/flights/{flight}/manifest",
    )
    assert secured == {path for _, path in operations() if path.startswith(staff)} | {
        "/api/bookings/{booking}/passengers"
    }


def test_every_parameter_is_documented_with_its_bounds() -> None:
    parameters = {one["name"]: one for one in operations()["GET", "/api/itineraries"]["parameters"]}
    assert set(parameters) == {"origin", "destination", "date", "passengers"}
    assert [name for name, one in parameters.items() if not one["required"]] == ["passengers"]
    assert parameters["passengers"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 9, "default": 1}
    [booking] = operations()["PUT", "/api/bookings/{booking}"]["parameters"]
    assert (booking["name"], booking["in"], booking["required"]) == ("booking", "path", True)


def test_what_is_answered_is_what_was_promised(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        itineraries = "/api/itineraries?origin=FEC&destination=CGB&date=2026-12-11"
        seats = f"/api/flights/{FIRST.flight.replace('/', '%2F')}/seats"
        conforms(await told(await port.put()), "PUT", "/api/bookings/{booking}", 201)
        conforms(await told(await port.put({"segments": []})), "PUT", "/api/bookings/{booking}", 422)
        conforms(await told(await port.get(BOOKING_PATH)), "GET", "/api/bookings/{booking}", 200)
        conforms(await told(await port.get(itineraries)), "GET", "/api/itineraries", 200)
        conforms(await told(await port.get(seats)), "GET", "/api/flights/{flight}/seats", 200)
        conforms(
            await told(await port.get("/api/transactions", Authorization=OPERATOR)), "GET", "/api/transactions", 200
        )
        port.node.rules = PROPOSED
        force = f"/api/transactions/{BOOKING}/force"
        proposed = await told(await port.post(force, FORCE, Authorization=OPERATOR))
        conforms(proposed, "POST", "/api/transactions/{booking}/force", 200)
        conforms(await told(await port.get("/api/log", Authorization=AUDITOR)), "GET", "/api/log", 200)
        conforms(await told(await port.get("/api/taken", Authorization=AUDITOR)), "GET", "/api/taken", 200)
        conforms(await told(await port.get("/health/ready")), "GET", "/health/ready", 200)
        conforms(await told(await port.get("/api/openapi.json")), "GET", "/api/openapi.json", 200)

    served(tmp_path, story)


def test_the_document_tells_a_good_order_from_a_bad_one() -> None:
    body = operations()["PUT", "/api/bookings/{booking}"]["requestBody"]["content"]["application/json"]["schema"]
    validator = OAS31Validator({**body, "components": as_read()["components"]})
    assert validator.is_valid(order())
    assert not validator.is_valid(order(passengers=[]))
    assert not validator.is_valid(order(segments=[{"flight": FIRST.flight, "seats": []}]))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.serve.__name__)
def test_every_route_says_what_it_is_for(route: Any) -> None:
    assert route.summary.endswith(".")

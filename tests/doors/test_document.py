"""The OpenAPI document of a running node, taken at its word: what it allows is answered so, and the rest refused.

Schemathesis makes the requests. Hardly anything that the document allows is on a timetable, so what it allows is first
narrowed to flights, airports and days that there are: else nothing would ever be sold.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, cast

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, CheckFunction, load_all_checks

from airline_node.control_routes import acknowledge_mismatch, confirm_force, propose_force
from airline_node.fleet import HOST
from airline_node.openapi import PATH_PARAMETERS, Route
from airline_node.routes import ROUTES
from tests.doors.lone import FLIGHTS, TOKENS, LoneNode, new_booking, order
from tests.thorough import one_in, size

pytestmark = pytest.mark.slow

EXAMPLES = settings(
    max_examples=size(10, 40), derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
PROMISES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
)
"""That what is allowed is also accepted is not among them: a seat may be sold, a flight gone."""
OPERATOR = {"Authorization": f"Bearer {TOKENS.operator}"}

THERE_ARE: Mapping[str, list[str]] = {
    "booking": [new_booking() for _ in range(20)],
    "flight": list(FLIGHTS[:2]),
    "origin": ["GRU", "SSA"],
    "destination": ["BSB", "SSA"],
    "date": [str(date.today() + timedelta(days)) for days in (3, 4)],
}
"""Values of parameters that mean something."""
NEED_A_DOUBT = (propose_force, confirm_force, acknowledge_mismatch)
"""A node that stands alone and is asked nothing by peers has no pledge, and so nothing that could be broken."""
HELD = 3
"""Of these bookings, so many are made before each test."""


def named(route: Route) -> str:
    return route.serve.__name__


def takes_nothing(route: Route) -> bool:
    return not (route.query or route.body or any(f"{{{name}}}" in route.path for name in PATH_PARAMETERS))


TAKING = [route for route in ROUTES if not takes_nothing(route)]


@pytest.mark.parametrize("route", one_in(3, ([route] for route in ROUTES)), ids=map(named, ROUTES))
def test_what_the_document_allows_is_answered_as_it_says(node: LoneNode, route: Route) -> None:
    for booking in THERE_ARE["booking"][:HELD]:
        node.ask("PUT", f"/api/bookings/{booking}", orjson.dumps(order(FLIGHTS[2])))
    answered = statuses(node, route, narrowed(shown_by(node)), GenerationMode.POSITIVE)
    expected = HTTPStatus.CONFLICT if route.serve in NEED_A_DOUBT else min(route.answers)
    assert expected in answered, "requests that all fail prove little"


@pytest.mark.parametrize("route", one_in(3, ([route] for route in TAKING)), ids=map(named, TAKING))
def test_what_the_document_does_not_allow_is_refused(node: LoneNode, route: Route) -> None:
    assert statuses(node, route, shown_by(node), GenerationMode.NEGATIVE)


def statuses(node: LoneNode, route: Route, document: dict[str, Any], mode: GenerationMode) -> set[int]:
    """Whatever was answered on this route, after seeing that it was promised."""
    answered: set[int] = set()
    load_all_checks()
    # A registered check may also be a class of another kind; none of ours is.
    promises = cast(list[CheckFunction], CHECKS.get_by_names(PROMISES))
    schema = schemathesis.openapi.from_dict(document)
    # The token is ours to send; `ignored_auth` leaves it away and expects a no.
    schema.config.generation.update(with_security_parameters=False)
    operation = schema[route.path][route.method]

    @EXAMPLES
    @given(operation.as_strategy(mode))
    def ask(case: Case[Any]) -> None:
        answer = case.call_and_validate(
            f"http://{HOST}:{node.port}",
            headers=OPERATOR if route.token else {},
            checks=promises,
        )
        answered.add(answer.status_code)

    ask()
    return answered


def shown_by(node: LoneNode) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(node.ask("GET", "/api/openapi.json").body)
    return document


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """Of what the document allows, that which there is."""
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if there_are := THERE_ARE.get(parameter["name"]):
                    parameter["schema"] = {"enum": there_are}
    wanted = document["components"]["schemas"]
    wanted["SegmentWanted"]["properties"] = {"flight": {"enum": THERE_ARE["flight"]}, "seats": {"enum": [1, ["1A"]]}}
    wanted["BookingWanted"]["properties"]["passengers"]["maxItems"] = 1
    for name in ("ForceWanted", "OperatorWanted", "AcknowledgeWanted"):
        wanted[name]["properties"]["flight"] = {"enum": THERE_ARE["flight"]}
    return document

"""The public routes, described once: `Route` is what the router serves and what the OpenAPI document says of it.

Rule: a route that is not in the table is not served, so the document cannot fall behind. Its schemas are those of
the very types that the door decodes and encodes.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp.typedefs import Handler
from msgspec import Meta, Struct

from airline_node.door import Problem
from ledger.messages import CheckedBooking, CheckedFlight

JSON = "application/json"
SCHEME = "token"
"""The only one: a bearer token, for operators and auditors."""

PATH_PARAMETERS: Mapping[str, object] = {
    "booking": Annotated[CheckedBooking, Meta(description="The client's own, unguessable: a UUID or a ULID.")],
    "flight": Annotated[CheckedFlight, Meta(description="Its slash written as %2F: AN1001%2F2026-12-14.")],
}


class Route(Struct, frozen=True, kw_only=True):
    """One route: how it is served and what a client may rely on.

    `answers` has a type, or a media type where it is not JSON, for each status that carries what was asked for;
    `problems` are the statuses of the one error shape. `token` tells that a bearer token is needed.
    """

    method: str
    path: str
    summary: str
    serve: Handler
    answers: Mapping[int, object]
    problems: tuple[int, ...] = ()
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    token: bool = False


def document(routes: Iterable[Route], version: str) -> dict[str, object]:
    """OpenAPI 3.1 for these routes, ready to be encoded."""
    served = list(routes)
    schemas = _Schemas(served)
    paths: dict[str, dict[str, object]] = {}
    for route in served:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PASSCOM",
            "version": version,
            "description": "Seats of three airlines: all of an itinerary, or none of it. "
            "Money is integer centavos, times are UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {SCHEME: {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """The JSON Schema of every type that a route names; the Structs among them as shared components."""

    def __init__(self, routes: Iterable[Route]) -> None:
        types: list[object] = [Problem, *PATH_PARAMETERS.values()]
        for route in routes:
            answers = (answer for answer in route.answers.values() if not isinstance(answer, str))
            types += [kind for kind in (route.body, *answers) if kind is not None]
        schemas, self.components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
        self._of = list(zip(types, schemas, strict=True))

    def content(self, kind: object) -> dict[str, object]:
        if isinstance(kind, str):
            return {kind: {"schema": {"type": "string"}}}
        return {JSON: {"schema": self.of(kind)}}

    def of(self, kind: object) -> dict[str, object]:
        return next(schema for known, schema in self._of if known == kind)


def _operation(route: Route, schemas: _Schemas) -> dict[str, object]:
    operation: dict[str, object] = {
        "operationId": route.serve.__name__,
        "summary": route.summary,
        "parameters": [*_path_parameters(route, schemas), *_query_parameters(route)],
        "responses": _responses(route, schemas),
    }
    if route.body:
        operation["requestBody"] = {"required": True, "content": schemas.content(route.body)}
    if route.token:
        operation["security"] = [{SCHEME: []}]
    return operation


def _responses(route: Route, schemas: _Schemas) -> dict[str, object]:
    answers = {status: schemas.content(kind) for status, kind in route.answers.items()}
    problems = {status: schemas.content(Problem) for status in route.problems}
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status, content in sorted({**answers, **problems}.items())
    }


def _path_parameters(route: Route, schemas: _Schemas) -> list[dict[str, object]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.of(PATH_PARAMETERS[name])}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, object]]:
    if route.query is None:
        return []
    _, components = msgspec.json.schema_components([route.query])
    schema = components[route.query.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema["required"], "schema": parameter}
        for name, parameter in schema["properties"].items()
    ]

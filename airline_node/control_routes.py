"""What operators ask of a node: what waits, to ask again now, and, as a last resort, to break a pledge.

Only whoever bears the operators' token gets in. Breaking takes two requests in the names of two people; the names are
the callers' own word, so hand the token to nobody else. Everything may be sent twice.
"""

from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from airline_node import answers, wire
from airline_node.control import Control, unsettled
from airline_node.door import Fault, body, decoded, query, respond_with
from airline_node.openapi import Route
from airline_node.tokens import TOKENS, let_in
from ledger.messages import (
    AcknowledgeMismatch,
    CheckedFlight,
    ConfirmForce,
    ForceMessage,
    ProposeForce,
    Refusal,
)
from ledger.waiting import WaitState

BODY_BYTES_MAX = 8 * 1024
NAME_MAX = 80
WORDS_MAX = 300

CONTROL = web.AppKey("control", Control)

Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX, description="Who asks, as it will stand on record.")]
Words = Annotated[str, Meta(min_length=1, max_length=WORDS_MAX, description="For the record: no traveller's name.")]


class TransactionsWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`unsettled` adds to what is in doubt whatever else should have come to rest, and the alarms."""

    state: Literal["in-doubt", "unsettled", "all"] = "in-doubt"


class OperatorWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By whom, and on which of this carrier's flights."""

    flight: CheckedFlight
    operator: Name

    def __post_init__(self) -> None:
        require_plain("operator", self.operator)


class ForceWanted(OperatorWanted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    why: Words

    def __post_init__(self) -> None:
        super().__post_init__()
        require_plain("why", self.why)


class AcknowledgeWanted(OperatorWanted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    note: Words

    def __post_init__(self) -> None:
        super().__post_init__()
        require_plain("note", self.note)


def require_plain(field: str, text: str) -> None:
    """These words stay in a log for ever and are shown on terminals. Raises `ValueError`."""
    if not text.isprintable() or text != text.strip():
        raise ValueError(f"One line without control characters or blanks around it - at `$.{field}`")


_FORCE = msgspec.json.Decoder(ForceWanted)
_CONFIRM = msgspec.json.Decoder(OperatorWanted)
_ACKNOWLEDGE = msgspec.json.Decoder(AcknowledgeWanted)


async def read_transactions(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].operator)
    wanted, control = query(request, TransactionsWanted), request.app[CONTROL]
    told = await control.waiting()
    match wanted.state:
        case "in-doubt":
            shown = [one for one in told if one.state is WaitState.IN_DOUBT]
        case "unsettled":
            shown = unsettled(told)
        case "all":
            shown = list(told)
    return respond_with(answers.transactions(control.carrier, shown, control.reach()))


async def resume_transactions(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].operator)
    control = request.app[CONTROL]
    shown = unsettled(await control.resume())
    return respond_with(answers.transactions(control.carrier, shown, control.reach()))


async def propose_force(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].operator)
    booking, wanted = _booking(request), decoded(_FORCE, await body(request, BODY_BYTES_MAX))
    command = ProposeForce(booking=booking, flight=wanted.flight, operator=wanted.operator, why=wanted.why)
    return await _operate(request, command)


async def confirm_force(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].operator)
    booking, wanted = _booking(request), decoded(_CONFIRM, await body(request, BODY_BYTES_MAX))
    return await _operate(request, ConfirmForce(booking=booking, flight=wanted.flight, operator=wanted.operator))


async def acknowledge_mismatch(request: web.Request) -> web.Response:
    let_in(request, request.app[TOKENS].operator)
    booking, wanted = _booking(request), decoded(_ACKNOWLEDGE, await body(request, BODY_BYTES_MAX))
    command = AcknowledgeMismatch(booking=booking, flight=wanted.flight, operator=wanted.operator, note=wanted.note)
    return await _operate(request, command)


async def _operate(request: web.Request, command: ForceMessage) -> web.Response:
    answer = await request.app[CONTROL].operate(command)
    if isinstance(answer, Refusal):
        status = answers.REFUSED_WITH.get(answer.error, HTTPStatus.CONFLICT)
        raise Fault(status, answer.error, answer.detail)
    return respond_with(answers.forcing(answer))


def _booking(request: web.Request) -> str:
    return wire.booking_id(request.match_info["booking"])


CONTROL_ROUTES = (
    Route(
        method="GET",
        path="/api/transactions",
        summary="What waits on this node, since when, and for whom.",
        serve=read_transactions,
        query=TransactionsWanted,
        answers={200: answers.TransactionsAnswer},
        problems=(401, 422, 503),
        token=True,
    ),
    Route(
        method="POST",
        path="/api/transactions/resume",
        summary="Ask about everything that waits, now. Answers what should have come to rest by now.",
        serve=resume_transactions,
        answers={200: answers.TransactionsAnswer},
        problems=(401, 503),
        token=True,
    ),
    Route(
        method="POST",
        path="/api/transactions/{booking}/force",
        summary="Propose to break a pledge; a second operator has a quarter of an hour to confirm it.",
        serve=propose_force,
        body=ForceWanted,
        answers={200: answers.ForcingAnswer},
        problems=(400, 401, 408, 409, 413, 422, 503),
        token=True,
    ),
    Route(
        method="POST",
        path="/api/transactions/{booking}/force/confirm",
        summary="Break the pledge that another operator has proposed to break.",
        serve=confirm_force,
        body=OperatorWanted,
        answers={200: answers.ForcingAnswer},
        problems=(400, 401, 408, 409, 413, 422, 503),
        token=True,
    ),
    Route(
        method="POST",
        path="/api/transactions/{booking}/acknowledge",
        summary="Somebody has seen to the traveller whose pledge was broken and should have been sold.",
        serve=acknowledge_mismatch,
        body=AcknowledgeWanted,
        answers={200: answers.ForcingAnswer},
        problems=(400, 401, 408, 409, 413, 422, 503),
        token=True,
    ),
)

"""What an operator may ask over HTTP, and who may."""

from pathlib import Path

import pytest

from ledger.messages import AcknowledgeMismatch, ConfirmForce, ForceState, Forcing, ProposeForce, Refusal
from tests.node.port import AUDITOR, NOON, OPERATOR, Port, problem, served, told
from tests.node.test_wire import BOOKING, FIRST

ABOUT = {"flight": FIRST.flight, "operator": "Marta"}
FORCE = {**ABOUT, "why": "the gate closes"}
NOTE = {**ABOUT, "note": "flew on the next"}
PROPOSED = Forcing(
    booking=BOOKING,
    flight=FIRST.flight,
    state=ForceState.PROPOSED,
    operator="Marta",
    why="the gate closes",
    expires_at=NOON + 900_000,
    confirmed_by=None,
)
BASE = f"/api/transactions/{BOOKING}"
ORDERS = {
    f"{BASE}/force": (FORCE, ProposeForce(booking=BOOKING, flight=FIRST.flight, operator="Marta", why=FORCE["why"])),
    f"{BASE}/force/confirm": (ABOUT, ConfirmForce(booking=BOOKING, flight=FIRST.flight, operator="Marta")),
    f"{BASE}/acknowledge": (
        NOTE,
        AcknowledgeMismatch(booking=BOOKING, flight=FIRST.flight, operator="Marta", note=NOTE["note"]),
    ),
}


def test_an_operator_sees_what_is_in_doubt_what_is_unsettled_or_all_that_waits(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        for state, total in (("", 1), ("?state=in-doubt", 1), ("?state=unsettled", 1), ("?state=all", 2)):
            answer = await told(await port.get(f"/api/transactions{state}", Authorization=OPERATOR))
            assert answer["total"] == total, state
        unknown = await port.get("/api/transactions?state=some", Authorization=OPERATOR)
        assert await problem(unknown) == (422, "invalid", True)

    served(tmp_path, story)


def test_what_waits_is_told_with_money_words_silence_and_the_next_try(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        answer = await told(await port.get("/api/transactions", Authorization=OPERATOR))
        [waiting] = answer["transactions"]
        assert (waiting["state"], waiting["since"]) == ("in-doubt", "2026-12-11T14:40:00Z")
        assert (waiting["waits_for"], waiting["unreachable"], waiting["safe"]) == (["JG"], ["JG"], "wait")
        assert waiting["next_try"] == "2026-12-11T14:55:00Z"
        assert (waiting["at_stake"], waiting["currency"]) == (41_000, "BRL")
        assert waiting["standings"] == [{"carrier": "JG", "flight": None, "said": "silent"}]
        assert waiting["may_not_force"].startswith("IP may know")

    served(tmp_path, story)


def test_asking_again_now_wakes_the_lines_as_often_as_one_likes(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        for times in (1, 2):
            answer = await told(await port.post("/api/transactions/resume", Authorization=OPERATOR))
            assert answer["total"] == 1, "what is merely held is not the operator's business"
            assert port.peers.woken == times

    served(tmp_path, story)


@pytest.mark.parametrize("path", ORDERS)
def test_an_operator_s_order_reaches_the_node_in_their_name(tmp_path: Path, path: str) -> None:
    async def story(port: Port) -> None:
        body, order = ORDERS[path]
        port.node.rules = PROPOSED
        answer = await told(await port.post(path, body, Authorization=OPERATOR))
        assert port.node.ordered == [order]
        assert (answer["state"], answer["operator"], answer["confirmed_by"]) == ("proposed", "Marta", None)
        assert answer["expires_at"] == "2026-12-11T14:55:00Z"

    served(tmp_path, story)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [("decision-can-be-learned", 409), ("committed", 409), ("second-operator", 409), ("no-such-flight", 422)],
)
def test_what_the_rules_refuse_is_a_definite_no(tmp_path: Path, refusal: str, status: int) -> None:
    async def story(port: Port) -> None:
        port.node.rules = Refusal(refusal, "a sentence")
        response = await port.post(f"{BASE}/force", FORCE, Authorization=OPERATOR)
        assert await problem(response) == (status, refusal, True)

    served(tmp_path, story)


@pytest.mark.parametrize(
    "wrong",
    [
        {"operator": ""},
        {"operator": "M" * 81},
        {"operator": "Mar\nta"},
        {"operator": "\x1b[2J"},
        {"operator": " Marta"},
        {"why": ""},
        {"why": "x" * 301},
        {"flight": "AN1"},
        {"extra": 1},
    ],
)
def test_a_name_and_a_reason_are_one_line_each_for_they_stay_on_record(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    async def story(port: Port) -> None:
        response = await port.post(f"{BASE}/force", {**FORCE, **wrong}, Authorization=OPERATOR)
        assert await problem(response) == (422, "invalid", True)
        assert port.node.ordered == []

    served(tmp_path, story)


@pytest.mark.parametrize("path", ["/api/transactions/resume", *ORDERS])
@pytest.mark.parametrize("authorization", [AUDITOR, ""])
def test_nobody_without_the_operators_token_orders_anything(tmp_path: Path, path: str, authorization: str) -> None:
    async def story(port: Port) -> None:
        response = await port.post(path, FORCE, Authorization=authorization)
        assert await problem(response) == (401, "unauthorized", True)
        assert (port.node.ordered, port.peers.woken) == ([], 0)

    served(tmp_path, story)

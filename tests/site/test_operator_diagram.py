"""Who told what to whom: worked out from what the carriers' logs have of one booking."""

import pytest

from ledger.events import AnyEvent, Decision, ReleaseReason
from ledger.terms import carrier_of
from tests.ledger.given import (
    AN_FLIGHT,
    JG_FLIGHT,
    NOW,
    aborted,
    cancelled,
    committed,
    compared,
    opened,
    pledged,
    proposed,
    refused,
    released,
    returned,
    seen_to,
    settled,
    sold,
    timed,
    voting,
)
from ui import language
from ui.operations import Account
from ui.operator.diagram import TRAVELLER, Diagram, diagram


@pytest.fixture(autouse=True)
def _english() -> None:
    language.speak("en")


def drawn(an: tuple[AnyEvent, ...] = (), jg: tuple[AnyEvent, ...] = ()) -> Diagram:
    return diagram([Account(carrier="AN", events=an), Account(carrier="JG", events=jg)])


def said(told: Diagram) -> list[tuple[str, str | None, str]]:
    return [(message.sender, message.to, message.words) for message in told.messages]


def test_a_purchase_is_told_from_the_order_to_the_settlement() -> None:
    told = drawn((opened(), voting(), committed(), settled()), (pledged(), sold()))
    assert said(told) == [
        (TRAVELLER, "AN", "order"),
        ("AN", "JG", "prepare"),
        ("JG", "AN", "yes, pledged"),
        ("AN", None, "decision: commit"),
        ("AN", TRAVELLER, "confirmed"),
        ("AN", "JG", "commit"),
        ("JG", "AN", "sold and recorded"),
        ("AN", None, "settled: every carrier has recorded it"),
    ]


def test_the_lanes_are_the_traveller_the_coordinator_and_then_the_carriers_of_the_flights() -> None:
    assert [carrier_of(flight) for flight in (AN_FLIGHT, JG_FLIGHT)] == ["AN", "JG"]
    assert drawn((opened(), voting()), (pledged(),)).lanes == (TRAVELLER, "AN", "JG")


def test_a_hold_before_the_vote_is_told_too() -> None:
    told = said(drawn((opened(), voting()), (timed(), pledged())))
    assert told.index(("AN", "JG", "hold")) < told.index(("JG", "AN", "held")) < told.index(("AN", "JG", "prepare"))


def test_a_refusal_leads_to_the_abort_and_its_reason() -> None:
    told = drawn((opened(), voting(), aborted()), (refused(),))
    assert ("JG", "AN", "no, refused") in said(told)
    [decision] = [message for message in told.messages if message.decides]
    assert (decision.words, decision.detail) == ("decision: abort", "a seat was taken")


def test_a_cancellation_follows_the_sale() -> None:
    told = said(drawn((opened(), voting(), committed(), settled(), cancelled()), (pledged(), sold(), returned())))
    assert told[-3:] == [(TRAVELLER, "AN", "cancel"), ("AN", "JG", "return"), ("JG", "AN", "returned")]


def test_seats_of_one_claim_are_one_message() -> None:
    told = drawn((opened(),), (pledged("1A"), pledged("1B", ticket=1)))
    [yes] = [message for message in told.messages if message.words == "yes, pledged"]
    assert yes.detail == "JG2055 1A 1B"


def test_what_operators_did_is_in_the_carrier_s_own_log_and_told_to_nobody() -> None:
    forced = (
        pledged(),
        proposed(at=NOW + 1),
        released(reason=ReleaseReason.FORCED, at=NOW + 2),
        compared(Decision.COMMITTED, at=NOW + 3),
        seen_to(at=NOW + 4),
    )
    notes = [message.words for message in drawn((opened(),), forced).messages if message.to is None]
    assert notes == [
        "breaking the pledge is proposed",
        "pledge broken by force",
        "compared: it was sold, a mismatch",
        "the traveller was seen to",
    ]


def test_an_answer_stands_after_its_question_though_its_carrier_s_clock_is_slow() -> None:
    early = pledged()
    slow = type(early)(**{**{name: getattr(early, name) for name in early.__struct_fields__}, "at": NOW - 60_000})
    told = said(drawn((opened(), voting()), (slow,)))
    assert told.index(("AN", "JG", "prepare")) < told.index(("JG", "AN", "yes, pledged"))


def test_what_a_participant_did_proves_what_it_was_told_though_the_coordinator_s_log_is_not_at_hand() -> None:
    told = said(diagram([Account(carrier="JG", events=(pledged(), sold(), returned()))]))
    assert [(sender, to, words) for sender, to, words in told if sender == "AN"] == [
        ("AN", "JG", "prepare"),
        ("AN", "JG", "commit"),
        ("AN", "JG", "return"),
    ]


def test_what_operators_did_stands_between_the_messages_by_its_time() -> None:
    sale = type(sold())(**{**{name: getattr(sold(), name) for name in sold().__struct_fields__}, "at": NOW + 9})
    told = [words for _, _, words in said(drawn((opened(), voting()), (pledged(), proposed(at=NOW + 5), sale)))]
    assert told[-3:] == ["breaking the pledge is proposed", "commit", "sold and recorded"]


def test_a_participant_alone_still_shows_what_it_did() -> None:
    told = diagram([Account(carrier="JG", events=(pledged(),)), Account(carrier="AN", trouble="it cannot be reached")])
    assert said(told) == [("AN", "JG", "prepare"), ("JG", "AN", "yes, pledged")]
    assert told.silent == (("AN", "it cannot be reached"),)

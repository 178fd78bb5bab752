"""What waits, in sentences, in the language of the page: why, what is safe, and what is not allowed.

The ledger has the same in English, for its API. Here they are made from the facts, so that they can be said in two
languages; an operator reads them at three in the morning, and so each is one thought.
"""

from collections.abc import Mapping
from enum import StrEnum

from ledger.messages import ForceState
from ledger.terms import CarrierCode, Millis
from ledger.waiting import Said, Transaction, WaitState
from ui.figures import spoken_list
from ui.language import gettext as _
from ui.language import ngettext, pgettext
from ui.operations import Waiting

ALARMS = frozenset({WaitState.CONFLICT, WaitState.MISMATCH})
ROUTINE = frozenset({WaitState.HELD, WaitState.OPEN, WaitState.PLEDGED, WaitState.VOTING})


class Tone(StrEnum):
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


def tone_of(state: WaitState) -> Tone:
    return Tone.BAD if state in ALARMS else Tone.GOOD if state in ROUTINE else Tone.WARN


def state_word(state: WaitState) -> str:
    words = {
        WaitState.HELD: _("held for its traveller"),
        WaitState.PLEDGED: _("pledged, within its time"),
        WaitState.IN_DOUBT: _("in doubt"),
        WaitState.OPEN: _("held for its traveller"),
        WaitState.VOTING: _("collecting votes"),
        WaitState.UNSETTLED: _("decided, not recorded everywhere"),
        WaitState.CONFLICT: _("logs contradict each other"),
        WaitState.FORCED: _("pledge broken, decision unknown"),
        WaitState.MISMATCH: _("broken, and it was sold"),
    }
    return words[state]


def said_word(said: Said) -> str:
    words = {
        Said.UNHEARD: _("no word yet"),
        Said.SILENT: _("silent"),
        Said.HELD: pgettext("carrier says", "held"),
        Said.PLEDGED: pgettext("carrier says", "pledged"),
        Said.UNDECIDED: pgettext("carrier says", "undecided"),
        Said.RECORDED: pgettext("carrier says", "recorded"),
        Said.RETURNED: pgettext("carrier says", "returned"),
        Said.CONFLICT: pgettext("carrier says", "contradicts"),
        Said.SEEN_TO: pgettext("carrier says", "traveller seen to"),
    }
    return words[said]


def why(one: Waiting) -> str:
    told = one.transaction
    missing = spoken_list(list(told.waits_for))
    match told.state:
        case WaitState.IN_DOUBT if one.unreachable:
            return _("Only {carrier} knows the decision, and it cannot be reached.").format(carrier=told.coordinator)
        case WaitState.IN_DOUBT:
            return _("{carrier} knows the decision and is being asked.").format(carrier=told.coordinator)
        case WaitState.UNSETTLED:
            return _("It is decided. Not recorded yet by {carriers}.").format(carriers=missing)
        case WaitState.CONFLICT:
            return _("It is decided here, and another carrier’s log says otherwise.")
        case WaitState.FORCED:
            return _("Operators broke this pledge. {carrier} is asked until it tells the decision.").format(
                carrier=told.coordinator
            )
        case WaitState.MISMATCH:
            return _(
                "Operators broke this pledge, and {carrier} had sold it: a traveller has a ticket and no seat."
            ).format(carrier=told.coordinator)
        case WaitState.PLEDGED | WaitState.VOTING:
            return _("The carriers’ votes are being collected.")
        case WaitState.HELD | WaitState.OPEN:
            return _("Its traveller is making up their mind.")


def safe(one: Waiting) -> str:
    told = one.transaction
    match told.state:
        case WaitState.IN_DOUBT if one.unreachable:
            return _("Wait, and bring {carrier} back. The seat can neither be lost nor sold twice meanwhile.").format(
                carrier=told.coordinator
            )
        case WaitState.UNSETTLED if one.unreachable:
            return _("Wait, and bring {carriers} back. It is sent until it is recorded.").format(
                carriers=spoken_list(list(one.unreachable))
            )
        case WaitState.CONFLICT:
            return _("See to the traveller, then compare both logs. Nothing is repaired silently.")
        case WaitState.MISMATCH:
            return _("See to the traveller, then say here what was done.")
        case WaitState.HELD | WaitState.OPEN:
            return _("Nothing to do: it ends by itself.")
        case _:
            return _("Wait: it settles by itself. Asking again does no harm.")


def why_not_force(told: Transaction) -> str:
    """Why a pledge cannot be broken now; empty if it can. The rule itself is the ledger's: this only says it."""
    if told.may_not_force is None:
        return ""
    if told.state is WaitState.PLEDGED:
        return _("Its time to be decided is not over yet.")
    coordinator = next((one.said for one in told.standings if one.flight is None), Said.SILENT)
    if coordinator is not Said.SILENT:
        return _("{carrier} can still be asked.").format(carrier=told.coordinator)
    unheard = {one.carrier for one in told.standings if one.said is Said.UNHEARD and one.flight != told.flight}
    if unheard:
        return _("{carriers} may know the decision and has not answered yet.").format(
            carriers=spoken_list(sorted(unheard))
        )
    return _("The decision is in this carrier’s own log.")


def refusal(error: str) -> str:
    """Why an operator's order was refused."""
    words = {
        "committed": _("The decision is known: it was sold. A sale is never broken."),
        "not-pledged": _("There is no pledge any more that could be broken."),
        "decision-can-be-learned": _("Refused: the decision can still be learned. Ask again first."),
        "second-operator": _("A second operator has to confirm what the first one proposed."),
        "proposed-already": _("Another operator has proposed it already: confirm that, or let it run out."),
        "proposal-expired": _("The quarter of an hour is over. Propose it again."),
        "not-proposed": _("Nobody has proposed it. Propose it first, with the reason."),
        "no-mismatch": _("There is no mismatch here any more."),
    }
    return words.get(error, _("It was refused, and nothing has changed."))


def force_word(state: ForceState) -> str:
    words = {
        ForceState.NONE: "",
        ForceState.PROPOSED: _("proposed"),
        ForceState.BROKEN: _("broken; the decision is not known yet"),
        ForceState.BORNE_OUT: _("broken; the decision was to abort, so nobody was harmed"),
        ForceState.MISMATCH: _("broken; the decision was to sell"),
        ForceState.ACKNOWLEDGED: _("broken; the traveller was seen to"),
    }
    return words[state]


def length(ms: Millis) -> str:
    """How long, as one says it: 42 s, 7 min, 3 h, 2 days."""
    s = max(0, round(ms / 1000))
    if s < 120:
        return _("{seconds} s").format(seconds=s)
    if s < 2 * 3600:
        return _("{minutes} min").format(minutes=s // 60)
    if s < 48 * 3600:
        return _("{hours} h").format(hours=s // 3600)
    return ngettext("{days} day", "{days} days", s // 86400).format(days=s // 86400)


def names(carriers: Mapping[CarrierCode, str], codes: list[CarrierCode]) -> str:
    return spoken_list([carriers.get(code, code) for code in codes])

"""How far each airline has come with a booking: one lane a carrier. Pure.

asked -> held -> decided -> issued          or, where it comes to nothing:  let go, refused
"""

from collections.abc import Collection
from enum import StrEnum

from msgspec import Struct

from ledger.messages import BookingView, SegmentState, SegmentView, Status
from ledger.terms import CarrierCode


class Step(StrEnum):
    ASKED = "asked"
    HELD = "held"
    DECIDED = "decided"
    ISSUED = "issued"
    LET_GO = "let-go"
    REFUSED = "refused"
    RETURNED = "returned"


PROGRESS = (Step.HELD, Step.DECIDED, Step.ISSUED)
"""What a lane shows as a row of steps."""


class Lane(Struct, frozen=True, kw_only=True):
    """`waiting`: the carrier has yet to say or record something. `silent`: and it does not answer at the moment."""

    carrier: CarrierCode
    segments: tuple[SegmentView, ...]
    step: Step
    waiting: bool
    silent: bool

    def has_come_to(self, step: Step) -> bool:
        return self.step in PROGRESS and PROGRESS.index(step) <= PROGRESS.index(self.step)


def lanes(view: BookingView, silent: Collection[CarrierCode]) -> list[Lane]:
    """In the order of travel, each carrier once. A carrier has come as far as its slowest flight."""
    carriers = dict.fromkeys(segment.carrier for segment in view.segments)
    found = []
    for carrier in carriers:
        segments = tuple(segment for segment in view.segments if segment.carrier == carrier)
        step = min((_step(view.status, segment.state) for segment in segments), key=list(Step).index)
        if any(segment.state is SegmentState.REFUSED for segment in segments):
            step = Step.REFUSED
        waiting = step is Step.ASKED or carrier in view.pending
        found.append(
            Lane(carrier=carrier, segments=segments, step=step, waiting=waiting, silent=waiting and carrier in silent)
        )
    return found


def _step(status: Status, state: SegmentState) -> Step:
    match state:
        case SegmentState.ASKED:
            return Step.ASKED
        case SegmentState.HELD:
            return Step.DECIDED if status is Status.CONFIRMED else Step.HELD
        case SegmentState.COMMITTED:
            return Step.ISSUED
        case SegmentState.RELEASED:
            return Step.LET_GO
        case SegmentState.REFUSED:
            return Step.REFUSED
        case SegmentState.RETURNED:
            return Step.RETURNED

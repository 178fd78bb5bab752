"""What the acknowledged steps of the script have promised to travellers, and what has become of it."""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ledger.messages import BookingView, SegmentState
from tests.disks.carrier import Heard, travellers


class Promised(Struct, frozen=True):
    """`whole` is what was heard in a life that nothing disturbed, one for each step."""

    whole: tuple[Heard, ...]

    def broken(self, known: int, read: Sequence[Heard]) -> Iterator[str]:
        """The promises of the first steps that are broken by what is read back now."""
        found = {heard.view.booking: heard for heard in read}
        for booking, view in {heard.view.booking: heard.view for heard in self.whole[:known]}.items():
            now = found.get(booking)
            if now is None or _lasting(now.view) not in map(_lasting, (view, self._under_way(known))):
                yield f"after step {known} {booking} was promised {view} and is {now}"
            elif now.names != travellers(booking):
                yield f"after step {known} {booking} is for {now.names}"

    def not_continued(self, known: int, heard: Sequence[Heard]) -> Iterator[str]:
        """What follows the first steps and is not what would have followed, had nothing happened."""
        rest = [_lasting(each.view) for each in heard]
        if rest != [_lasting(each.view) for each in self.whole[known:]]:
            yield f"after step {known} it goes on as {rest}"

    def _under_way(self, known: int) -> BookingView:
        """The step that was asked for, and not acknowledged, may have come to its end."""
        return self.whole[min(known, len(self.whole) - 1)].view


def _lasting(view: BookingView) -> BookingView:
    """Without what a node may forget: which seats it would have had is no promise."""
    let_go = [replace(s, seats=()) if s.state is SegmentState.RELEASED else s for s in view.segments]
    return replace(view, segments=tuple(let_go))

"""Naming a member of the ledger's enumerations is an attribute of a class, and the same member as ever."""

from enum import StrEnum

import pytest

from ledger.coordinator.state import Phase
from ledger.direct import direct
from ledger.participant.state import HoldState, Move


@pytest.mark.parametrize("kind", [HoldState, Move, Phase])
def test_every_member_is_in_the_class_itself(kind: type[StrEnum]) -> None:
    assert all(vars(kind)[member.name] is member for member in kind)


def test_it_stays_an_enumeration() -> None:
    @direct
    class Word(StrEnum):
        YES = "yes"

    assert Word("yes") is Word.YES
    assert list(Word) == [Word.YES]
    with pytest.raises(AttributeError):
        Word.YES = "no"  # type: ignore[misc]

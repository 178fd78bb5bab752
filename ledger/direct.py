"""Enumerations whose members cost nothing to name."""

from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound=Enum)


def direct(kind: type[E]) -> type[E]:
    """The same enumeration, its members in the class itself.

    Python 3.11 finds each member through a descriptor written in Python, at ten times the price of an attribute, and a
    machine names a dozen states for every message. From 3.12 on this is how an enumeration is made.
    """
    for member in kind:
        type.__setattr__(kind, member.name, member)  # EnumType's own would refuse: it is the same member, so it may be
    return kind

"""How a broken promise is told."""


class Violation(AssertionError):
    """Something that must never be."""


def must(holds: object, otherwise: str) -> None:
    """Like `assert`, with words of its own and never left out."""
    if not holds:
        raise Violation(otherwise)

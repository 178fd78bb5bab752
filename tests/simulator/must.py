"""How a broken promise is told."""


class Violation(AssertionError):
    """Something that must never be."""


def must(holds: object, otherwise: str, *about: object) -> None:
    """Like `assert`, with words of its own and never left out. What they are about goes into their `{}` if need be."""
    if not holds:
        raise Violation(otherwise.format(*about) if about else otherwise)

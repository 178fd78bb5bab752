"""What makes a password good, after NIST SP 800-63B: long rather than odd.

Any character counts, spaces and every script too, and no kind is demanded. Refused is only what a guesser tries first:
the traveller's own name and address, a few signs over and over, the rows of a keyboard.
"""

from enum import StrEnum

PASSWORD_MIN = 12
PASSWORD_MAX = 200
"""So much is hashed at most; nobody types more."""
DISTINCT_MIN = 5
ROWS = (
    *("abcdefghijklmnopqrstuvwxyz", "0123456789", "1234567890"),
    *("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertyuiopasdfghjklzxcvbnm", "qazwsxedcrfvtgbyhnujmikolp"),
)
COMMON = (
    "password",
    "senha",
    "passcom",
    "andorinha",
    "jangada",
    "iloveyou",
    "teamo",
    "brasil",
    "flamengo",
    "corinthians",
)
"""Words that guessers begin with; alone, or followed by digits and signs, they are no password."""


class Weakness(StrEnum):
    SHORT = "short"
    LONG = "long"
    COMMON = "common"
    PERSONAL = "personal"


def weakness(password: str, *, name: str, email: str) -> Weakness | None:
    """Why it will not do; None: it will."""
    if len(password) < PASSWORD_MIN:
        return Weakness.SHORT
    if len(password) > PASSWORD_MAX:
        return Weakness.LONG
    plain = _plain(password)
    own = [_plain(name), _plain(email), _plain(email.partition("@")[0])]
    if any(word and word in plain and len(plain) - len(word) < PASSWORD_MIN // 2 for word in own):
        return Weakness.PERSONAL
    if len(set(password)) < DISTINCT_MIN or _is_row(plain) or _is_common(plain):
        return Weakness.COMMON
    return None


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _is_row(plain: str) -> bool:
    """Keys in their order, forwards or backwards, once or again and again."""
    return any(plain in (row * 20) or plain in (row[::-1] * 20) for row in ROWS if plain)


def _is_common(plain: str) -> bool:
    rest = plain
    for word in COMMON:
        rest = rest.replace(word, "")
    return rest != plain and (rest == "" or rest.isdigit())

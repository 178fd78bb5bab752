"""Long rather than odd: what a password must be, and what nobody asks of it."""

import pytest

from ui.accounts.rules import PASSWORD_MAX, Weakness, weakness


def told(password: str) -> Weakness | None:
    return weakness(password, name="Ana Lima", email="ana.lima@example.com")


@pytest.mark.parametrize(
    "password",
    [
        "um trem para as estrelas",
        "correct horse",
        "ção ção ção viva",
        "zqxjkvbpymfw",
        "李小龍在這裡等你們大家呢嗎",
        "x9" + "kTq!" * 49,
    ],
)
def test_length_is_enough(password: str) -> None:
    assert told(password) is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("onze letras", Weakness.SHORT),
        ("x" * (PASSWORD_MAX + 1), Weakness.LONG),
        ("aaaaaaaaaaaaaaaa", Weakness.COMMON),
        ("123456789012", Weakness.COMMON),
        ("qwertyuiopasdf", Weakness.COMMON),
        ("poiuytrewqpoiuy", Weakness.COMMON),
        ("Password1234!", Weakness.COMMON),
        ("senhasenha123", Weakness.COMMON),
        ("ana.lima@example.com", Weakness.PERSONAL),
        ("Ana Lima 2026", Weakness.PERSONAL),
    ],
)
def test_what_a_guesser_tries_first_is_refused(password: str, why: Weakness) -> None:
    assert told(password) is why

"""The names and the payment, as the form sends them. The payment is a simulation: nothing is charged anywhere.

A card is accepted if its number could be one (ISO/IEC 7812, Luhn); one that ends in 0002 is declined, as a bank would.
Card numbers are looked at and forgotten; they are kept nowhere.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct
from multidict import MultiMapping

from ui.desk import Names
from ui.language import gettext as _

NAME_CHARS_MAX = 80
EMAIL_CHARS_MAX = 254
HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
DECLINED = "0002"
CARD_DIGITS = range(13, 20)


class Method(StrEnum):
    PIX = "pix"
    CARD = "card"


class Paid(Struct, frozen=True, kw_only=True):
    """The form as it was filled in, so that nothing is asked twice; `faults` has a sentence for each field."""

    names: tuple[str, ...]
    email: str
    method: str
    faults: Mapping[str, str]

    @property
    def travellers(self) -> Names:
        assert not self.faults
        return Names(self.names, self.email)


def blank(passengers: int, names: tuple[str, ...] = (), email: str = "") -> Paid:
    """The form before anybody has filled it in, with what is known already. Nothing is ticked."""
    return Paid(names=(*names, *[""] * passengers)[:passengers], email=email, method="", faults={})


def read(form: MultiMapping[str], passengers: int) -> Paid:
    faults: dict[str, str] = {}
    names = tuple(" ".join(form.get(f"name-{n}", "").split()) for n in range(1, passengers + 1))
    for number, name in enumerate(names, 1):
        if fault := _name_fault(name, number if passengers > 1 else None):
            faults[f"name-{number}"] = fault
    email = form.get("email", "")
    if not EMAIL.fullmatch(email) or len(email) > EMAIL_CHARS_MAX or HIDDEN.search(email):
        faults["email"] = _("Enter an e-mail address, like ana@example.com: your ticket goes there.")
    method = form.get("method", "")
    if method not in tuple(Method):
        faults["method-pix"] = _("Choose how to pay.")
    if method == Method.CARD:
        faults |= _card_faults(form.get("card-number", ""), form.get("card-expiry", ""), form.get("card-code", ""))
    return Paid(names=names, email=email, method=method, faults=faults)


def _name_fault(name: str, number: int | None) -> str:
    """`number` tells several passengers apart."""
    if not name and number is not None:
        return _("Enter the full name of passenger {number}, as in the identity document.").format(number=number)
    if not name:
        return _("Enter the passenger’s full name, as in the identity document.")
    if len(name) > NAME_CHARS_MAX:
        return _("A name may have up to {most} letters.").format(most=NAME_CHARS_MAX)
    return _("A name cannot have such characters.") if HIDDEN.search(name) else ""


def _card_faults(number: str, expiry: str, code: str) -> dict[str, str]:
    faults: dict[str, str] = {}
    digits = re.sub(r"[\s-]", "", number)
    if not (digits.isascii() and digits.isdigit() and len(digits) in CARD_DIGITS and luhn(digits)):
        faults["card-number"] = _("Check the card number. For this simulation, 4242 4242 4242 4242 works.")
    elif digits.endswith(DECLINED):
        faults["card-number"] = _("The bank declines this card. Your seats are still held: use another card, or Pix.")
    if not re.fullmatch(r"(0[1-9]|1[0-2])\s?/\s?([0-9]{2}|20[0-9]{2})", expiry):
        faults["card-expiry"] = _("Enter month and year, like 08/30.")
    if not re.fullmatch(r"[0-9]{3,4}", code):
        faults["card-code"] = _("Enter the three or four digits of the security code.")
    return faults


def luhn(digits: str) -> bool:
    """Whether the last digit fits the others."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0

"""What a visitor has typed to register or to log in, and what is wrong with it, in sentences."""

import re
from collections.abc import Mapping

from msgspec import Struct
from multidict import MultiMapping

from ui.accounts.rules import PASSWORD_MAX, PASSWORD_MIN, Weakness, weakness
from ui.language import gettext as _

NAME_MAX = 80
EMAIL_MAX = 254
HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class Registration(Struct, frozen=True):
    """The password is not shown again: a form that comes back asks for it anew."""

    name: str
    email: str
    password: str
    faults: Mapping[str, str]


class Login(Struct, frozen=True):
    email: str
    password: str
    faults: Mapping[str, str]


def read_registration(form: MultiMapping[str]) -> Registration:
    name, email, password = " ".join(form.get("name", "").split()), form.get("email", ""), form.get("password", "")
    faults: dict[str, str] = {}
    if not name:
        faults["name"] = _("Enter your name.")
    elif len(name) > NAME_MAX or HIDDEN.search(name):
        faults["name"] = _("A name has up to {most} letters, and none that cannot be seen.").format(most=NAME_MAX)
    if fault := _email_fault(email):
        faults["email"] = fault
    if why := weakness(password, name=name, email=email):
        faults["password"] = _weak(why)
    return Registration(name, email, password, faults)


def read_login(form: MultiMapping[str]) -> Login:
    email, password = form.get("email", ""), form.get("password", "")
    faults: dict[str, str] = {}
    if fault := _email_fault(email):
        faults["email"] = fault
    if not password:
        faults["password"] = _("Enter your password.")
    elif len(password) > PASSWORD_MAX:
        faults["password"] = _weak(Weakness.LONG)
    return Login(email, password, faults)


def _email_fault(email: str) -> str:
    if EMAIL.fullmatch(email) and len(email) <= EMAIL_MAX and not HIDDEN.search(email):
        return ""
    return _("Enter an e-mail address, like ana@example.com.")


def _weak(why: Weakness) -> str:
    match why:
        case Weakness.SHORT:
            return _("Use at least {least} characters.").format(least=PASSWORD_MIN)
        case Weakness.LONG:
            return _("Use at most {most} characters.").format(most=PASSWORD_MAX)
        case Weakness.COMMON:
            return _("This password is among the first that somebody would guess. Choose another one.")
        case Weakness.PERSONAL:
            return _("Choose a password without your name or your e-mail address in it.")

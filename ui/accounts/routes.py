"""The pages of an account of this airline."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from ui.accounts import vouching
from ui.accounts.address import client_address
from ui.accounts.forms import Login, Registration, read_login, read_registration
from ui.desk import DeskClosed
from ui.language import gettext as _
from ui.page import Refused, desk, go, own_path, read_form, read_query, render
from ui.people import Crowded, Taken, Wait, Wrong
from ui.room import Room, Route
from ui.sessions import log_in, log_out
from ui.visitor import Account, Role, Visitor, require, visitor

Show: TypeAlias = Callable[[int, str], Awaitable[web.Response]]
"""A form's page again, with a status and a note above it."""


async def show_login(request: web.Request) -> web.Response:
    return await _login_page(request, Login("", "", {}), await _onward(request))


async def do_login(request: web.Request) -> web.Response:
    form = await read_form(request)
    typed, onward = read_login(form), own_path(form.get("next", "/"))
    show = partial(_login_page, request, typed, onward)
    if typed.faults:
        return await show(HTTPStatus.UNPROCESSABLE_ENTITY, "")
    accounts, address = desk(request).people.accounts, client_address(request)
    if not_now := await _enter(
        request, onward, show, accounts.log_in(email=typed.email, password=typed.password, address=address)
    ):
        return not_now
    faults = {"password": _("This e-mail address and this password do not belong together.")}
    return await _login_page(request, Login(typed.email, "", faults), onward, HTTPStatus.UNPROCESSABLE_ENTITY)


async def show_registration(request: web.Request) -> web.Response:
    return await _registration_page(request, Registration("", "", "", {}), await _onward(request))


async def register(request: web.Request) -> web.Response:
    form = await read_form(request)
    typed, onward = read_registration(form), own_path(form.get("next", "/"))
    show = partial(_registration_page, request, typed, onward)
    if typed.faults:
        return await show(HTTPStatus.UNPROCESSABLE_ENTITY, "")
    accounts, address = desk(request).people.accounts, client_address(request)
    if not_now := await _enter(
        request,
        onward,
        show,
        accounts.register(name=typed.name, email=typed.email, password=typed.password, address=address),
    ):
        return not_now
    faults = {"email": _("There is an account with this e-mail address already. Log in with its password.")}
    taken = Registration(typed.name, typed.email, "", faults)
    return await _registration_page(request, taken, onward, HTTPStatus.UNPROCESSABLE_ENTITY)


async def leave(request: web.Request) -> web.Response:
    await read_form(request)
    await log_out(request)
    go("/")


async def show_account(request: web.Request) -> web.Response:
    known = await require(request, Role.TRAVELLER)
    return await render(request, "accounts/account.html", account=known.account, home=_is_home(request, known))


async def remove(request: web.Request) -> web.Response:
    """The account is erased. Tickets stay good: they are bookings, and bookings are no accounts."""
    known, form = await require(request, Role.TRAVELLER), await read_form(request)
    if known.account is None or not _is_home(request, known):
        raise Refused(HTTPStatus.CONFLICT, _("This account is another airline’s: it can be removed only there."))
    if form.get("sure") != "yes":
        faults = {"sure": _("Tick the box, if you really want to remove your account.")}
        return await render(
            request,
            "accounts/account.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            account=known.account,
            home=True,
            faults=faults,
        )
    await desk(request).people.accounts.remove(known.account.id)
    await log_out(request)
    return await render(request, "accounts/removed.html", visitor=Visitor())


async def who_is_visiting(request: web.Request) -> dict[str, object]:
    """For the header of every page, those too that say that nothing works at the moment."""
    try:
        return {"visitor": await visitor(request)}
    except DeskClosed:
        return {"visitor": Visitor()}


# ---- the forms ---------------------------------------------------------------------------------------------------


async def _login_page(
    request: web.Request, typed: Login, onward: str, status: int = HTTPStatus.OK, note: str = ""
) -> web.Response:
    return await vouching.with_other_airlines(
        request, "accounts/login.html", status=status, typed=typed, onward=onward, note=note
    )


async def _registration_page(
    request: web.Request, typed: Registration, onward: str, status: int = HTTPStatus.OK, note: str = ""
) -> web.Response:
    return await render(
        request, "accounts/register.html", status=status, typed=typed, faults=typed.faults, onward=onward, note=note
    )


async def _onward(request: web.Request) -> str:
    """Where the way leads after the form; whoever is logged in already goes there at once."""
    onward = own_path(read_query(request).get("next", "/"))
    if (await visitor(request)).account is not None:
        go(onward)
    return onward


async def _enter(
    request: web.Request, onward: str, show: Show, asked: Awaitable[Account | Taken | Wait | Wrong]
) -> web.Response | None:
    """Whoever is let in goes onward. Else the form again, if it was not looked at; None: the form has to say why."""
    try:
        told = await asked
    except Crowded:
        note = _("Many people are logging in just now. Nothing happened; try again in a moment.")
        return await show(HTTPStatus.SERVICE_UNAVAILABLE, note)
    if isinstance(told, Account):
        await log_in(request, told)
        go(onward)
    if not isinstance(told, Wait):
        return None
    words = _("Too many tries from here. You can try again in {seconds} s.")
    page = await show(HTTPStatus.TOO_MANY_REQUESTS, words.format(seconds=told.seconds))
    page.headers["Retry-After"] = str(told.seconds)
    return page


def _is_home(request: web.Request, known: Visitor) -> bool:
    return known.account is not None and known.account.home == desk(request).house.carrier.code


ROOM = Room(
    routes=(
        Route("GET", "/login", show_login),
        Route("POST", "/login", do_login),
        Route("GET", "/register", show_registration),
        Route("POST", "/register", register),
        Route("POST", "/logout", leave),
        Route("GET", "/account", show_account),
        Route("POST", "/account/remove", remove),
        *vouching.ROUTES,
    ),
    header="accounts/header.html",
    context=who_is_visiting,
)

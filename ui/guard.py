"""What stands before and after every page: who may send it, what the browser may do with it, what a fault looks like.

It wraps each page's own route, so that the API and the other carriers never pay for it.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import urlsplit

from aiohttp import web

from ui import language
from ui.desk import DeskClosed, DeskUnsure
from ui.language import gettext as _
from ui.page import Refused, fault_page

Page: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

SAFE = frozenset({"GET", "HEAD"})


def policy(*sites: str) -> str:
    """What the browser may load and send. Forms lead to this site, and to these others where a page says so."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            # Chromium holds this against every address that a form's answer sends the browser on to.
            " ".join(["form-action 'self'", *sites]),
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


POLICY = policy()
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The address of a booking is its key: no other site may learn it from a link.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

log = logging.getLogger(__name__)


def guarded(page: Page) -> Page:
    """The page as it is served."""

    async def served(request: web.Request) -> web.StreamResponse:
        language.speak(language.wanted(request))
        try:
            if request.method not in SAFE and not same_site(request):
                raise Refused(HTTPStatus.FORBIDDEN)
            response = await page(request)
        except web.HTTPForbidden:
            response = await fault_page(request, HTTPStatus.FORBIDDEN, _("Your account has no role that opens it."))
        except web.HTTPException as answer:
            response = await fault_page(request, answer.status) if answer.status >= HTTPStatus.BAD_REQUEST else answer
        except Refused as refused:
            response = await fault_page(request, refused.status, refused.words)
        except DeskClosed as closed:
            log.info("a page could not be served: %s", closed)
            response = await fault_page(request, HTTPStatus.SERVICE_UNAVAILABLE)
        except DeskUnsure as unsure:
            log.warning("the outcome of an order is not known yet: %s", unsure)
            response = await fault_page(request, HTTPStatus.GATEWAY_TIMEOUT)
        except Exception as error:
            log.error("a page failed", exc_info=error)
            response = await fault_page(request, HTTPStatus.INTERNAL_SERVER_ERROR)
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers.setdefault("Cache-Control", "no-store")
        if isinstance(response, web.HTTPException):
            raise response  # A way to another page: aiohttp takes those that are raised, and warns of others.
        return response

    return served


def same_site(request: web.Request) -> bool:
    """Whether this very site sent it. Browsers tell in `Sec-Fetch-Site`, to https and localhost; others in `Origin`."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.host

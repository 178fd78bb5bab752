"""From which network address a browser comes."""

from ipaddress import ip_address

from aiohttp import web

from ui.page import desk


def client_address(request: web.Request) -> str:
    """The address of the connection; behind a proxy that is known, the one that it says it comes for.

    Of a chain only the last word counts that a proxy of ours has not said of another one of ours: what stands before it
    may have been written by anybody.
    """
    proxies, address = desk(request).people.proxies, _plain(request.remote or "")
    said = [_plain(word) for line in request.headers.getall("X-Forwarded-For", []) for word in line.split(",")]
    while address in proxies and said:
        address = said.pop()
    return address


def _plain(text: str) -> str:
    try:
        return ip_address(text.strip()).compressed
    except ValueError:
        return ""

"""How a node asks others over HTTP: each proves who it is, nothing comes between, and no answer is without an end."""

import ssl

from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from ledger.terms import Millis


class TooLong(ValueError):
    """An answer of more bytes than any honest one has."""


def open_session(
    tls: ssl.SSLContext | None, total_ms: Millis | None, *, limit: int = 0, limit_per_host: int = 0
) -> ClientSession:
    """`total_ms` bounds a request with its body; the limits are of connections, 0 for none.

    Without `tls` only plain addresses are asked, in tests. No proxy, no cookie and no compression come between.
    """
    return ClientSession(
        connector=TCPConnector(limit=limit, limit_per_host=limit_per_host, ssl=tls or True),
        headers={"Accept-Encoding": "identity"},
        timeout=ClientTimeout(total=None if total_ms is None else total_ms / 1000),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


async def body_of(response: ClientResponse, bytes_max: int) -> bytes:
    """All of it, however many pieces it comes in. Raises `TooLong`."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            raise TooLong(f"over {bytes_max} bytes")
    return bytes(body)

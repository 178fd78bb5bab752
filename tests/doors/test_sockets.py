"""What no HTTP client sends: the doors stay shut to it, the node goes on, and its log holds none of it."""

import gzip
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from http import HTTPStatus

import pytest

from airline_node.routes import BODY_BYTES_MAX
from ledger.terms import Millis
from tests.doors.lone import PEER, STRANGER, LoneNode, new_booking

pytestmark = pytest.mark.slow

LIVE = b"GET /health/live HTTP/1.1\r\nHost: an\r\n"
PUT = f"PUT /api/bookings/{new_booking()} HTTP/1.1\r\nHost: an\r\n".encode()
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = LIVE + b"\r\n"
LONG = b"E" * 1_000_000
ESCAPE = b"\x1b[31mEVIL\x07"

MALFORMED: Mapping[str, bytes] = {
    "control characters for a method": b"\x00\x01" + ESCAPE + b"\r\n\r\n",
    "a method that there is not": b"EVIL /health/live HTTP/1.1\r\nHost: an\r\n\r\n",
    "a version that there is not": b"GET /health/live HTTP/9.9\r\nHost: an\r\n\r\n",
    "lines that end in a bare line feed": b"GET /health/live HTTP/1.1\nHost: an\n\n",
    "a NUL in the path": b"GET /health/\x00live HTTP/1.1\r\nHost: an\r\n\r\n",
    "bytes above ASCII in the path": b"GET /api/flights/\xc3\xa7\xff/seats HTTP/1.1\r\nHost: an\r\n\r\n",
    "a path of a megabyte": b"GET /" + LONG + b" HTTP/1.1\r\nHost: an\r\n\r\n",
    "an absolute target with half an address": b"GET http://[::1/health/live HTTP/1.1\r\nHost: an\r\n\r\n",
    "an absolute target with an impossible port": b"GET http://an:99999999/ HTTP/1.1\r\nHost: an\r\n\r\n",
    "an asterisk to get": b"GET * HTTP/1.1\r\nHost: an\r\n\r\n",
    "no host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "two hosts": LIVE + b"Host: evil.example\r\n\r\n",
    "a NUL in a header": LIVE + b"X-Evil: a\x00" + ESCAPE + b"\r\n\r\n",
    "a space before a header's colon": LIVE + b"X-Evil : 1\r\n\r\n",
    "a header folded over two lines": LIVE + b"X-Evil: 1\r\n 2\r\n\r\n",
    "five thousand headers": LIVE + b"X-Evil: 1\r\n" * 5_000 + b"\r\n",
    "a header of a megabyte": LIVE + b"X-Evil: " + LONG + b"\r\n\r\n",
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS to a port without": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32,
    "a length and chunks": PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and a length": PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": PUT + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}" + SMUGGLED,
    "two lengths on a line": PUT + b"Content-Length: 2, 40\r\n\r\n{}" + SMUGGLED,
    "a length below nothing": PUT + b"Content-Length: -2\r\n\r\n{}" + SMUGGLED,
    "a length with a sign": PUT + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED,
    "a length past every number": PUT + b"Content-Length: 99999999999999999999999999\r\n\r\n{}" + SMUGGLED,
    "chunks twice over": PUT + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks that are not the last coding": PUT + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a coding that there is not": PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk's size that is no number": CHUNKED + b"EVIL\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk's size below nothing": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk's size past every number": CHUNKED + b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk longer than its size": CHUNKED + b"2\r\n{}EVIL\r\n0\r\n\r\n" + SMUGGLED,
}
"""Refused with 4xx and the connection closed: nothing that follows on it is believed."""

UNUSUAL: Mapping[str, bytes] = {
    "an absolute target": b"GET http://evil.example/health/live HTTP/1.1\r\nHost: an\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: an\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: an\r\n\r\n",
    "two slashes": b"GET //evil.example/ HTTP/1.1\r\nHost: an\r\n\r\n",
    "the version from before versions": b"GET /health/live\r\n\r\n",
    "half a percent sign": b"GET /api/flights/%zz%/seats HTTP/1.1\r\nHost: an\r\n\r\n",
    "a percent-encoded NUL": b"GET /api/flights/%00%ff/seats HTTP/1.1\r\nHost: an\r\n\r\n",
    "a wish to switch protocols": LIVE + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" + ESCAPE,
    "an expectation that nobody has": PUT + b"Expect: EVIL\r\nContent-Length: 2\r\n\r\n{}",
    "an expectation, and then silence": PUT + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    "a token that is no text": b"GET /api/log HTTP/1.1\r\nHost: an\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    "a body that is not what it says": PUT + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "a coding that is not known here": PUT + b"Content-Encoding: zstd\r\nContent-Length: 2\r\n\r\n{}",
    "a body longer than it says": PUT + b"Content-Length: 2\r\n\r\n{}" + ESCAPE,
    "a body where none belongs": LIVE + b"Content-Length: 4\r\n\r\nEVIL",
}
"""HTTP, and no fault of the node's whatever it is."""

SHORT_MS: Millis = 300
"""So long is listened to a connection that may stay open."""
ANSWER_BYTES_MAX = 4_096


def said(connection: socket.socket, wait_ms: Millis) -> bytes:
    """All that is answered until the connection is closed, or nothing more comes for so long."""
    connection.settimeout(wait_ms / 1000)
    answer = b""
    with suppress(TimeoutError, ConnectionResetError):
        while some := connection.recv(65_536):
            answer += some
    return answer


def statuses(answer: bytes) -> list[int]:
    """Of all the answers in it."""
    return [int(status) for status in re.findall(rb"HTTP/\d\.\d (\d{3})", answer)]


def send(connection: socket.socket, request: bytes) -> None:
    """As far as it is taken."""
    with suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(request)


# ---- malformed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_http_is_refused_and_nothing_after_it_is_heard(node: LoneNode, request_bytes: bytes) -> None:
    with node.connect() as connection:
        send(connection, request_bytes)
        answer = said(connection, 5_000)
        assert closed(connection)
    assert len(answer) <= ANSWER_BYTES_MAX
    # A client that still sends when it is refused may find the connection reset before it can read why.
    assert [status // 100 for status in statuses(answer)] in ([4], [])


@pytest.mark.parametrize("request_bytes", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_hardly_http_is_no_fault(node: LoneNode, request_bytes: bytes) -> None:
    with node.connect() as connection:
        send(connection, request_bytes)
        answer = said(connection, SHORT_MS)
    assert len(answer) <= ANSWER_BYTES_MAX
    assert statuses(answer)
    assert max(statuses(answer)) < HTTPStatus.INTERNAL_SERVER_ERROR


def closed(connection: socket.socket) -> bool:
    """Whether the other end is through with it."""
    connection.settimeout(5)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


# ---- too slow, too many, too much --------------------------------------------------------------------------------

CUT_OFF_MS_MAX: Millis = 15_000
IDLE_MS_MAX: Millis = 25_000
STALLED_BODIES: Mapping[str, bytes] = {
    "a body that stops": PUT + b"Content-Length: 100\r\n\r\n{",
    "a chunk that stops": CHUNKED + b"5\r\n{",
    "a body that nobody reads": b"POST /nowhere HTTP/1.1\r\nHost: an\r\nContent-Length: 100\r\n\r\n{",
    "a body too large": PUT + b"Content-Length: 100000000\r\n\r\n" + b" " * (BODY_BYTES_MAX + 1),
}
STALLED_HEADS: Mapping[str, bytes] = {"nothing": b"", "half a header": PUT + b"X-Slow: 1"}


@pytest.mark.thorough
def test_whoever_stops_sending_is_cut_off_in_time(node: LoneNode) -> None:
    at_its_doors: list[tuple[str, Callable[[], socket.socket], bytes, Millis]] = [
        *((what, node.connect, sent, CUT_OFF_MS_MAX) for what, sent in STALLED_BODIES.items()),
        *((what, node.connect, sent, IDLE_MS_MAX) for what, sent in STALLED_HEADS.items()),
        ("a peer's body", partial(node.connect_as, PEER), PEERS_BODY, CUT_OFF_MS_MAX),
        ("a peer's silence", partial(node.connect_as, PEER), b"", IDLE_MS_MAX),
    ]
    with ThreadPoolExecutor(len(at_its_doors)) as pool:
        stalls = {what: pool.submit(stalled_ms, connect, sent) for what, connect, sent, _ in at_its_doors}
    late = {what: stalls[what].result() for what, _, _, most in at_its_doors if stalls[what].result() > most}
    assert not late, f"cut off after so many milliseconds: {late}"


PEERS_BODY = b"POST /hold HTTP/1.1\r\nHost: an\r\nContent-Length: 100\r\n\r\n{"


def stalled_ms(connect: Callable[[], socket.socket], sent: bytes) -> Millis:
    """How long a connection lasts on which this was sent and then no more."""
    begun = time.monotonic()
    with connect() as connection:
        connection.sendall(sent)
        said(connection, IDLE_MS_MAX + 1_000)
    return round((time.monotonic() - begun) * 1000)


def test_a_thousand_idle_connections_keep_nobody_out(node: LoneNode) -> None:
    with ExitStack() as crowd:
        for number in range(1_000):
            connection = crowd.enter_context(node.connect())
            connection.sendall(LIVE if number % 2 else b"")
        with node.connect() as late:
            late.sendall(SMUGGLED)
            assert statuses(said(late, SHORT_MS)) == [HTTPStatus.OK]


CPU_SECONDS_MAX = 0.3
"""Less than it takes to unpack what `test_a_body_is_not_unpacked_past_what_is_read` sends."""


def test_a_body_is_not_unpacked_past_what_is_read(node: LoneNode) -> None:
    packed = gzip.compress(bytes(2**28), 9)
    worked = node.cpu_seconds()
    reply = node.ask("PUT", f"/api/bookings/{new_booking()}", packed, {"Content-Encoding": "gzip"})
    assert reply.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    assert reply.problem.known
    node.ask("GET", "/health/live")
    assert node.cpu_seconds() - worked < CPU_SECONDS_MAX


def test_whoever_asks_and_never_listens_is_held_back(node: LoneNode) -> None:
    with node.connect() as connection:
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.sendall(b"GET /api/openapi.json HTTP/1.1\r\nHost: an\r\n\r\n" * 500_000)


# ---- the peers' door ---------------------------------------------------------------------------------------------

LOG = b"GET /log HTTP/1.1\r\nHost: an\r\n\r\n"


def test_the_peers_door_says_nothing_without_tls(node: LoneNode) -> None:
    with node.connect(node.peer_port) as connection:
        connection.sendall(LOG)
        assert statuses(said(connection, 5_000)) == []


def test_the_peers_door_says_nothing_to_whoever_shows_no_certificate(node: LoneNode) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    heard = b""
    # In TLS 1.3 a client may speak before it hears that it was not let in.
    with suppress(ssl.SSLError), trusting.wrap_socket(node.connect(node.peer_port)) as connection:
        send(connection, LOG)
        heard = said(connection, 5_000)
    assert heard == b""


def test_the_peers_door_refuses_a_certificate_that_is_no_carriers_here(node: LoneNode) -> None:
    with node.connect_as(STRANGER) as connection:
        connection.sendall(LOG)
        assert statuses(said(connection, SHORT_MS)) == [HTTPStatus.FORBIDDEN]


def test_the_peers_door_refuses_what_is_no_http_even_of_a_peer(node: LoneNode) -> None:
    with node.connect_as(PEER) as connection:
        send(connection, MALFORMED["a NUL in a header"])
        assert [status // 100 for status in statuses(said(connection, 5_000))] == [4]

"""One question to another carrier, asked once: who a traveller is, which trips they have, take these names.

Unlike what `peers` sends, nothing here is owed by the ledger: the asker waits for a bounded time and hears `Silent`.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

import msgspec
import orjson
from aiohttp import ClientError, ClientSession
from msgspec import Meta, Raw, Struct

from airline_node.certificates import peer_host_name
from airline_node.peer_client import body_of, open_session
from ledger.terms import CarrierCode, Millis
from ui.people import Silent

T = TypeVar("T")

ITEMS_MAX = 100
"""In one request."""
REQUESTS_MAX = 8
"""Under way to one carrier; more wait."""
ANSWER_BYTES_MAX = 1024 * 1024
ASK_MS_MAX = 2_500
WORDS_MAX = 200


class Answers(Struct, frozen=True):
    """One to each item, in their order; each is read as what its route answers."""

    answers: Annotated[list[Raw], Meta(max_length=ITEMS_MAX)]


_ANSWERS = msgspec.json.Decoder(Answers)


class Asking:
    """`addresses` are the peers' (`https://host:port`); `tls` is None only where addresses are plain, in tests."""

    def __init__(self, addresses: Mapping[CarrierCode, str], tls: ssl.SSLContext | None) -> None:
        self._addresses = dict(addresses)
        self._tls = tls
        self._session: ClientSession | None = None
        self._closed = False

    @property
    def carriers(self) -> tuple[CarrierCode, ...]:
        return tuple(self._addresses)

    async def close(self) -> None:
        """What is asked from then on is answered by silence."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, carrier: CarrierCode, route: str, items: Sequence[object], answer: type[T], wait_ms: Millis = ASK_MS_MAX
    ) -> list[T]:
        """An answer to each of at most `ITEMS_MAX` items. Raises `Silent`: what became of them is not known."""
        assert len(items) <= ITEMS_MAX, len(items)
        if self._closed:
            raise Silent("this node is closing")
        if carrier not in self._addresses:
            raise Silent(f"no address is configured for {carrier}")
        try:
            async with asyncio.timeout(wait_ms / 1000):
                body = await self._post(carrier, route, items)
            answers = [msgspec.json.decode(one, type=answer) for one in _ANSWERS.decode(body).answers]
        except TimeoutError:
            raise Silent(f"{carrier} has not answered within {wait_ms} ms") from None
        except (ClientError, OSError, ValueError, RecursionError, RuntimeError) as error:
            # ValueError is what msgspec raises, and UnicodeDecodeError. RuntimeError: the session is just being closed.
            raise Silent(f"{carrier}: {str(error)[:WORDS_MAX] or type(error).__name__}") from error
        if len(answers) != len(items):
            raise Silent(f"{carrier} gave {len(answers)} answers to {len(items)} questions")
        return answers

    async def _post(self, carrier: CarrierCode, route: str, items: Sequence[object]) -> bytes:
        if self._session is None:
            # `ask` sets a time that also covers the wait for a connection.
            self._session = open_session(self._tls, None, limit_per_host=REQUESTS_MAX)
        async with self._session.post(
            f"{self._addresses[carrier]}/{route}",
            data=orjson.dumps({"items": msgspec.to_builtins(items)}),
            headers={"Content-Type": "application/json"},
            server_hostname=peer_host_name(carrier),
            allow_redirects=False,
        ) as response:
            body = await body_of(response, ANSWER_BYTES_MAX)
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}")
            return body

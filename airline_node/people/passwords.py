"""The slow work of hashing a password, in a bounded pool.

The rules: what is stored is argon2id with OWASP's parameters (19 MiB, two passes, one lane). A check for an address
that nobody has takes the same work as one for an address that somebody has. Work that cannot begin soon is refused.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from ui.people import Crowded

T = TypeVar("T")

THREADS = 2
"""Each check is 20 ms of a processor and 19 MiB; more threads would take them from those who sell."""
WAITING_MAX = 40
"""Checks under way and waiting: who comes last waits half a second. One more is refused: `Crowded`."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)


class Passwords:
    """The pool. `close` leaves no thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "passwords")
        self._waiting = 0
        self._nobodys = _nobodys()

    async def hash(self, password: str) -> str:
        """What may be stored. Raises `Crowded`."""
        return await self._work(lambda: HASHER.hash(composed(password)))

    async def check(self, stored: str | None, password: str) -> bool:
        """Whether it is the password that was stored. Without one the answer is no, after the same work.

        Raises `Crowded`.
        """
        fits = await self._work(lambda: _fits(stored or self._nobodys, composed(password)))
        return fits and stored is not None

    def is_dated(self, stored: str) -> bool:
        """It was hashed under other parameters than those of today."""
        return HASHER.check_needs_rehash(stored)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    async def _work(self, do: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Crowded("too many passwords are being checked")
        self._waiting += 1
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, do)
            # A client that leaves does not free a thread: the work counts until it is done.
            future.add_done_callback(self._done)
        except BaseException:
            self._waiting -= 1
            raise
        return await asyncio.shield(future)

    def _done(self, _future: "asyncio.Future[Any]") -> None:
        self._waiting -= 1


def composed(password: str) -> str:
    """The same letters typed on another keyboard are the same password (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


@cache
def _nobodys() -> str:
    """Checked where there is nothing to check against."""
    return HASHER.hash(secrets.token_urlsafe())


def _fits(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False

"""The others' logs, watched: every checkpoint of theirs must continue all that was seen before, here and elsewhere.

    follow    the log's newest checkpoint, with the proof that it continues the one that was cosigned last
              -> signed by its owner? consistent? -> on disk here -> cosigned, and the owner told
    compare   the same log's checkpoint as another carrier has seen it: the owner must prove that one of the two
              continues the other. A carrier that shows two histories has signed the evidence itself

What does not fit is an alarm that stays, with both notes. That log is then cosigned no more: only people can mend it.
Silence is no alarm; it shows in the age of the last cosignature.
"""

import asyncio
import logging
import ssl
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final

import aiohttp
import msgspec
import orjson
from msgspec import Meta, Struct

from airline_node.certificates import peer_host_name
from airline_node.evidence.keys import PrivateKey, PublicKey
from airline_node.evidence.notes import NOTE_BYTES_MAX, BadNote, Note, cosigned, opened
from airline_node.evidence.shelf import Alarm, Shelf, ShelfTrouble
from airline_node.peer_client import body_of, open_session
from ledger.terms import CarrierCode, Millis
from ledger.tree import EMPTY_ROOT, HASH_BYTES, Hash, consistent

FOLLOW_MS: Final = 1_000
COMPARE_EVERY: Final = 5
"""Looks at a log between two comparisons with what others have seen of it."""
REQUEST_MS_MAX: Final = 5_000
ANSWER_BYTES_MAX: Final = 32 * 1024
PROOF_MAX: Final = 64
WORDS_MAX: Final = 300

TROUBLE = (aiohttp.ClientError, OSError, ValueError, RecursionError, ShelfTrouble)

log = logging.getLogger(__name__)

HashText = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{43}=$")]


class CheckpointAnswer(Struct, frozen=True):
    """A carrier's newest checkpoint, and that it continues the log of `after` events; null before the first."""

    note: Annotated[str, Meta(max_length=NOTE_BYTES_MAX)] | None
    proof: Annotated[tuple[HashText, ...], Meta(max_length=PROOF_MAX)]


class ProofAnswer(Struct, frozen=True):
    proof: Annotated[tuple[HashText, ...], Meta(max_length=PROOF_MAX)]


class Cosigned(Struct, frozen=True, forbid_unknown_fields=True):
    """A cosignature for the checkpoint of so many events."""

    size: Annotated[int, Meta(ge=1, le=2**53)]
    line: Annotated[str, Meta(max_length=1024)]


_CHECKPOINT = msgspec.json.Decoder(CheckpointAnswer)
_PROOF = msgspec.json.Decoder(ProofAnswer)
_NO_PROOF: Final = b'{"proof":[]}'


class Forked(Exception):
    """Two notes that one carrier has signed, and that cannot both be of one log."""

    def __init__(self, what: str, one: str, other: str) -> None:
        super().__init__(what)
        self.one, self.other = one, other


class Refused(BadNote):
    """404: whoever was asked says that there is no such thing."""


class Witness:
    """Watches the logs of all peers. `run` it in a task; `watched` is for who asks what was seen here."""

    def __init__(
        self,
        key: PrivateKey,
        keys: Mapping[CarrierCode, PublicKey],
        addresses: Mapping[CarrierCode, str],
        tls: ssl.SSLContext | None,
        shelf: Shelf,
        now: Callable[[], Millis],
    ) -> None:
        self._key = key
        self._keys = keys
        self._addresses = dict(addresses)
        self._tls = tls
        self._shelf = shelf
        self._now = now
        self._troubles: dict[tuple[CarrierCode, str], str] = {}
        self.alarms = {alarm.origin for alarm in shelf.alarms()}
        self._seen = {carrier: kept.note for carrier in addresses if (kept := shelf.newest(keys[carrier].name))}

    def seen(self, carrier: CarrierCode) -> Note | None:
        """The newest checkpoint of this carrier's log that was cosigned here."""
        return self._seen.get(carrier)

    async def run(self) -> None:
        """Until cancelled."""
        async with (
            open_session(self._tls, REQUEST_MS_MAX, limit=2 * len(self._addresses)) as session,
            asyncio.TaskGroup() as watches,
        ):
            for carrier in self._addresses:
                watches.create_task(self._watch(session, carrier))

    async def _watch(self, session: aiohttp.ClientSession, carrier: CarrierCode) -> None:
        looks = 0
        while True:
            looks += 1
            if self._keys[carrier].name not in self.alarms:
                await self._try(carrier, "watched", self._follow(session, carrier))
                if looks % COMPARE_EVERY == 0:
                    await self._try(carrier, "compared", self._compare(session, carrier))
            await asyncio.sleep(FOLLOW_MS / 1000)

    async def _try(self, carrier: CarrierCode, what: str, look: Awaitable[None]) -> None:
        try:
            await look
        except Forked as fork:
            await self._sound(carrier, fork)
        except TROUBLE as trouble:
            words = (str(trouble) or type(trouble).__name__)[:WORDS_MAX]
            if self._troubles.get((carrier, what)) != words:
                log.warning("the log of %s cannot be %s: %s", carrier, what, words)
            self._troubles[carrier, what] = words
        else:
            if self._troubles.pop((carrier, what), None):
                log.info("the log of %s is %s again", carrier, what)

    async def _follow(self, session: aiohttp.ClientSession, carrier: CarrierCode) -> None:
        before = self._seen.get(carrier)
        size, root = (before.checkpoint.size, before.checkpoint.root) if before else (0, EMPTY_ROOT)
        answer = _CHECKPOINT.decode(await self._get(session, carrier, "/checkpoint", {"after": size}))
        if answer.note is None:
            return
        note = opened(answer.note, self._keys[carrier])
        if before and note.checkpoint.size < size:
            raise Forked(f"{carrier} has signed a shorter log than before", str(before), answer.note)
        if not consistent(size, root, note.checkpoint.size, note.checkpoint.root, _hashes(answer.proof)):
            raise Forked(f"{carrier} has signed a log that does not continue its own", str(before or ""), answer.note)
        if before is None or note.checkpoint.size > size:
            await self._cosign(session, carrier, note)

    async def _cosign(self, session: aiohttp.ClientSession, carrier: CarrierCode, note: Note) -> None:
        now = self._now()
        signature = cosigned(note.checkpoint, self._key, now // 1000)
        note = note.with_signatures([signature])
        await self._shelf.soon(self._shelf.keep, note, now)
        self._seen[carrier] = note
        body = orjson.dumps(msgspec.to_builtins(Cosigned(note.checkpoint.size, signature.line.removesuffix("\n"))))
        await self._ask(session, carrier, "POST", "/cosignature", body=body)

    async def _compare(self, session: aiohttp.ClientSession, carrier: CarrierCode) -> None:
        """With what the other carriers have seen of this log. One that is silent, or has seen none, tells nothing."""
        for other in self._addresses:
            if other == carrier or (mine := self._seen.get(carrier)) is None:
                continue
            try:
                told = await self._get(session, other, "/witnessed", {"carrier": carrier})
                answer = _CHECKPOINT.decode(told)
                theirs = opened(answer.note, self._keys[carrier]) if answer.note else None
            except TROUBLE:
                continue
            if theirs:
                await self._hold_together(session, carrier, other, mine, theirs)

    async def _hold_together(
        self, session: aiohttp.ClientSession, carrier: CarrierCode, other: CarrierCode, mine: Note, theirs: Note
    ) -> None:
        old, new = sorted((mine.checkpoint, theirs.checkpoint), key=lambda checkpoint: checkpoint.size)
        proof: list[Hash] = []
        if 0 < old.size < new.size:
            try:
                asked = await self._get(session, carrier, "/consistency", {"old": old.size, "new": new.size})
            except Refused:
                # It has signed both sizes, and says now that it never had one of them.
                asked = _NO_PROOF
            proof = _hashes(_PROOF.decode(asked).proof)
        if not consistent(old.size, old.root, new.size, new.root, proof):
            what = f"{carrier} has shown another history to {other} than here"
            raise Forked(what, str(mine), str(theirs))

    async def _sound(self, carrier: CarrierCode, fork: Forked) -> None:
        """An alarm for people: in the log, in the figures, and on the shelf with its evidence."""
        name = self._keys[carrier].name
        self.alarms.add(name)
        log.critical(
            "ALARM: %s. Its checkpoints are no longer cosigned. Evidence: %r and %r", fork, fork.one, fork.other
        )
        try:
            await self._shelf.soon(self._shelf.alarm, Alarm(name, self._now(), str(fork), fork.one, fork.other))
        except ShelfTrouble as trouble:
            log.critical("the alarm's evidence could not be kept: %s", trouble)

    async def _get(
        self, session: aiohttp.ClientSession, carrier: CarrierCode, path: str, query: Mapping[str, str | int]
    ) -> bytes:
        return await self._ask(session, carrier, "GET", path, query)

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        carrier: CarrierCode,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
    ) -> bytes:
        async with session.request(
            method,
            f"{self._addresses[carrier]}{path}",
            params=query,
            data=body,
            server_hostname=peer_host_name(carrier),
            allow_redirects=False,
        ) as response:
            told = await body_of(response, ANSWER_BYTES_MAX)
            if response.status != 200:
                raise (Refused if response.status == 404 else BadNote)(f"HTTP {response.status}")
            return told


def _hashes(proof: tuple[str, ...]) -> list[Hash]:
    hashes = [b64decode(text, validate=True) for text in proof]
    assert all(len(one) == HASH_BYTES for one in hashes)
    return hashes

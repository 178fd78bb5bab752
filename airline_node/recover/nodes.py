"""The nodes to look at, and how they are asked: over their operators' API, or in their files if nobody answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from airline_node.answers import TransactionsAnswer
from airline_node.config import LEDGER
from airline_node.door import Problem
from airline_node.fleet import TOKENS_FILE, FleetTrouble, remembered, tokens_of
from airline_node.peer_client import TooLong, body_of
from airline_node.recover.files import Files, FilesTrouble, read_database, read_files
from airline_node.recover.heard import unread
from airline_node.recover.report import Looked, NodeFound, Source
from ledger.terms import CarrierCode, Millis

ASK_MS_MAX: Millis = 5_000
ANSWER_BYTES_MAX = 8 * 2**20

_TOLD = msgspec.json.Decoder(TransactionsAnswer)
_PROBLEM = msgspec.json.Decoder(Problem)
T = TypeVar("T")


class RecoverTrouble(Exception):
    """Nothing was looked at. The text is a sentence with the remedy."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a node answers, where its files are, where its journal is in PostgreSQL: one of them at least."""

    carrier: CarrierCode | None = None
    address: str | None = None
    folder: Path | None = None
    journal: str = ""
    token: str = ""


class _Silent(Exception):
    """Nobody answers there, or not as a node does."""


def places(at: Sequence[str], data: Sequence[Path], token: str, journal: str = "") -> list[Place]:
    """What the command line names; a journal that lies in the folder comes before one in PostgreSQL.

    Raises `RecoverTrouble`.
    """
    if at and data:
        raise RecoverTrouble("Name nodes with --at or folders with --data, not both.")
    if at:
        return [Place(address=address.rstrip("/"), token=token) for address in at]
    folders = data or [Path(".passcom")]
    if journal and not any(_holds_logs(folder) for folder in folders):
        if not journal.startswith("postgresql://"):
            raise RecoverTrouble("--journal takes a postgresql:// address. A file's folder is named with --data.")
        return [Place(folder=data[0] if data else None, journal=journal)]
    return [place for folder in folders for place in _places_in(folder)]


def _holds_logs(folder: Path) -> bool:
    return (folder / TOKENS_FILE).exists() or (folder / LEDGER).exists() or bool(_inside(folder))


def _inside(folder: Path) -> list[Path]:
    """Folders of nodes in this one, as a copy of them has it."""
    return sorted(path.parent for path in folder.glob(f"*/{LEDGER}"))


def _places_in(folder: Path) -> list[Place]:
    if (folder / TOKENS_FILE).exists():
        try:
            fleet, tokens = remembered(folder), tokens_of(folder)
        except FleetTrouble as trouble:
            raise RecoverTrouble(str(trouble)) from trouble
        return [
            Place(carrier=carrier, address=fleet.address(carrier), folder=fleet.data(carrier), token=tokens.operator)
            for carrier in fleet.carriers
        ]
    if not folder.exists():
        raise RecoverTrouble(
            f"There is no {folder}. Name a node (--at URL --token TOKEN) or its data folder (--data DIR)."
        )
    nodes = [folder] if (folder / LEDGER).exists() else _inside(folder) or [folder]
    return [Place(carrier=one.name if len(one.name) == 2 else None, folder=one) for one in nodes]


def look(every: Sequence[Place], progress: Callable[[Place, int, int], None]) -> list[Looked]:
    """Each of them, the ones that live first asked together. `progress` hears of files being read.

    Where a coordinator's files leave open what only the log of a node that lives can say, its files are read as well.
    """
    looked = together([_look(place, progress) for place in every])
    files = {one.files.carrier: one.files for one in looked if one.files}
    asked = {who for one in files.values() for booking in one.decided() for who in unread(booking, files)}
    return [
        replace(one, beside=_beside(place, progress))
        if one.node.source is Source.NODE and one.node.carrier in asked
        else one
        for place, one in zip(every, looked, strict=True)
    ]


def _beside(place: Place, progress: Callable[[Place, int, int], None]) -> Files | None:
    with suppress(FilesTrouble):
        return read_files(place.folder, partial(progress, place)) if place.folder else None
    return None


def resume(every: Sequence[Place]) -> None:
    """Has each node that answers ask about everything that waits, now."""

    async def ask(place: Place) -> None:
        with suppress(_Silent):
            await _exchange(place, "POST", "/api/transactions/resume")

    together([ask(place) for place in every if place.address])


def together(asked: Sequence[Awaitable[T]]) -> list[T]:
    async def main() -> list[T]:
        return list(await asyncio.gather(*asked))

    return asyncio.run(main())


async def _look(place: Place, progress: Callable[[Place, int, int], None]) -> Looked:
    silence = ""
    if place.address:
        try:
            told = await _exchange(place, "GET", "/api/transactions?state=all")
            return Looked(
                node=NodeFound(carrier=told.carrier, source=Source.NODE, detail=f"up at {place.address}"),
                told=told.transactions,
                total=told.total,
            )
        except _Silent as trouble:
            silence = f"{place.address} {trouble}"
    if place.folder is None and not place.journal:
        return _nothing(place, f"{silence}; with --data DIR its files are read")
    return await asyncio.to_thread(_look_into, place, silence, progress)


def _look_into(place: Place, silence: str, progress: Callable[[Place, int, int], None]) -> Looked:
    def tell(done: int, total: int) -> None:
        progress(place, done, total)

    try:
        if place.journal:
            files = read_database(place.journal, tell)
        else:
            assert place.folder is not None
            files = read_files(place.folder, tell)
    except FilesTrouble as trouble:
        return _nothing(place, f"{silence}; {trouble}" if silence else str(trouble))
    beside = (
        "a node is at work on them, and they were read beside it: ask it with --at" if files.at_work else "no node runs"
    )
    detail = f"read up to event {files.position} in {files.place}; {silence or beside}"
    return Looked(
        node=NodeFound(carrier=files.carrier, source=Source.FILES, detail=detail),
        files=files,
    )


def _nothing(place: Place, detail: str) -> Looked:
    named = place.carrier or (place.folder.name if place.folder else place.address or "?")
    return Looked(node=NodeFound(carrier=named, source=Source.NOTHING, detail=detail))


async def _exchange(place: Place, method: str, path: str) -> TransactionsAnswer:
    """What the node tells. Raises `_Silent`, with the end of a sentence."""
    timeout = aiohttp.ClientTimeout(total=ASK_MS_MAX / 1000)
    headers = {"Authorization": f"Bearer {place.token}", "Accept-Encoding": "identity"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=False) as http,
            http.request(method, f"{place.address}{path}", allow_redirects=False) as answer,
        ):
            body = await body_of(answer, ANSWER_BYTES_MAX)
    except TimeoutError:
        raise _Silent(f"does not answer within {ASK_MS_MAX // 1000} s") from None
    except TooLong as trouble:
        raise _Silent(f"answers with {trouble}") from None
    except (aiohttp.ClientError, OSError, ValueError) as trouble:
        raise _Silent(f"cannot be reached ({type(trouble).__name__})") from trouble
    if answer.status == 401:
        raise _Silent("does not take this token: give the operator's with --token or PASSCOM_OPERATOR_TOKEN")
    try:
        if answer.status != 200:
            raise _Silent(f"answers {answer.status}: {_PROBLEM.decode(body).detail}")
        return _TOLD.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise _Silent("answers, but not as a node of this program does") from fault

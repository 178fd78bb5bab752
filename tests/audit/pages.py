"""The auditors' pages over a log on the disk: no node, and no login but a cookie that names who is meant."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from airline_node.availability import Availability
from airline_node.changes import Changes
from airline_node.config import LEDGER
from airline_node.desk import NodeHouse, NodeLog
from airline_node.evidence.desk import ReceiptDesk
from airline_node.evidence.notary import TREE_FILE, Notary, restore
from airline_node.evidence.office import Office
from airline_node.evidence.shelf import FILE, Shelf
from airline_node.evidence.witness import Witness
from airline_node.journal import Journal
from airline_node.timetable import load
from ledger.terms import CarrierCode, Millis
from tests.evidence.given import KEYS, NOW, PUBLIC
from ui import audit
from ui.desk import Desk
from ui.sessions import LoadedSession
from ui.site import add_site
from ui.visitor import Account, Role

COOKIE = "passcom-AN-plain-http"
ACCOUNTS: Mapping[str, Account] = {
    "auditor": Account(id="AN.1", name="Rui Melo", email="rui@example.com", roles=frozenset({Role.AUDITOR})),
    "traveller": Account(id="AN.2", name="Ana Lima", email="ana@example.com"),
}


class Browsers:
    """A session for each account, whose token is its name."""

    async def load(self, token: str, now: Millis) -> LoadedSession | None:
        return LoadedSession(b"{}", ACCOUNTS[token]) if token in ACCOUNTS else None

    async def open(self, token: str, account: Account | None, content: bytes, now: Millis) -> None: ...

    async def save(self, token: str, content: bytes) -> None: ...

    async def end(self, token: str) -> None: ...


def office(folder: Path, carrier: CarrierCode, journal: Journal, undo: ExitStack) -> Office:
    """As its node opens it, without peers to watch."""
    shelf = undo.enter_context(closing(Shelf(folder / FILE)))
    tree = undo.enter_context(closing(restore(folder / TREE_FILE, shelf.newest(KEYS[carrier].public.name), journal)))
    notary = Notary(KEYS[carrier], PUBLIC, tree, shelf, lambda: NOW)
    witness = Witness(KEYS[carrier], PUBLIC, {}, None, shelf, lambda: NOW)
    desk = ReceiptDesk(carrier, notary, journal, {}, None)
    return Office(notary, witness, desk, shelf, PUBLIC, ExitStack())


def site(folder: Path, carrier: CarrierCode, undo: ExitStack) -> web.Application:
    """The site of one carrier with these pages alone."""
    journal = undo.enter_context(closing(Journal.open(str(folder / LEDGER))))
    timetable, boot = load(), Availability(lambda: NOW).lineage
    parts: dict[str, Any] = dict.fromkeys(Desk.__dataclass_fields__)
    parts["house"] = NodeHouse(carrier, timetable, Changes(), lambda: NOW, lambda: None, boot)
    parts["log"] = NodeLog(carrier, journal, office(folder, carrier, journal, undo))
    parts["people"] = SimpleNamespace(site="http://127.0.0.1", sessions=Browsers())
    app = web.Application()
    add_site(app, Desk(**parts), (audit.ROOM,))
    return app

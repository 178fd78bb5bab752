"""Carriers watch one another's logs: what continues is cosigned, and who shows two histories is found out."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from itertools import permutations
from pathlib import Path

import pytest
from aiohttp import web

from airline_node.door import in_one_shape
from airline_node.evidence import routes, witness
from airline_node.evidence.desk import ReceiptDesk
from airline_node.evidence.notes import BadNote, cosigned, witnesses
from airline_node.evidence.office import Office
from airline_node.evidence.shelf import Shelf
from airline_node.evidence.treefile import TreeFile
from airline_node.evidence.witness import Witness
from airline_node.metrics import EVIDENCE
from ledger.terms import CarrierCode
from tests.evidence.given import CARRIERS, KEYS, NOW, PUBLIC, leaves, notary, note_of

pytestmark = pytest.mark.slow


class Carrier:
    """One carrier, with an office for each of the others: it may show them different logs."""

    def __init__(self, code: CarrierCode, folder: Path) -> None:
        self.code = code
        self.notary, self.tree, self.shelf = notary(code, folder)
        self.offices: dict[CarrierCode, Office] = {}
        self.witness = Witness(KEYS[code], PUBLIC, {}, None, self.shelf, lambda: NOW)

    def grow(self, count: int, history: str = "told") -> None:
        size = self.tree.head.size
        self.tree.extend(leaves(size, size + count, history), size + count)

    async def serve(self, asker: CarrierCode) -> tuple[web.AppRunner, str]:
        """What this one asker sees, on a port of its own: so no certificate need tell who asks."""
        desk = ReceiptDesk(self.code, self.notary, NoJournal(), {}, None)
        office = self.offices[asker] = Office(self.notary, self.witness, desk, self.shelf, PUBLIC, ExitStack())

        async def cosign(request: web.Request) -> web.Response:
            return await routes.take_cosignature(request, asker)

        app = web.Application(middlewares=[in_one_shape])
        app[routes.OFFICE] = office
        app.add_routes(
            [
                web.get("/checkpoint", routes.read_checkpoint),
                web.get("/consistency", routes.read_consistency),
                web.get("/witnessed", routes.read_witnessed),
                web.post("/cosignature", cosign),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


class NoJournal:
    async def evidence(self, streams: Sequence[str]) -> list[tuple[int, bytes]]:
        return []


class Town:
    """Three carriers that watch one another."""

    def __init__(self, folder: Path) -> None:
        self.carriers = {code: Carrier(code, folder) for code in CARRIERS}
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> "Town":
        at: dict[tuple[CarrierCode, CarrierCode], str] = {}
        for asker, owner in permutations(CARRIERS, 2):
            runner, at[asker, owner] = await self.carriers[owner].serve(asker)
            self._opened.push_async_callback(runner.cleanup)
        tasks = await self._opened.enter_async_context(asyncio.TaskGroup())
        for code, carrier in self.carriers.items():
            addresses = {owner: at[asker, owner] for asker, owner in at if asker == code}
            carrier.witness = Witness(KEYS[code], PUBLIC, addresses, None, carrier.shelf, lambda: NOW)
            for office in carrier.offices.values():
                office.witness = carrier.witness
            self._opened.callback(tasks.create_task(carrier.witness.run()).cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()
        for carrier in self.carriers.values():
            carrier.shelf.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "FOLLOW_MS", 5)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what it waits for knows nothing of this test
            await asyncio.sleep(0.005)


def seen(carrier: Carrier, of: CarrierCode) -> int:
    note = carrier.witness.seen(of)
    return note.checkpoint.size if note else 0


def test_every_checkpoint_comes_to_be_cosigned_by_both_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with Town(tmp_path) as town:
            an = town.carriers["AN"]
            for _ in range(3):
                an.grow(100)
                await an.notary.sign()
                await until(lambda: an.notary.newest is not None and len(an.notary.newest.signatures) == 3)
            assert an.notary.newest is not None
            assert witnesses(an.notary.newest, PUBLIC) == {"JG": NOW // 1000, "IP": NOW // 1000}
            kept = town.carriers["JG"].shelf.newest("an.passcom")
            assert kept is not None
            assert kept.note.checkpoint == an.notary.newest.checkpoint
            assert not any(c.shelf.alarms() for c in town.carriers.values())
            figures = an.offices["JG"].figures()
            assert set(figures) == set(EVIDENCE), "every figure has a text that explains it"
            assert figures["signed_events"] == 300
            assert figures["newest_checkpoint_cosignatures"] == 2

    asyncio.run(main())


def test_a_witness_remembers_after_a_restart_and_is_not_taken_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with Town(tmp_path) as town:
            an, jg = town.carriers["AN"], town.carriers["JG"]
            an.grow(100)
            await an.notary.sign()
            await until(lambda: seen(jg, "AN") == 100)
        shelf = Shelf(tmp_path / "JG" / "checkpoints.sqlite")
        again = Witness(KEYS["JG"], PUBLIC, {"AN": "http://127.0.0.1:1"}, None, shelf, lambda: NOW)
        note = again.seen("AN")
        assert note is not None
        assert note.checkpoint.size == 100
        shelf.close()

    asyncio.run(main())


@pytest.mark.parametrize("other_size", [200, 250, 150], ids=["equally long", "longer", "shorter"])
def test_two_histories_shown_to_two_partners_are_found_out(
    tmp_path: Path, other_size: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Town(tmp_path) as town:
            an = town.carriers["AN"]
            an.grow(200)
            other, tree, _ = notary("AN", tmp_path / "other", leaves(0, 100))
            tree.extend(leaves(100, other_size, "another history"), other_size)
            an.offices["IP"].notary = other
            await an.notary.sign()
            await other.sign()
            jg, ip = town.carriers["JG"], town.carriers["IP"]
            await until(lambda: bool(jg.shelf.alarms() and ip.shelf.alarms()))
            for carrier, partner in ((jg, "IP"), (ip, "JG")):
                [alarm] = carrier.shelf.alarms()
                assert alarm.origin == "an.passcom"
                assert alarm.what == f"AN has shown another history to {partner} than here"
                assert carrier.witness.alarms == {"an.passcom"}
            # What was found out is cosigned no more.
            before = seen(jg, "AN")
            an.grow(10)
            await an.notary.sign()
            town.carriers["IP"].grow(10)
            await town.carriers["IP"].notary.sign()
            await until(lambda: seen(jg, "IP") == 10)
            assert seen(jg, "AN") == before
            other._shelf.close()

    asyncio.run(main())
    assert "ALARM" in caplog.text


@pytest.mark.parametrize(
    ("later", "what"),
    [
        ((300, "another history"), "AN has signed a log that does not continue its own"),
        ((200, "another history"), "AN has signed a log that does not continue its own"),
        ((100, "told"), "AN has signed a shorter log than before"),
    ],
    ids=["rewritten and longer", "rewritten", "truncated"],
)
def test_a_rewritten_log_is_not_cosigned(tmp_path: Path, later: tuple[int, str], what: str) -> None:
    async def main() -> None:
        async with Town(tmp_path) as town:
            an, jg = town.carriers["AN"], town.carriers["JG"]
            an.grow(200)
            await an.notary.sign()
            await until(lambda: seen(jg, "AN") == 200)
            other, _, shelf = notary("AN", tmp_path / "other", leaves(0, later[0], later[1]))
            await other.sign()
            an.offices["JG"].notary = other
            await until(lambda: bool(jg.shelf.alarms()))
            [alarm] = jg.shelf.alarms()
            assert alarm.what == what
            assert seen(jg, "AN") == 200
            shelf.close()

    asyncio.run(main())


def test_a_note_that_somebody_else_signed_is_no_evidence_against_anybody(tmp_path: Path) -> None:
    async def main() -> None:
        async with Town(tmp_path) as town:
            an, jg = town.carriers["AN"], town.carriers["JG"]
            forger, _, shelf = notary("IP", tmp_path / "forger", leaves(0, 10))
            await forger.sign()
            an.offices["JG"].notary = forger
            town.carriers["IP"].grow(5)
            await town.carriers["IP"].notary.sign()
            await until(lambda: seen(jg, "IP") == 5)
            assert seen(jg, "AN") == 0
            assert not jg.shelf.alarms()
            shelf.close()

    asyncio.run(main())


def test_a_cosignature_for_what_was_never_signed_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        an, tree, shelf = notary("AN", tmp_path, leaves(0, 10))
        await an.sign()
        other = TreeFile(tmp_path / "other")
        other.extend(leaves(0, 10, "another history"), 10)
        line = cosigned(note_of("AN", other, 10).checkpoint, KEYS["JG"], 1).line.strip()
        with pytest.raises(BadNote):
            await an.cosigned("JG", 10, line)
        assert tree.head.size == 10
        shelf.close()

    asyncio.run(main())

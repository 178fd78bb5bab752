"""The first bad event is named from what a running node tells too, as long as it tells the leaves that were signed."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from aiohttp import web

from airline_node.audit.sources import SourceTrouble, SqliteSource
from airline_node.config import LEDGER
from airline_node.door import respond_with
from airline_node.evidence.notary import TREE_FILE
from airline_node.evidence.routes import LeavesAnswer
from airline_node.evidence.treefile import read_leaves
from airline_node.rows import CHECKSUM_BYTES
from ledger.audit import Fault
from ledger.tree import HASH_BYTES, Hash, leaf_hash, leaf_of
from tests.audit.given import edit, found, honest, meddle, write
from tests.audit.served import Lie, audited_at, no_change, serving

pytestmark = pytest.mark.slow
AT = 26
"""Of AN's 49 events; the checkpoints around it are of 20 and of 30."""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    write(tmp_path, honest())
    return tmp_path


def changed(logs: Path, lie: Lie = no_change) -> list[tuple[Fault, str, str]]:
    """What is found at Andorinha's node, whose log is changed while it runs; Jangada's files are at hand."""
    with serving(logs, "AN", lie) as address:
        meddle(logs, "AN", lambda database: edit(database, AT, "GRU", "GIG"))
        told = audited_at(address, str(logs / "JG"))
    return [(fault, proof, one.detail) for (fault, proof), one in zip(found(told), told.findings, strict=True)]


def written(logs: Path) -> list[Hash]:
    return list(read_leaves(logs / "AN" / TREE_FILE))


def made_again(logs: Path) -> list[Hash]:
    """As they are once the log has been changed."""
    leaves = written(logs)
    with closing(SqliteSource(logs / "AN" / LEDGER)) as source:
        [(_, stream, version, tag, state)] = [row for row in next(source.sections()) if row[0] == AT]
    body = state[CHECKSUM_BYTES:].replace(b"GRU", b"GIG")
    leaves[AT - 1] = leaf_hash(leaf_of(tag, stream, version, body))
    return leaves


def telling(leaves: Sequence[Hash]) -> Lie:
    """A node that tells these leaves, seven at a time."""

    async def leaves_of(request: web.Request) -> web.Response:
        after = int(request.query["after"])
        return respond_with(LeavesAnswer(b64encode(b"".join(leaves[after : after + 7])).decode()))

    return lambda app: app.router.add_get("/api/leaves", leaves_of)


def test_a_running_node_whose_log_is_honest_is_verified_to_its_end(logs: Path) -> None:
    with serving(logs, "AN") as address:
        told = audited_at(address, str(logs / "JG"))
    assert (told.findings, told.notices) == ((), ())
    assert {one.carrier: one.size for one in told.verified} == {"AN": 49, "JG": 17}


def test_the_event_that_was_changed_under_a_running_node_is_named(logs: Path) -> None:
    [(fault, proof, detail)] = changed(logs)
    assert (fault, proof) == (Fault.EDITED, f"AN:{AT}")
    assert "AN has signed the log of 30 events (cosigned by IP and JG)" in detail


def test_leaves_are_read_in_pages_and_one_that_was_never_signed_does_not_hide_a_later_change(logs: Path) -> None:
    leaves = written(logs)
    leaves[2] = bytes(HASH_BYTES)
    [(fault, proof, _)] = changed(logs, telling(leaves))
    assert (fault, proof) == (Fault.EDITED, f"AN:{AT}")


async def _refused(_request: web.Request) -> web.Response:
    return web.Response(status=404)


async def _mumble(_request: web.Request) -> web.Response:
    return web.Response(text='{"leaves": "no base64"}')


NONE = "no whole tree of it is at hand"


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (lambda _: lambda app: app.router.add_get("/api/leaves", _refused), NONE),
        (lambda _: lambda app: app.router.add_get("/api/leaves", _mumble), NONE),
        (lambda logs: telling(written(logs)[:25]), NONE),
        (lambda logs: telling(made_again(logs)), "the tree beside it was made again to fit it"),
    ],
    ids=["kept back", "unreadable", "broken off", "made again"],
)
def test_a_node_that_keeps_the_leaves_to_itself_leaves_a_range_and_the_reason(
    logs: Path, lie: Callable[[Path], Lie], why: str
) -> None:
    [(fault, _, detail)] = changed(logs, lie(logs))
    assert fault is Fault.CHANGED
    assert f"at one of the positions 21 to 30; {why}" in detail
    assert "a root alone does not say which event it is" in detail


def test_a_node_that_blames_another_event_is_not_believed(logs: Path) -> None:
    leaves = made_again(logs)
    leaves[AT + 1] = bytes(HASH_BYTES)
    [(fault, _, detail)] = changed(logs, telling(leaves))
    assert fault is Fault.CHANGED
    assert "positions 21 to 30; the tree that is told beside it is not the one that was signed" in detail


def test_an_event_that_a_running_node_cannot_read_any_more_is_named(logs: Path) -> None:
    with serving(logs, "AN") as address:
        meddle(
            logs,
            "AN",
            lambda db: db.execute(
                "UPDATE stored_events SET state = CAST(CAST(state AS TEXT) || ' ' AS BLOB) WHERE rowid = 26"
            ),
        )
        with pytest.raises(SourceTrouble, match="position 26, booking:booking-of-passenger-0004 version 1"):
            audited_at(address, str(logs / "JG"))


def test_whoever_has_no_token_is_told_no_leaves(logs: Path) -> None:
    with serving(logs, "AN") as address, pytest.raises(HTTPError, match="401"):
        urlopen(f"{address}/api/leaves")

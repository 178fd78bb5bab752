"""The audit of nodes that run: their logs, their signatures, what they show; receipts; and nothing is disturbed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from airline_node.evidence import keys
from tests.crash.cluster import CARRIERS, TOKENS, Cluster, insist, new_booking, until

pytestmark = pytest.mark.thorough
COSIGNED_MS_MAX = 15_000


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("nodes")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def booking(nodes: Cluster) -> str:
    bought = new_booking()
    assert insist(lambda: nodes.buy(bought)).status == 201
    until("the receipt is whole", lambda: not receipt(nodes, bought)["missing"], COSIGNED_MS_MAX)
    return bought


def receipt(nodes: Cluster, booking: str) -> Any:
    reply = nodes.ask("AN", "GET", f"/api/bookings/{booking}/receipt")
    assert reply is not None
    assert reply.status == 200, reply.body
    return orjson.loads(reply.body)


def passcom(*arguments: object, code: int = 0, here: Path | None = None) -> str:
    command = [sys.executable, "-m", "airline_node.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return done.stdout + done.stderr


def key_file(nodes: Cluster) -> Path:
    return nodes.fleet.keys / keys.KEYS_FILE


def test_a_receipt_proves_the_whole_booking_offline_and_a_changed_one_proves_nothing(
    nodes: Cluster, booking: str, tmp_path: Path
) -> None:
    told = receipt(nodes, booking)
    path = tmp_path / "receipt.json"
    path.write_bytes(orjson.dumps(told))
    said = passcom("verify", path, "--keys", key_file(nodes))
    assert "is confirmed" in said
    assert "Open:" not in said
    assert said.count("SeatCommitted") == 3
    assert "log was cosigned by" in said
    told["logs"][0]["events"][0]["leaf"] = told["logs"][0]["events"][0]["leaf"].replace('"price":', '"price":1')
    path.write_bytes(orjson.dumps(told))
    assert "proves nothing" in passcom("verify", path, "--keys", key_file(nodes), code=1)
    path.write_bytes(b"[]")
    assert "it is no receipt" in passcom("verify", path, "--keys", key_file(nodes), code=1)
    passcom("verify", tmp_path / "none", "--keys", key_file(nodes), code=2)


def test_a_booking_that_nobody_took_has_no_receipt(nodes: Cluster) -> None:
    reply = nodes.ask("AN", "GET", f"/api/bookings/{new_booking()}/receipt")
    assert reply is not None
    assert reply.status == 404


def test_running_nodes_are_verified_with_the_keys_of_the_folder_that_passcom_up_made_here(
    nodes: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".passcom").mkdir()
    (tmp_path / ".passcom" / "keys").symlink_to(nodes.fleet.keys)
    command = ("audit", *map(nodes.fleet.address, CARRIERS), "--verify", "--token", TOKENS.auditor)
    assert "nothing is wrong" in passcom(*command, here=tmp_path).lower()
    assert "public keys" in passcom(*command, here=tmp_path / "elsewhere", code=2)


def test_running_nodes_are_audited_by_what_they_tell(nodes: Cluster, booking: str) -> None:
    addresses = [nodes.fleet.address(carrier) for carrier in CARRIERS]
    told = orjson.loads(
        passcom("audit", *addresses, "--verify", "--keys", key_file(nodes), "--token", TOKENS.auditor, "--json")
    )
    assert told["findings"] == []
    assert {one["carrier"] for one in told["verified"]} == set(CARRIERS)
    assert all(one["checkpoints"] > 0 and len(one["cosigned"]) == 2 for one in told["verified"])
    assert "the token does not open" in passcom("audit", addresses[0], "--token", "x" * 20, code=2)


def test_the_files_of_running_nodes_are_audited_and_left_as_they_are(nodes: Cluster, booking: str) -> None:
    told = orjson.loads(passcom("audit", nodes.fleet.folder, "--verify", "--json"))
    assert told["findings"] == []
    assert set(told["events"]) == set(CARRIERS)
    assert insist(lambda: nodes.buy(new_booking())).status == 201  # they sell on
    life = passcom("audit", nodes.fleet.folder, "--booking", booking)
    assert life.count("seat-committed") == 3
    csv = passcom("settle", nodes.fleet.folder, "--csv")
    assert csv.count(booking) == 2  # of three coupons, one is AN's own
    passcom("audit", nodes.fleet.folder / "nothing", code=2)


def test_a_node_that_is_killed_signs_on_where_it_was(nodes: Cluster, booking: str) -> None:
    before = nodes.ask("AN", "GET", "/api/checkpoint")
    assert before is not None
    size = int(before.body.split(b"\n")[1])
    nodes.kill("AN")
    nodes.start("AN")
    assert insist(lambda: nodes.buy(new_booking())).status == 201

    def signed_further() -> bool:
        reply = nodes.ask("AN", "GET", "/api/checkpoint")
        return reply is not None and reply.status == 200 and int(reply.body.split(b"\n")[1]) > size

    until("more is signed", signed_further, COSIGNED_MS_MAX)
    figures = nodes.ask("JG", "GET", "/metrics")
    assert figures is not None
    assert b"passcom_logs_with_two_histories 0.0" in figures.body
    assert receipt(nodes, booking)["missing"] == []


def test_a_carrier_that_is_down_is_missing_from_a_receipt_and_said_to_be(
    nodes: Cluster, booking: str, tmp_path: Path
) -> None:
    nodes.kill("IP")
    try:
        told = receipt(nodes, booking)
        assert told["missing"] == ["IP"]
        path = tmp_path / "receipt.json"
        path.write_bytes(orjson.dumps(told))
        assert "Open: IP's log is not in it." in passcom("verify", path, "--keys", key_file(nodes))
    finally:
        nodes.start("IP")

"""What Prometheus reads of a node."""

import re
from pathlib import Path
from typing import get_type_hints

from prometheus_client.parser import text_string_to_metric_families

from airline_node.metrics import EVIDENCE, HELP, PEERS
from ledger.waiting import Tally
from tests.node.house import Andorinha, at_work
from tests.node.port import Port, served

UNITS = (
    "_total",
    "_seconds",
    "_bytes",
    "_commands",
    "_memory",
    "_peers",
    "_full",
    "_waiting",
    "_rejected",
    "_fds",
    "_events",
)


async def shown(port: Port) -> dict[str, dict[tuple[str, ...], float]]:
    """Every sample by its name and its labels' values, after seeing that the text is well-formed."""
    text = await (await port.get("/metrics")).text()
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            samples.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return samples


def test_every_figure_is_told_with_its_help_and_nothing_names_a_booking(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        samples = await shown(port)
        assert samples["passcom_events_total"][()] == 7
        assert samples["passcom_inbox_commands"][()] == 2
        assert samples["process_resident_memory_bytes"][()] > 1_000_000
        assert samples["process_cpu_seconds_total"][()] > 0

    served(tmp_path, story)


def test_each_other_carrier_is_told_of_by_its_own_label(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.peers.requests["JG"].note(0.02)
        samples = await shown(port)
        assert samples["passcom_peer_messages_waiting"] == {("JG",): 1, ("IP",): 0}
        assert samples["passcom_peer_silent_seconds"][("JG",)] == 0, "it fell silent this very moment"
        assert samples["passcom_peer_request_seconds_count"] == {("JG",): 1, ("IP",): 0}
        assert samples["passcom_peer_request_seconds_bucket"][("JG", "0.025")] == 1
        assert samples["passcom_peer_request_seconds_bucket"][("JG", "0.01")] == 0

    served(tmp_path, story)


def test_orders_and_writes_are_told_as_histograms(tmp_path: Path) -> None:
    async def story(port: Port) -> None:
        port.node.orders.note(0.2)
        port.node.writes.note(0.003)
        samples = await shown(port)
        assert samples["passcom_order_seconds_sum"][()] >= 0.2
        assert samples["passcom_journal_write_seconds_bucket"][("0.005",)] >= 1

    served(tmp_path, story)


@at_work()
async def test_every_figure_that_a_node_counts_has_a_text_that_explains_it(house: Andorinha) -> None:
    assert set(house.node.figures()) == set(HELP)
    assert set(get_type_hints(Tally)) <= set(HELP)


def test_names_are_as_prometheus_wants_them() -> None:
    for name in (*HELP, *EVIDENCE, *PEERS):
        assert re.fullmatch("[a-z]+(_[a-z]+)*", name)
        counts = name.startswith(("holds_", "bookings_", "pledges_", "forced_", "logs_", "newest_"))
        assert counts or name.endswith(UNITS), f"{name} does not say what it counts in"

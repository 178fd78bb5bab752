"""The node's figures as Prometheus reads them: base units in their names, one label at most, never a booking's id."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from airline_node.control import Control
from airline_node.figures import Timings
from ledger.terms import CarrierCode

HELP: Mapping[str, str] = {
    "inbox_commands": "Commands that wait to be thought about.",
    "orders_turned_away_total": "Orders that heard 503, as more came than can be decided: nothing happened.",
    "batches_total": "Batches written to the journal, each with one fsync.",
    "events_total": "Events written to the journal.",
    "write_seconds_total": "Time spent in writing, waiting for room included.",
    "orders_waiting_for_peers": "Travellers' orders that wait for other carriers.",
    "bookings_in_memory": "Bookings that are not settled, or are being looked at.",
    "flights_in_memory": "Flights on sale and not long landed.",
    "disk_full": "1 while there is no room for the log and orders wait.",
    "holds_timed": "Claims held for travellers who make up their mind.",
    "holds_pledged": "Claims pledged, their decision not recorded here; those in doubt included.",
    "holds_in_doubt": "Pledges whose decision should be known by now.",
    "pledges_broken": "Pledges broken by force whose decision has not come to light.",
    "forced_mismatches": "Pledges broken by force that should have been sold, not acknowledged yet. An alarm.",
    "bookings_open": "Bookings held for their travellers.",
    "bookings_voting": "Bookings whose carriers' votes are collected.",
    "bookings_unsettled": "Bookings decided and not recorded by every carrier.",
    "bookings_in_conflict": "Bookings that another carrier's log contradicts. An alarm.",
}
EVIDENCE: Mapping[str, str] = {
    "log_events": "Events in the log, as its tree counts them.",
    "signed_events": "Events that the newest checkpoint covers.",
    "newest_checkpoint_cosignatures": "Carriers that have cosigned the newest checkpoint.",
    "logs_with_two_histories": "Carriers that have signed what cannot both be so. An alarm.",
}
PEERS: Mapping[str, str] = {
    "peer_silent_seconds": "For how long a carrier for whom something waits has not answered; 0 while it does.",
    "peer_messages_waiting": "Messages owed to a carrier.",
    "peer_messages_rejected": "Messages that bring an error back even when they are sent alone. An alarm.",
    "follower_lag_seconds": "Since a carrier's flights and free seats were heard last.",
}


def exposition(control: Control, evidence: Mapping[str, float]) -> bytes:
    """Everything, as text for Prometheus."""
    registry = CollectorRegistry()
    registry.register(Figures(control, evidence))
    ProcessCollector(registry=registry)  # resident memory, processor time, open files
    return generate_latest(registry)


class Figures(Collector):
    """This node's figures now. A name that ends in `_total` only ever grows."""

    def __init__(self, control: Control, evidence: Mapping[str, float]) -> None:
        """`evidence` is empty for a node that does not sign its log."""
        self._control = control
        self._evidence = evidence

    def collect(self) -> Iterator[Metric]:
        for name, value in {**self._control.figures(), **self._evidence}.items():
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(f"passcom_{name}", HELP.get(name) or EVIDENCE[name], value=value)
        for name, by_carrier in self._control.peer_figures().items():
            gauge = GaugeMetricFamily(f"passcom_{name}", PEERS[name], labels=["carrier"])
            for carrier, value in by_carrier.items():
                gauge.add_metric([carrier], value)
            yield gauge
        yield _histogram("order_seconds", "From a traveller's order to its answer.", {None: self._control.orders})
        yield _histogram("journal_write_seconds", "One batch, until it is on the disk.", {None: self._control.writes})
        requests = "One request to another carrier, whatever came of it."
        yield _histogram("peer_request_seconds", requests, self._control.requests)


def _histogram(name: str, text: str, timed: Mapping[CarrierCode, Timings] | Mapping[None, Timings]) -> Metric:
    family = HistogramMetricFamily(f"passcom_{name}", text, labels=[] if None in timed else ["carrier"])
    for carrier, timings in timed.items():
        labels = [] if carrier is None else [carrier]
        family.add_metric(labels, list(timings.cumulative()), timings.seconds)
    return family

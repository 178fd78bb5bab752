"""What an operator can see and do on this node. The API and the pages both speak to it; it decides nothing itself.

The ledger says what waits and why; who is unreachable, and when they are asked again, only the lines know.
"""

from collections.abc import Callable, Mapping, Sequence

from airline_node.figures import Timings
from airline_node.lines import Reach
from airline_node.network import Network
from airline_node.node import Node
from airline_node.peers import Peers
from ledger.messages import ForceMessage, Forcing, Refusal
from ledger.terms import BookingId, CarrierCode, FlightId, Millis
from ledger.waiting import Transaction, WaitState
from ui.operations import Vitals

ROUTINE = frozenset({WaitState.HELD, WaitState.OPEN, WaitState.PLEDGED, WaitState.VOTING})
"""What waits as it should: it is within its time, and ends by itself."""


class Control:
    """One node's, for its operators."""

    def __init__(
        self, carrier: CarrierCode, node: Node, peers: Peers, network: Network, now: Callable[[], Millis]
    ) -> None:
        self.carrier = carrier
        self._node = node
        self._peers = peers
        self._network = network
        self._now = now

    async def waiting(self) -> tuple[Transaction, ...]:
        """Everything that waits here, oldest first."""
        return (await self._node.transactions()).transactions

    async def resume(self) -> tuple[Transaction, ...]:
        """Whatever is owed is sent now and every pledge asks what became of it. To be had as often as one likes."""
        told = await self._node.resume()
        self._peers.wake()
        return told.transactions

    async def operate(self, command: ForceMessage) -> Forcing | Refusal:
        return await self._node.operate(command)

    def reach(self) -> Callable[[Transaction], tuple[tuple[CarrierCode, ...], Millis | None]]:
        """Tells, as things are now, who of those that one waits for is unreachable and when they are asked next."""
        silent = {carrier for carrier, reach in self._peers.reach().items() if reach.silent_since is not None}

        def of(one: Transaction) -> tuple[tuple[CarrierCode, ...], Millis | None]:
            unreachable = tuple(carrier for carrier in one.waits_for if carrier in silent)
            return unreachable, self._peers.next_try(one.flight or one.booking)

        return of

    def reached(self) -> Mapping[CarrierCode, Reach]:
        """How each other carrier can be reached."""
        return self._peers.reach()

    def flights_of(self, booking: BookingId) -> tuple[FlightId, ...]:
        """This carrier's flights in memory that know of a booking: that have sold to it, hold for it, or refused it."""
        return self._node.flights_of(booking)

    # ---- figures --------------------------------------------------------------------------------------------------

    def figures(self) -> Mapping[str, float]:
        return self._node.figures()

    def peer_figures(self) -> Mapping[str, Mapping[CarrierCode, float]]:
        """Gauges of each other carrier, as it looks from here."""
        now, reach = self._now(), self._peers.reach()
        return {
            "peer_silent_seconds": {
                carrier: max(0, now - (seen.silent_since or now)) / 1000 for carrier, seen in reach.items()
            },
            "peer_messages_waiting": {carrier: seen.waiting for carrier, seen in reach.items()},
            "peer_messages_rejected": {carrier: seen.rejected for carrier, seen in reach.items()},
            "follower_lag_seconds": self._network.lag(now),
        }

    def vitals(self) -> Vitals:
        """How this node is, as it tells the other carriers' operators."""
        figures, orders = self._node.figures(), self._node.orders
        p50, p99 = orders.percentile(0.5), orders.percentile(0.99)
        return Vitals(
            now=self._now(),
            inbox=int(figures["inbox_commands"]),
            holds=int(figures["holds_timed"] + figures["holds_pledged"]),
            in_doubt=int(figures["holds_in_doubt"]),
            unsettled=int(figures["bookings_unsettled"]),
            alarms=int(figures["bookings_in_conflict"] + figures["forced_mismatches"]),
            orders=orders.count,
            p50_ms=None if p50 is None else round(1000 * p50, 1),
            p99_ms=None if p99 is None else round(1000 * p99, 1),
        )

    @property
    def orders(self) -> Timings:
        """Travellers' orders and questions, from asked to answered."""
        return self._node.orders

    @property
    def writes(self) -> Timings:
        return self._node.writes

    @property
    def requests(self) -> Mapping[CarrierCode, Timings]:
        """To each other carrier."""
        return self._peers.requests


def unsettled(told: Sequence[Transaction]) -> list[Transaction]:
    """Those that should have come to rest: in doubt, decided and not recorded, or an alarm."""
    return [one for one in told if one.state not in ROUTINE]

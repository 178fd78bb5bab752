"""The node as its pages see it: the parts of `ui.desk.Desk`, on the node's own rooms."""

from airline_node.desk.bookings import NodeBookings
from airline_node.desk.history import NodeHistory
from airline_node.desk.house import NodeHouse
from airline_node.desk.log import NodeLog
from airline_node.desk.operations import NodeOperations
from airline_node.desk.sale import NodeSale

__all__ = ["NodeBookings", "NodeHistory", "NodeHouse", "NodeLog", "NodeOperations", "NodeSale"]

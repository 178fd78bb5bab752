"""For whoever runs this airline's node: how all three carriers are, what waits, and what may be done about it."""

from ui.operator.routes import ROOM

__all__ = ["ROOM"]

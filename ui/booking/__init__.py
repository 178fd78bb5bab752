"""An order from the press that holds its seats to the moment every airline has recorded it."""

from ui.booking.routes import ROOM

__all__ = ["ROOM"]

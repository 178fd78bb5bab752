"""My trips: a traveller's bookings at all airlines, those that do not answer named."""

from ui.trips.routes import ROOM

__all__ = ["ROOM"]

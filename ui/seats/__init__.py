"""Which seat on each flight: drawn from the aircraft, live while the page is open."""

from ui.seats.routes import ROOM

__all__ = ["ROOM"]

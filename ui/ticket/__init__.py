"""A bought itinerary: its tickets, its boarding codes, its calendar, its history, and giving it back.

refund.py     what comes back, and by which rule
boarding.py   the code that is scanned at the gate
calendar.py   the itinerary for a traveller's own calendar
history.py    what has happened, in plain words
routes.py     the pages
"""

from ui.ticket.routes import ROOM

__all__ = ["ROOM"]

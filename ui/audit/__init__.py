"""For auditors: the log event by event, a flight's seats at any instant, and what carriers owe one another."""

from ui.audit.routes import ROOM

__all__ = ["ROOM"]

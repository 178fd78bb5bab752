"""From where, to where, when, how many: the start page and what a search finds."""

from ui.search.routes import ROOM

__all__ = ["ROOM"]

"""What a room of the site hands in: its pages, and what it puts into the frame of every page."""

from dataclasses import dataclass
from typing import NamedTuple

from ui.guard import Page
from ui.page import ContextOf


class Route(NamedTuple):
    method: str
    path: str
    page: Page


@dataclass(frozen=True, kw_only=True)
class Room:
    """`header` is a template that every page's header includes; `context` tells it, per request, what it needs."""

    routes: tuple[Route, ...]
    header: str = ""
    context: ContextOf | None = None

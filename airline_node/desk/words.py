"""What keeps the node from doing what a page asks, in the words that every page understands."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from airline_node.journal import JournalTrouble
from airline_node.node import Busy, Stopped
from airline_node.vault import VaultTrouble
from ui.desk import DeskClosed, DeskUnsure

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def in_the_pages_words() -> Iterator[None]:
    try:
        yield
    except Busy as trouble:
        raise DeskClosed(str(trouble)) from trouble
    except (VaultTrouble, JournalTrouble) as trouble:
        # They are asked before the node is, or only read: nothing was ordered yet.
        raise DeskClosed(str(trouble)) from trouble
    except Stopped as trouble:
        raise DeskUnsure(str(trouble)) from trouble


def for_pages(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """A method that pages call."""

    @wraps(method)
    async def told(*args: P.args, **kwargs: P.kwargs) -> T:
        with in_the_pages_words():
            return await method(*args, **kwargs)

    return told

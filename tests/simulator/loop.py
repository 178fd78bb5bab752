"""Virtual time: an event loop on which hours pass in no time, in an order that the seed decides, and processes die.

Time stands still while anything is ready and then jumps to the next timer. What is ready at one moment runs in an order
drawn from the seed, which is more than asyncio allows itself and shows who leans on it. Every callback belongs to the
`Life` in whose context it was made, as tasks and timers inherit it. A life that is over never takes another step: no
`except` and no `finally` of it runs, as after a kill -9.
"""

import asyncio
from asyncio import base_events
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STEPS_MAX = 400_000
"""A world that takes more is going round in circles."""
ROUNDS_MAX = 100
"""So often a task may refuse to end."""
THREAD_S_MAX = 0.02
"""How long what is given to a thread takes, at most."""


class Life:
    """One process, from its start to its end. `doom` makes it end after so many more steps of its own."""

    def __init__(self, loop: "VirtualLoop", owner: object = None) -> None:
        self.owner = owner
        self.over = False
        self.doomed_in: int | None = None
        self._loop = loop
        self._fall: Callable[[], None] = self.end
        self.context = copy_context()
        self.context.run(LIFE.set, self)

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """A task of this process."""
        return self._loop.create_task(work, context=self.context)

    def doom(self, steps: int, fall: Callable[[], None]) -> None:
        """After so many steps `fall` is called, which ends it."""
        self.doomed_in, self._fall = steps, fall

    def end(self) -> None:
        """Nothing of it runs from now on."""
        self.over = True

    def stepped(self) -> None:
        if self.doomed_in is not None:
            self.doomed_in -= 1
            if self.doomed_in <= 0:
                self.doomed_in = None
                self._fall()


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


def _keep_fault(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A callback that raises is a bug. What else asyncio reports here is about tasks that nobody waits for any more."""
    assert isinstance(loop, VirtualLoop)
    if "handle" in context:
        loop.fail(context["exception"])


class VirtualLoop(base_events.BaseEventLoop):
    """`fatal` ends the run: it is raised from the loop itself, whatever the code that met it would have made of it."""

    _ready: Any  # the base class's own: a deque of handles

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.fatal: BaseException | None = None
        self._mourning = False
        self._dead: list[asyncio.Handle] = []
        self.steps = 0
        self._chance = chance
        self._time = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = count()
        self._tasks: list[asyncio.Future[Any]] = []
        self.set_exception_handler(_keep_fault)

    def fail(self, fault: BaseException) -> None:
        """The first one counts, and none once all is over."""
        if self.fatal is None and not self._mourning:
            self.fatal = fault

    def time(self) -> float:
        return self._time

    @property
    def quiet(self) -> bool:
        """Nothing is ready and nothing will ever be: who asks is the only one that runs."""
        return not self._ready and all(timer.cancelled() for _, _, timer in self._timers)

    def bury(self) -> None:
        """When all is over: let every task end after all, those of the dead too, and close the loop."""
        self._mourning, self.fatal = True, None
        self._ready += self._dead
        for _ in range(ROUNDS_MAX):
            pending = [task for task in self._tasks if not task.done()]
            if not pending:
                break
            for task in pending:
                task.cancel()
            self.run_until_complete(asyncio.wait(pending, timeout=1))
        self._tasks.clear()
        self.close()

    # Every task is kept to the end: were one of the dead collected, its `finally` would run.
    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        task = super().create_task(coro, name=name, context=context)
        self._tasks.append(task)
        return task

    # With a heap of our own: comparing its tuples is quicker than comparing handles, and ties have an order.
    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, next(self._count), timer))
        return timer

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """In this very thread, a little later."""
        done: asyncio.Future[T] = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except Exception as fault:
                if not done.done():
                    done.set_exception(fault)
            else:
                if not done.done():
                    done.set_result(result)

        self.call_later(self._chance.random() * THREAD_S_MAX, work)
        return done

    # ---- what BaseEventLoop leaves to a loop -------------------------------------------------------------------------

    def _run_once(self) -> None:
        ready = self._ready
        self._pass_time()
        if len(ready) > 1:
            self._chance.shuffle(ready)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if self.fatal:
                raise self.fatal
            if not handle._cancelled:
                self._step(handle)

    def _step(self, handle: Any) -> None:
        self.steps += 1
        life = handle._context.get(LIFE)
        if life is None:
            handle._run()
        elif life.over and not self._mourning:
            self._dead.append(handle)
        else:
            handle._run()
            life.stepped()

    def _pass_time(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not self._ready:
            assert timers, "everybody waits, and nothing is to come"
            assert self.steps < STEPS_MAX or self._mourning, f"no end after {STEPS_MAX:,} steps"
            self._time = max(self._time, timers[0][0])
        while timers and timers[0][0] <= self._time:
            _, _, timer = heappop(timers)
            if not timer.cancelled():
                self._ready.append(timer)

    def _process_events(self, event_list: object) -> None:
        assert not event_list, "there is nothing to select from"

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector that had to be woken."""

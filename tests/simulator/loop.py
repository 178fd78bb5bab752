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
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STEPS_MAX = 400_000
"""A world that takes more is going round in circles."""
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
        """A doomed one has taken a step."""
        assert self.doomed_in is not None
        self.doomed_in -= 1
        if self.doomed_in <= 0:
            self.doomed_in = None
            self._fall()


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class Step(asyncio.Handle):
    """asyncio's own, without what that keeps for those who look for faults: a run makes millions of them."""

    __slots__ = ()

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...], context: Context | None) -> None:
        self._callback: Callable[..., object] | None = callback
        self._args: Any = args
        self._context = copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None


class Timer(asyncio.TimerHandle):
    """The same, at a time of the loop."""

    __slots__ = ()

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[object, ...], context: Context | None
    ) -> None:
        self._when = when
        self._callback: Callable[..., object] | None = callback
        self._args: Any = args
        self._context = copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None


class VirtualLoop(base_events.BaseEventLoop):
    """`fatal` ends the run: it is raised from the loop itself, whatever the code that met it would have made of it."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.fatal: BaseException | None = None
        self.steps = 0
        self._mourning = False
        self._dead: list[asyncio.Handle] = []
        self._chance = chance
        self._time = 0.0
        self._ready: Any = []  # where the base class has a deque: no order is given up by taking all of it at once
        self._turns: list[Any] = []  # of those that were ready together, who is still to run
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = count()
        self._tasks: list[asyncio.Task[Any]] = []
        # What asyncio reports besides is about tasks that nobody waits for any more.
        self.set_exception_handler(lambda _loop, _report: None)

    def fail(self, fault: BaseException) -> None:
        """The first one counts, and none once all is over."""
        if self.fatal is None and not self._mourning:
            self.fatal = fault

    def time(self) -> float:
        return self._time

    @property
    def quiet(self) -> bool:
        """Nothing is ready and nothing will ever be: who asks is the only one that runs."""
        return not self._ready and not self._turns and all(timer._cancelled for _, _, timer in self._timers)

    def bury(self) -> None:
        """When all is over: end what was begun and never ended, of the dead too, in the order in which it was begun."""
        self._mourning = True
        for task in self._tasks:
            if not task.done():
                with suppress(BaseException):  # It may refuse: nobody goes on to hear of it.
                    task.get_coro().close()
        self._tasks.clear()
        self.close()

    # Every task is kept to the end: were one of the dead collected, its `finally` would run.
    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=None if name is None else str(name), context=context)
        self._tasks.append(task)
        return task

    # ---- what is to be done, and when: as the base class does it, and quicker ---------------------------------------

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        step = Step(callback, args, context)
        self._ready.append(step)
        return step

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._time + delay, callback, *args, context=context)

    # With a heap of our own: comparing its tuples is quicker than comparing handles, and ties have an order.
    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = Timer(when, callback, args, context)
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
        """Everything that is ready now, in an order that the seed decides."""
        self._pass_time()
        self._turns, self._ready = self._ready, []
        if len(self._turns) > 1:
            random = self._chance.random
            self._turns.sort(key=lambda _step: random())
        while self._turns:
            step = self._turns.pop()
            if self.fatal is not None:
                raise self.fatal
            if not step._cancelled:
                self._take(step, step._context)

    def _take(self, step: Any, context: Context) -> None:
        self.steps += 1
        life = context.get(LIFE)
        if life is not None and life.over and not self._mourning:
            self._dead.append(step)
            return
        try:
            context.run(step._callback, *step._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as fault:  # A callback that raises is a bug.
            self.fail(fault)
        if life is not None and life.doomed_in is not None:
            life.stepped()

    def _pass_time(self) -> None:
        timers, ready = self._timers, self._ready
        while timers and timers[0][2]._cancelled:
            heappop(timers)
        if not ready:
            assert timers, "everybody waits, and nothing is to come"
            assert self.steps < STEPS_MAX, f"no end after {STEPS_MAX:,} steps"
            self._time = max(self._time, timers[0][0])
        while timers and timers[0][0] <= self._time:
            timer = heappop(timers)[2]
            if not timer._cancelled:
                ready.append(timer)

    def _process_events(self, event_list: object) -> None:
        assert not event_list, "there is nothing to select from"

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector that had to be woken."""

"""Blocking work in threads, in as few of them as get on with it.

Threads of Python take turns. A thread that waits for a file lets the others go on, and to get its turn back costs more
than most work with small files does: a dozen such jobs are done sooner by one thread than by eight.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
import sniffio

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable

__all__ = ["Threads"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

#: A thread that is at work tells what it has done so often. More often costs more turns; less often, and those who wait
#: for one job each all go on at the same moment.
TELL_EVERY_S: Final = 0.003
#: Between two looks at how the threads get on. For so long the end of a job can be kept back by the job after it.
LOOK_EVERY_S: Final = 0.02
#: When at the pace of the last look the jobs that wait would wait for longer, one more thread helps.
LONGEST_WAIT_S: Final = 0.1


class Threads:
    """Does jobs in the order of their arrival, in up to `most` threads. Everything here belongs to one loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[_AnyJob] = deque()
        self._done: deque[_AnyJob] = deque()
        self._at_work = 0
        self._begun = 0
        self._begun_before = 0
        self._watched = False

    def close(self) -> None:
        """Let the threads go; jobs that have come go on to their end. A later job has threads made anew."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    async def run(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """What `work` returns or raises; whoever waits for it is cancelled after it."""
        if sniffio.current_async_library() != "asyncio":
            return await anyio.to_thread.run_sync(work, *args)
        loop = asyncio.get_running_loop()
        job = _Job(partial(work, *args), loop)
        self._waiting.append(job)
        if not self._at_work:
            self._send_thread(loop)
        if not self._watched:
            self._watch(loop)
        try:
            return await job.outcome
        finally:
            if not job.told:
                with anyio.CancelScope(shield=True):
                    await job.end(loop)

    def _send_thread(self, loop: AbstractEventLoop) -> None:
        self._at_work += 1
        # In the next turn of the loop: what the other tasks of this turn want done goes along.
        loop.call_soon(self._set_to_work, loop)

    def _set_to_work(self, loop: AbstractEventLoop) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, "acomps")
        self._pool.submit(self._work_off, loop)

    def _work_off(self, loop: AbstractEventLoop) -> None:
        """In a thread: all that waits. The loop is called now and then, not for each."""
        called = time.monotonic()
        # Another thread may take the last job between the question and the answer; and when the loop is closed by now,
        # nobody waits.
        with contextlib.suppress(IndexError, RuntimeError):
            while self._waiting:
                job = self._waiting.popleft()
                self._begun += 1
                job.do()
                self._done.append(job)
                if time.monotonic() - called > TELL_EVERY_S:
                    loop.call_soon_threadsafe(self._tell)
                    called = time.monotonic()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._come_back, loop)

    def _come_back(self, loop: AbstractEventLoop) -> None:
        self._at_work -= 1
        self._tell()
        if self._waiting and not self._at_work:
            self._send_thread(loop)

    def _tell(self) -> None:
        while self._done:
            self._done.popleft().tell()

    def _watch(self, loop: AbstractEventLoop) -> None:
        self._watched = True
        self._begun_before = self._begun
        loop.call_later(LOOK_EVERY_S, self._look, loop)

    def _look(self, loop: AbstractEventLoop) -> None:
        self._watched = False
        self._tell()
        if not self._at_work:
            return
        begun = self._begun - self._begun_before
        slow = len(self._waiting) * LOOK_EVERY_S > begun * LONGEST_WAIT_S
        if slow and self._at_work < self._most:
            self._send_thread(loop)
        self._watch(loop)


class _AnyJob(Protocol):
    def do(self) -> None: ...

    def tell(self) -> None: ...


class _Job(Generic[T]):
    """Some work, and what came of it: `do` is for a thread, everything else for the loop."""

    __slots__ = ("_ended", "_failure", "_result", "_work", "outcome", "told")

    def __init__(self, work: Callable[[], T], loop: AbstractEventLoop) -> None:
        self._work = work
        self._result: list[T] = []
        self._failure: BaseException | None = None
        self._ended: Future[None] | None = None
        self.outcome: Future[T] = loop.create_future()
        self.told = False

    def do(self) -> None:
        """The work itself."""
        try:
            self._result.append(self._work())
        except BaseException as exc:
            # Whatever it is, it goes to whoever waits; else they would wait for ever.
            self._failure = exc

    def tell(self) -> None:
        """Hand the outcome over; the work has ended."""
        self.told = True
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        if self.outcome.done():
            return
        if self._failure is None:
            self.outcome.set_result(self._result[0])
        else:
            self.outcome.set_exception(self._failure)

    def end(self, loop: AbstractEventLoop) -> Future[None]:
        """What is done when the work has ended, for one who does not want its outcome any more."""
        self._ended = loop.create_future()
        return self._ended

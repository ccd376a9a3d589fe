"""A fixed number of tasks for two kinds of work: items come in, and what is found to do for them is done first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import sniffio

from acomps.streams import task_group

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

__all__ = ["Crew"]

S = TypeVar("S")
T = TypeVar("T")


class Crew(Generic[S, T]):
    """`survey` says what is to do for an item, `work` does one such thing, `most` of both are under way at once.

    Items are read by a task of their own, a few ahead. What was found waits for whoever is free, so never more of it
    is held than `most` surveys have found.
    """

    def __init__(
        self,
        survey: Callable[[S], Awaitable[Sequence[T]]],
        work: Callable[[T], Awaitable[object]],
        most: int,
    ) -> None:
        self._survey, self._work, self._most = survey, work, most
        self._items: deque[S] = deque()
        self._found: deque[T] = deque()
        self._surveying = 0
        self._all_read = False
        self._idle: deque[anyio.Event] = deque()
        self._room = anyio.Event()

    async def run(self, items: AsyncIterable[S]) -> None:
        """Do all that there is to do; the first error ends it."""
        async with task_group() as tasks:
            tasks.start_soon(self._read, items)
            for _ in range(self._most):
                tasks.start_soon(self._member)

    async def _read(self, items: AsyncIterable[S]) -> None:
        async for item in items:
            self._items.append(item)
            self._wake(1)
            if len(self._items) >= self._most:
                # Until half of them are gone: to be woken for each would cost more than to read it.
                self._room = anyio.Event()
                await self._room.wait()
        self._all_read = True
        self._wake_at_the_end()

    async def _member(self) -> None:
        # Else each step of anyio would look for the running task to learn what loop this is: a tenth of a harvest. Not
        # where items are read: their source is somebody else's, and may start threads with loops of their own.
        sniffio.current_async_library_cvar.set(sniffio.current_async_library())
        while True:
            if self._found:
                await self._work(self._found.popleft())
            elif self._items:
                await self._next()
            elif self._all_found:
                return
            else:
                await self._something_to_do()

    async def _next(self) -> None:
        item = self._items.popleft()
        if len(self._items) <= self._most // 2:
            self._room.set()
        self._surveying += 1
        try:
            found = await self._survey(item)
        finally:
            self._surveying -= 1
        self._found.extend(found)
        # The first of them is for the one who found them.
        self._wake(len(found) - 1)
        self._wake_at_the_end()

    async def _something_to_do(self) -> None:
        # When one is cancelled here, all are.
        call = anyio.Event()
        self._idle.append(call)
        await call.wait()

    def _wake(self, count: int) -> None:
        for _ in range(min(count, len(self._idle))):
            self._idle.popleft().set()

    def _wake_at_the_end(self) -> None:
        if self._all_found:
            self._wake(len(self._idle))

    @property
    def _all_found(self) -> bool:
        return self._all_read and not self._items and not self._surveying

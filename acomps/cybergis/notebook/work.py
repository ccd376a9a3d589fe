"""What a click begins and does not wait for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from acomps.errors import AcompsError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Work"]


class Work:
    """Tasks of a notebook's widgets; `failed` hears of errors that somebody can do something about."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Do this beside everything else. No task group could own it: the click that asks for it is over at once."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def done(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await self.done()

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except AcompsError as exc:
            self._failed(str(exc))

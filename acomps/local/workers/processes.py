"""Processes that work items wait for: an executor's reports, handed to whoever waits."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

    from acomps.local.executors import Ending, Executor, Task

__all__ = ["Processes"]


class Processes:
    """Runs one process per work item, and knows those that an earlier service has started."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._over: dict[str, anyio.Event] = {}
        self._endings: dict[str, Ending] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """While it is entered, processes can be started; leaving it ends all of them."""
        async with self._executor.running(self):
            yield

    async def adopt(self, item_ids: Collection[str]) -> set[str]:
        """Take over the processes of those items that have one, running or ended; the answer names the items."""
        found = await self._executor.adopt(dict.fromkeys(item_ids, 1))
        for item_id in found:
            self._over.setdefault(item_id, anyio.Event())
        return found

    async def run(self, task: Task) -> Ending:
        """The end of the task's process, which is started unless it was taken over. Cancelling ends the process."""
        item_id = task.job_id
        try:
            if item_id not in self._over:
                self._over[item_id] = anyio.Event()
                with anyio.CancelScope(shield=True):
                    # A half-started process would be nobody's.
                    await self._executor.start([task])
            await self._over[item_id].wait()
        except anyio.get_cancelled_exc_class():
            self._executor.cancel([item_id])
            with anyio.CancelScope(shield=True):
                # The executor forces it after its grace.
                await self._over[item_id].wait()
            raise
        return self._endings[item_id]

    def forget(self, item_id: str) -> None:
        """The end of the item is on record. Blocks."""
        self._over.pop(item_id, None)
        self._endings.pop(item_id, None)
        self._executor.forget([item_id])

    def submitted(self, job_ids: Collection[str], cluster_id: int) -> None:
        """See `Reports`; nothing depends on it."""

    def started(self, job_id: str, at_s: float | None = None) -> None:
        """See `Reports`; the item is in Running already."""

    def ended(self, ending: Ending) -> None:
        """See `Reports`."""
        self._endings[ending.job_id] = ending
        self._over.setdefault(ending.job_id, anyio.Event()).set()

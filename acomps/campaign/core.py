"""What all methods of a store go through: opening it, the batch of the task that calls, the turn to add."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import anyio

from acomps.campaign.batches import CURRENT, Batch
from acomps.campaign.errors import WorkflowBatchUpdateFailedError
from acomps.campaign.ledger import CHECKPOINT_BYTES, Ledger
from acomps.campaign.times import Times

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from acomps.campaign.change import Change
    from acomps.campaign.layout import Layout
    from acomps.campaign.state import State
    from acomps.campaign.workflow import Workflow

__all__ = ["StoreCore"]

_NONE: Final[Mapping[int, Batch]] = MappingProxyType({})


class StoreCore(ABC):
    """A store that opens itself when it is first used, and owns its folder until it is closed."""

    def __init__(self, workflow: Workflow, *, checkpoint_bytes: int = CHECKPOINT_BYTES) -> None:
        self._workflow = workflow
        self._times = Times(workflow.ts_fmt)
        self._checkpoint_bytes = checkpoint_bytes
        self._open_ledger: Ledger | None = None
        self._opening = anyio.Lock()
        #: Only one batch at a time gives out indices, so that what it does not commit leaves no gap.
        self._adding = anyio.Semaphore(1, fast_acquire=True)

    @classmethod
    @abstractmethod
    def _layout(cls) -> Layout:
        """The form of its checkpoints."""

    async def commit_pending(self) -> None:
        """Bring the changes of this task's batch to the disk, all or none. The batch goes on, empty."""
        batch = self._batch()
        if batch is not None:
            try:
                changes = batch.hand_over()
            finally:
                self._end_turn(batch)
            if changes:
                await (await self._ledger()).write(changes)

    async def save(self) -> None:
        """Commit what is pending, unless this task is in a batch: its end does that."""
        if self._batch() is None:
            await self.commit_pending()

    def reject_pending(self) -> None:
        """Forget the changes of this task's batch."""
        self.clear_pending()

    def clear_pending(self) -> None:
        """Forget the changes of this task's batch."""
        batch = self._batch()
        if batch is not None:
            batch.drop()
            self._end_turn(batch)

    @property
    def has_pending(self) -> bool:
        """Whether this task's batch has changes that are not committed."""
        batch = self._batch()
        return batch is not None and bool(batch.changes)

    @asynccontextmanager
    async def _batched(self) -> AsyncGenerator[bool]:
        """A batch of this task; tells whether it is a new one, for in a batch it is the one there is."""
        if self._batch() is not None:
            yield False
            return
        batch = Batch(await self._ledger())
        token = CURRENT.set({**CURRENT.get(_NONE), id(self): batch})
        try:
            yield True
            if batch.changes:
                if await (await self._ledger()).modified():
                    raise WorkflowBatchUpdateFailedError(
                        f"another program changed the files in {self._workflow.path} since they were read: "
                        "nothing of this batch was written; close the store and open it again"
                    )
                await self.commit_pending()
        finally:
            batch.open = False
            batch.drop()
            self._end_turn(batch)
            CURRENT.reset(token)

    async def _ledger(self) -> Ledger:
        """The open store."""
        if self._open_ledger is None:
            async with self._opening:
                if self._open_ledger is None:
                    self._open_ledger = await Ledger.open(
                        self._workflow.path, self._layout(), self._times, self._checkpoint_bytes
                    )
        return self._open_ledger

    def _batch(self) -> Batch | None:
        """The batch of this task, if it is in one."""
        batch = CURRENT.get(_NONE).get(id(self))
        return batch if batch is not None and batch.open else None

    async def _state(self) -> State:
        """The tables as this task sees them."""
        ledger = self._open_ledger or await self._ledger()
        batch = self._batch()
        return ledger.state if batch is None else batch.state

    async def _change(self, change: Change) -> int:
        """Make a change: in the batch of this task, or on the disk by the time that this returns.

        Gives the index of the last parameter after it.
        """
        ledger = self._open_ledger or await self._ledger()
        batch = self._batch()
        if batch is not None and change.adds and not batch.adding:
            batch = await self._begun_turn(batch)
        if batch is not None:
            batch.make(change)
            return len(batch.state.sources) - 1
        if change.adds:
            async with self._adding:
                ledger.make([change])
                last = len(ledger.state.sources) - 1
        else:
            ledger.make([change])
            last = len(ledger.state.sources) - 1
        await ledger.write([change])
        return last

    async def _begun_turn(self, batch: Batch) -> Batch | None:
        """The batch, when it is its turn to add; None if it has been closed meanwhile."""
        async with batch.beginning:
            if batch.open and not batch.adding:
                await self._adding.acquire()
                batch.adding = True
                if not batch.open:
                    self._end_turn(batch)
                else:
                    batch.catch_up()
        return batch if batch.open else None

    def _end_turn(self, batch: Batch) -> None:
        if batch.adding:
            batch.adding = False
            self._adding.release()

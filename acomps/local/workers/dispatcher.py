"""The dispatcher: brings commissioned work items to their workers and to their end, one recorded step after the other.

Created -> CommissionRequested -> Commissioned -> Validating -> Running -> Succeeded | Failed
Running -> Waiting -> ResumeRequested -> Resumed -> Running
any of these -> CancelRequested -> Canceling -> Canceled
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from acomps.entities.states import WorkItemState
from acomps.local.errors import Refused
from acomps.local.work import workdirs
from acomps.local.workers import Outcome
from acomps.local.workers.ledger import Ledger
from acomps.local.workers.preparing import Preparer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from anyio.abc import TaskGroup

    from acomps.local.core import Core
    from acomps.local.workers import Worker
    from acomps.local.workers.ledger import Claimed
    from acomps.local.workers.processes import Processes
    from acomps.local.workers.registry import Workers

__all__ = ["AT_ONCE", "Dispatcher"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

_log = logging.getLogger("acomps.local")

#: So many work items are at work at the same time. They are not counted among the cores of the simulations: an item
#: that waits for simulations must not keep them from running.
AT_ONCE: Final = 16
#: While an item waits for others, the records are looked at this often.
LOOK_EVERY_S: Final = 0.5
#: ... or, when so many wait that a look takes long, after a pause of so many times as long.
LOOK_SHARE: Final = 10
#: After a step that failed (a full disk, say) the next try waits this long.
TRY_AGAIN_S: Final = 1.0


class Dispatcher:
    """One loop lets items take their steps; each item that is at work has a task of its own."""

    def __init__(self, core: Core, workers: Workers, processes: Processes) -> None:
        self._core = core
        self._workers = workers
        self._processes = processes
        self._ledger = Ledger(core, workers)
        self._preparer = Preparer(core)
        #: One for the records, so that steps are recorded in their order; the others for all other work.
        self._records = anyio.CapacityLimiter(1)
        self._threads = anyio.CapacityLimiter(4)
        self._active: dict[str, anyio.CancelScope] = {}
        self._interrupted: dict[str, Worker | None] = {}
        self._news = anyio.Event()
        self._settled = False

    def wake(self) -> None:
        """There may be something to do."""
        self._settled = False
        self._news.set()

    @property
    def idle(self) -> bool:
        """True when nothing is at work; items that wait for others or for a worker do not count."""
        return self._settled and not self._active

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Work while this is entered. At the end what is at work is ended, and put back on record."""
        async with self._processes.running(), anyio.create_task_group() as group:
            await self._recover(group)
            group.start_soon(self._keep_records, group)
            self.wake()
            try:
                yield
            finally:
                group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._record(self._ledger.put_back, self._interrupted)
            for item_id, worker in self._interrupted.items():
                if worker is not None:
                    await self._job(worker.forget, item_id)

    async def _recover(self, group: TaskGroup) -> None:
        ran = await self._record(self._ledger.recover)
        adopted = await self._processes.adopt([claimed.id for claimed in ran])
        for claimed in ran:
            # What is to be cancelled and has no process has nothing that could be ended.
            if claimed.id in adopted or claimed.state == WorkItemState.RUNNING:
                self._begin(group, claimed, adopted=claimed.id in adopted)

    async def _keep_records(self, group: TaskGroup) -> None:
        while True:
            self._news = anyio.Event()
            began = time.monotonic()
            try:
                standing = await self._record(self._ledger.settle, list(self._active), AT_ONCE - len(self._active))
            except Exception:
                _log.exception("a step of the dispatcher failed and is tried again")
                await anyio.sleep(TRY_AGAIN_S)
                continue
            for item_id in standing.cancel:
                self._active[item_id].cancel()
            for claimed in standing.begin:
                self._begin(group, claimed)
            if standing.moved:
                continue
            self._settled = not self._news.is_set()
            pause_s = max(LOOK_EVERY_S, LOOK_SHARE * (time.monotonic() - began))
            with anyio.move_on_after(pause_s if standing.waiting else None):
                await self._news.wait()

    def _begin(self, group: TaskGroup, claimed: Claimed, *, adopted: bool = False) -> None:
        self._active[claimed.id] = anyio.CancelScope()
        group.start_soon(self._bring, claimed, adopted)

    async def _bring(self, claimed: Claimed, adopted: bool) -> None:
        """Bring one item to its end, to its cancellation, or to where it waits."""
        outcome: Outcome | None = Outcome(state=WorkItemState.CANCELED)
        try:
            with self._active[claimed.id]:
                outcome = await self._outcome(claimed, adopted)
            if outcome is not None:
                await self._record_end(claimed, outcome)
        except anyio.get_cancelled_exc_class():
            self._interrupted[claimed.id] = self._workers.get(claimed.worker)
            raise
        finally:
            del self._active[claimed.id]
            self.wake()

    async def _outcome(self, claimed: Claimed, adopted: bool) -> Outcome | None:
        """How the worker's work ended; None when the item waits or was cancelled before it ran."""
        try:
            worker = self._workers.get(claimed.worker)
            if worker is None:
                return Outcome(state=WorkItemState.FAILED, message=self._workers.missing(claimed.worker))
            if claimed.state == WorkItemState.VALIDATING:
                await self._job(self._validate, claimed, worker)
            item = await self._job(self._preparer.item, claimed)
            if not adopted:
                if claimed.state != WorkItemState.RUNNING and not await self._record(
                    self._ledger.start, claimed.id, claimed.state, item.directory
                ):
                    return None
                if claimed.state != WorkItemState.RESUMED and await self._record(
                    self._ledger.wait_if_blocked, claimed.id
                ):
                    return None
            outcome = await worker.work(item)
            if outcome.state == WorkItemState.WAITING:
                await self._record(self._ledger.wait, claimed.id, outcome.message)
                return None
        except Refused as exc:
            return Outcome(state=WorkItemState.FAILED, message=exc.message)
        except OSError as exc:
            return Outcome(state=WorkItemState.FAILED, message=f"the service could not work on this item: {exc}")
        except Exception:
            _log.exception("the worker %s failed on work item %s", claimed.worker, claimed.id)
            reason = "the service failed on this work item; its log has the reason"
            return Outcome(state=WorkItemState.FAILED, message=reason)
        return outcome

    def _validate(self, claimed: Claimed, worker: Worker) -> None:
        worker.check(self._preparer.prepare(claimed))

    async def _record_end(self, claimed: Claimed, outcome: Outcome) -> None:
        """Record an end, however often it takes."""
        while True:
            try:
                await self._job(self._end, claimed, outcome)
            except Exception:
                _log.exception("the end of work item %s could not be recorded and is tried again", claimed.id)
                await anyio.sleep(TRY_AGAIN_S)
            else:
                return

    def _end(self, claimed: Claimed, outcome: Outcome) -> None:
        try:
            size = workdirs.size_of(self._preparer.item(claimed).directory)
        except Refused:
            size = 0  # Its environment does not exist any more.
        self._ledger.end(claimed.id, outcome.state, outcome.message, size)
        worker = self._workers.get(claimed.worker)
        if worker is not None:
            worker.forget(claimed.id)

    async def _record(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """A step of the records, one at a time."""
        return await anyio.to_thread.run_sync(work, *args, limiter=self._records)

    async def _job(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Other blocking work, in a thread."""
        return await anyio.to_thread.run_sync(work, *args, limiter=self._threads)

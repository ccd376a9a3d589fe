"""The scheduler: brings commissioned simulations to their end, one recorded step after the other (protocol 10.1)."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from acomps.local.executors import Ending
from acomps.local.work.ledger import Changes, Ledger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from acomps.local.core import Core
    from acomps.local.executors import Executor, Task
    from acomps.local.work.provisioning import Commissioned, Provisioner

__all__ = ["Scheduler"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

_log = logging.getLogger("acomps.local")

#: Steps are gathered for this long before they are recorded together.
GATHER_S: Final = 0.02
#: After a step that failed (a full disk, say) the next try waits this long.
TRY_AGAIN_S: Final = 1.0


class Scheduler:
    """Two loops: one starts tasks the moment there is room, the other records steps and finds out what is next.

    What the loops know beyond the records is in `_changes` (not yet recorded), `_begun` (started here, end not
    recorded) and `_claimed` (to be provisioned); all of it belongs to the event loop's thread.
    """

    def __init__(self, core: Core, executor: Executor, provisioner: Provisioner) -> None:
        self._core = core
        self._executor = executor
        self._provisioner = provisioner
        self._ledger = Ledger(core)
        self._threads = anyio.CapacityLimiter(1)
        self._changes = Changes()
        self._begun: set[str] = set()
        self._ready: list[Task] = []
        self._claimed: list[Commissioned] = []
        self._news = anyio.Event()
        self._room = anyio.Event()
        self._settled = False

    def wake(self) -> None:
        """There may be something to do."""
        self._settled = False
        self._news.set()

    @property
    def idle(self) -> bool:
        """True when nothing is queued, running or waiting to be recorded."""
        return self._settled and not self._begun and not self._ready

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Work while this is entered. At the end the executor ends what runs, and that is recorded too."""
        async with self._executor.running(self._ended):
            await self._recover()
            async with anyio.create_task_group() as group:
                group.start_soon(self._start_tasks)
                group.start_soon(self._keep_records)
                try:
                    yield
                finally:
                    group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._settle(claim=False)

    async def _recover(self) -> None:
        open_jobs, running = await self._job(self._ledger.recover)
        adopted = await self._executor.adopt(open_jobs)
        self._begun |= adopted
        self._changes.started.extend((job_id, self._core.now()) for job_id in adopted - running)
        for job_id in running - adopted:
            reason = "the service ended while this attempt ran, and how the attempt ended is not known"
            self._ended(Ending(job_id=job_id, lost=True, reason=reason))

    def _ended(self, ending: Ending) -> None:
        self._changes.ended.append((ending, self._core.now()))
        self._room.set()
        self._news.set()

    async def _start_tasks(self) -> None:
        while True:
            await self._room.wait()
            self._room = anyio.Event()
            while self._ready and self._executor.has_room(self._ready[0].cores):
                task = self._ready.pop(0)
                self._begun.add(task.job_id)
                self._changes.started.append((task.job_id, self._core.now()))
                with anyio.CancelScope(shield=True):
                    # A half-started process would be nobody's.
                    await self._executor.start(task)
                self._news.set()

    async def _keep_records(self) -> None:
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            try:
                await self._settle(claim=True)
                await anyio.sleep(GATHER_S)
            except Exception:
                _log.exception("a step of the scheduler failed and is tried again")
                self._news.set()
                await anyio.sleep(TRY_AGAIN_S)

    async def _settle(self, *, claim: bool) -> None:
        """Record what has happened, begin what is next; what could not be recorded is kept for the next time."""
        changes, self._changes = self._changes, Changes()
        try:
            standing = await self._job(lambda: self._ledger.settle(changes, claim=claim and not self._claimed))
        except BaseException:
            newer, self._changes = self._changes, changes
            self._changes.started.extend(newer.started)
            self._changes.ended.extend(newer.ended)
            self._changes.provisioned.extend(newer.provisioned)
            raise
        self._claimed += standing.commissioned
        recorded = {ending.job_id for ending, _ in changes.ended}
        await self._job(lambda: self._executor.forget(recorded))
        self._begun -= recorded
        still_open = self._begun | {ending.job_id for ending, _ in self._changes.ended}
        self._ready = [task for task in standing.ready if task.job_id not in still_open and task.job_id not in recorded]
        for job_id in standing.cancel:
            self._cancel(job_id)
        self._room.set()
        if self._claimed and claim:
            provisioned = await self._job(self._provisioner.provision, self._claimed)
            self._changes.provisioned.extend(provisioned)
            self._claimed = []
            self._news.set()
        elif not self._news.is_set():
            self._settled = True

    def _cancel(self, job_id: str) -> None:
        if job_id in self._begun:
            self._executor.cancel(job_id)
        else:
            self._ended(Ending(job_id=job_id, canceled=True))

    async def _job(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Blocking work of the scheduler, in a thread of its own, one piece at a time."""
        return await anyio.to_thread.run_sync(work, *args, limiter=self._threads)

"""The scheduler: brings commissioned simulations to their end, one recorded step after the other (protocol 10.1)."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from acomps.local.executors import Ending
from acomps.local.work.ledger import Changes, Ledger
from acomps.wire.dates import format_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence

    from acomps.local.core import Core
    from acomps.local.executors import Executor, Task
    from acomps.local.work.places import Place
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

    What the loops know beyond the records is in `_changes` (not yet recorded), `_begun` (handed to an executor here,
    end not recorded) and `_claimed` (to be provisioned); all of it belongs to the event loop's thread.
    """

    def __init__(self, core: Core, places: Mapping[str, Place], provisioner: Provisioner) -> None:
        self._core = core
        self._places = places
        # Several environments may share one.
        self._executors = [*{id(place.executor): place.executor for place in places.values()}.values()]
        self._provisioner = provisioner
        self._ledger = Ledger(core)
        self._threads = anyio.CapacityLimiter(1)
        self._changes = Changes()
        #: The place of each.
        self._begun: dict[str, str] = {}
        self._ready: dict[str, list[Task]] = {}
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
        return self._settled and not self._begun and not any(self._ready.values())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Work while this is entered. At the end the executors end what they must, and that is recorded too."""
        async with contextlib.AsyncExitStack() as stack:
            for executor in self._executors:
                await stack.enter_async_context(executor.running(self))
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

    def submitted(self, job_ids: Collection[str], cluster_id: int) -> None:
        """See `Reports`."""
        self._changes.submitted.extend((job_id, cluster_id) for job_id in job_ids)
        self._news.set()

    def started(self, job_id: str, at_s: float | None = None) -> None:
        """See `Reports`."""
        self._changes.started.append((job_id, self._moment(at_s)))
        self._news.set()

    def ended(self, ending: Ending) -> None:
        """See `Reports`."""
        self._changes.ended.append((ending, self._moment(ending.at_s)))
        self._room.set()
        self._news.set()

    def _moment(self, at_s: float | None) -> str:
        return self._core.now() if at_s is None else format_time(datetime.fromtimestamp(at_s, UTC))

    async def _recover(self) -> None:
        open_jobs = await self._job(self._ledger.recover)
        for executor in self._executors:
            jobs = {job_id: job.cores for job_id, job in open_jobs.items() if self._executor(job.place) is executor}
            self._begun.update((job_id, open_jobs[job_id].place) for job_id in await executor.adopt(jobs))
        left = {job_id: job for job_id, job in open_jobs.items() if job_id not in self._begun}
        await self._job(self._ledger.take_back, left.keys())
        for job_id, job in left.items():
            if job.place not in self._places:
                reason = "the environment of this attempt does not exist any more"
                self.ended(Ending(job_id=job_id, lost=True, reason=reason))
            elif job.running:
                reason = "the service ended while this attempt ran, and how the attempt ended is not known"
                self.ended(Ending(job_id=job_id, lost=True, reason=reason))

    async def _start_tasks(self) -> None:
        while True:
            await self._room.wait()
            self._room = anyio.Event()
            for executor in self._executors:
                ready = self._next_of(executor)
                tasks = ready[: executor.room_for(ready)]
                if not tasks:
                    continue
                self._take(tasks)
                with anyio.CancelScope(shield=True):
                    # A half-started process would be nobody's.
                    await executor.start(tasks)
                self._news.set()

    def _next_of(self, executor: Executor) -> list[Task]:
        """The tasks that are next, as far as their environments allow more to run."""
        found: list[Task] = []
        waiting = [name for name, tasks in self._ready.items() if tasks and self._executor(name) is executor]
        for name in waiting:
            most = self._places[name].most
            free = None if most is None else max(0, most - sum(place == name for place in self._begun.values()))
            found += self._ready[name][:free]
        if len(waiting) > 1:
            found.sort(key=lambda task: (-task.rank, task.job_id))
        return found

    def _take(self, tasks: Sequence[Task]) -> None:
        """These tasks are about to begin."""
        taken = {task.job_id for task in tasks}
        for name, ready in self._ready.items():
            self._begun.update((task.job_id, name) for task in ready if task.job_id in taken)
            self._ready[name] = [task for task in ready if task.job_id not in taken]
        self._changes.handed_over.extend(taken)

    def _executor(self, place: str) -> Executor | None:
        found = self._places.get(place)
        return None if found is None else found.executor

    async def _keep_records(self) -> None:
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            try:
                complete = await self._settle(claim=True)
                await anyio.sleep(GATHER_S if complete else TRY_AGAIN_S)
            except Exception:
                _log.exception("a step of the scheduler failed and is tried again")
                self._news.set()
                await anyio.sleep(TRY_AGAIN_S)

    async def _settle(self, *, claim: bool) -> bool:
        """Record what has happened, begin what is next; what could not be recorded is kept for the next time.

        False when there was no space on the disk for all that could have begun.
        """
        changes, self._changes = self._changes, Changes()
        places = [*self._places] if claim else []
        try:
            standing = await self._job(lambda: self._ledger.settle(changes, places, claim=claim and not self._claimed))
        except BaseException:
            changes.extend(self._changes)
            self._changes = changes
            raise
        self._claimed += standing.commissioned
        recorded = {ending.job_id for ending, _ in changes.ended}
        await self._forget(recorded)
        done = recorded | {ending.job_id for ending, _ in self._changes.ended} | self._begun.keys()
        self._ready = {
            key: [task for task in tasks if task.job_id not in done] for key, tasks in standing.ready.items()
        }
        self._cancel(standing.cancel)
        self._room.set()
        return await self._provision() if claim else True

    async def _provision(self) -> bool:
        if not self._claimed:
            self._settled = not self._news.is_set()
            return True
        provisioned = await self._job(self._provisioner.provision, self._claimed)
        left = self._claimed[len(provisioned) :]
        self._changes.provisioned.extend(provisioned)
        self._changes.returned.extend(simulation.id for simulation in left)
        self._claimed = []
        self._news.set()
        return not left

    async def _forget(self, recorded: Collection[str]) -> None:
        """The endings of these jobs are on record."""
        places = {job_id: self._begun.pop(job_id) for job_id in recorded if job_id in self._begun}
        for executor in self._executors:
            own = [job_id for job_id, place in places.items() if self._executor(place) is executor]
            if own:
                await self._job(executor.forget, own)

    def _cancel(self, job_ids: Collection[str]) -> None:
        for executor in self._executors:
            begun = [job_id for job_id in job_ids if self._executor(self._begun.get(job_id, "")) is executor]
            if begun:
                executor.cancel(begun)
        for job_id in job_ids:
            if job_id not in self._begun:
                self.ended(Ending(job_id=job_id, canceled=True))

    async def _job(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Blocking work of the scheduler, in a thread of its own, one piece at a time."""
        return await anyio.to_thread.run_sync(work, *args, limiter=self._threads)

"""The pool: brings submitted jobs to their computing resource and to their end, one recorded step after the other.

queued -> registered (a place is free) -> handed (folders are made, the executor has it) -> ended
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from acomps.local.cybergis.documents import Job
from acomps.local.cybergis.preparing import job_folder, prepare
from acomps.local.cybergis.results import first_logs, result_folders
from acomps.local.errors import Refused
from acomps.local.executors import Ending
from acomps.local.executors.options import ProcessOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Mapping

    from anyio.abc import TaskGroup

    from acomps.local.cybergis.ledger import Ledger
    from acomps.local.cybergis.places import Places
    from acomps.local.cybergis.preparing import Prepared
    from acomps.local.cybergis.settings import Hpc
    from acomps.local.cybergis.templates import Templates
    from acomps.local.executors import Executor, Task

__all__ = ["Pool"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

_log = logging.getLogger("acomps.local")

#: A job that cannot be prepared is tried so often.
TRIES: Final = 3
#: After a step that failed (a full disk, say) the next try waits this long.
TRY_AGAIN_S: Final = 1.0
PREPARATIONS_AT_ONCE: Final = 4
#: So long the ends of jobs are recorded when the service ends.
FINISH_S: Final = 5.0


@dataclass(slots=True)
class _Run:
    """A job that has a place, and what its executor has told about it."""

    job: Job
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    handed: bool = False
    number: int | None = None
    began: bool = False
    began_at_s: float | None = None
    ending: Ending | None = None
    canceled: bool = False
    timed_out: bool = False
    limit_s: int | None = None
    news: anyio.Event = field(default_factory=anyio.Event)

    def tell(self) -> None:
        """Something has changed."""
        self.news.set()


class Pool:
    """One loop fills free places; each job that has one has a task of its own. `Reports` of all executors."""

    def __init__(
        self,
        ledger: Ledger,
        templates: Templates,
        places: Places,
        hpcs: Mapping[str, Hpc],
        executors: Mapping[str, Executor],
        user_id: Callable[[str], str],
    ) -> None:
        self._ledger = ledger
        self._templates = templates
        self._places = places
        self._hpcs = hpcs
        self._executors = executors
        self._user_id = user_id
        self._runs: dict[str, _Run] = {}
        #: To be cancelled, and perhaps on their way out of the queue.
        self._asked: set[str] = set()
        self._news = anyio.Event()
        self._room = anyio.Event()
        #: Jobs come to an executor one after the other, so that a large one is not overtaken for ever.
        self._turns = {id(executor): anyio.Lock() for executor in executors.values()}
        self._settled = False
        self._threads = anyio.CapacityLimiter(PREPARATIONS_AT_ONCE)

    def wake(self) -> None:
        """There may be something to do."""
        self._settled = False
        self._news.set()

    @property
    def idle(self) -> bool:
        """True when nothing is queued or runs."""
        return self._settled and not self._runs

    def cancel(self, job_id: str) -> None:
        """End a job; that this is wanted is on record already."""
        run = self._runs.get(job_id)
        if run is None:
            self._asked.add(job_id)
            self.wake()
            return
        run.canceled = True
        if run.handed:
            self._executors[run.job.hpc].cancel([job_id])
        else:
            run.scope.cancel()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Work while this is entered. At the end the executors end what they must, and that is recorded too."""
        async with contextlib.AsyncExitStack() as stack:
            for executor in {id(one): one for one in self._executors.values()}.values():
                await stack.enter_async_context(executor.running(self))
            async with anyio.create_task_group() as group:
                await self._recover(group)
                group.start_soon(self._fill, group)
                try:
                    yield
                finally:
                    group.cancel_scope.cancel()
        # What cannot be recorded now is found out at the next start.
        with anyio.move_on_after(FINISH_S, shield=True):
            for run in [*self._runs.values()]:
                if run.ending is not None:
                    await self._end(run, run.ending)

    # What executors report

    def submitted(self, job_ids: Collection[str], cluster_id: int) -> None:
        """See `Reports`."""
        for job_id in job_ids:
            if job_id in self._runs:
                self._runs[job_id].number = cluster_id
                self._runs[job_id].tell()

    def started(self, job_id: str, at_s: float | None = None) -> None:
        """See `Reports`."""
        run = self._runs.get(job_id)
        if run is not None:
            run.began, run.began_at_s = True, at_s
            run.tell()

    def ended(self, ending: Ending) -> None:
        """See `Reports`."""
        self._room.set()
        run = self._runs.get(ending.job_id)
        if run is not None:
            run.ending = ending
            run.tell()

    # From the queue to the end

    async def _recover(self, group: TaskGroup) -> None:
        handed: list[Job] = []
        for job in await self._job(self._ledger.recover):
            if job.hpc in self._hpcs:
                handed.append(job)
            else:
                await self._record_end(job, f"job [{job.id}] ran on {job.hpc}, which is here no more", failed=True)
        for executor in {id(one): one for one in self._executors.values()}.values():
            jobs = {job.id: job for job in handed if self._executors[job.hpc] is executor}
            for job in jobs.values():
                self._runs[job.id] = _Run(job, handed=True, limit_s=job.time_limit_s)
            found = await executor.adopt({job.id: job.cores or 1 for job in jobs.values()})
            for job in jobs.values():
                if job.id in found:
                    group.start_soon(self._bring, self._runs[job.id])
                    if job.cancel_asked:
                        self.cancel(job.id)
                    continue
                del self._runs[job.id]
                if job.initialized_at is None:
                    await self._job(self._ledger.again, job, "the service ended before it had begun")
                else:
                    said = f"job [{job.id}] ended while the service was away, and nobody knows how"
                    await self._record_end(job, said, failed=True)

    async def _fill(self, group: TaskGroup) -> None:
        """Give free places to the jobs that wait for them."""
        while True:
            self._news = anyio.Event()
            try:
                for job in await self._job(self._ledger.canceled_in_queue):
                    await self._record_end(job, f"job [{job.id}] was cancelled in the queue", canceled=True)
                for name, hpc in self._hpcs.items():
                    free = hpc.job_pool_capacity - sum(run.job.hpc == name for run in self._runs.values())
                    for job in await self._job(self._ledger.claim, name, free) if free > 0 else ():
                        run = self._runs[job.id] = _Run(job)
                        group.start_soon(self._bring, run)
                        if job.cancel_asked or job.id in self._asked:
                            self.cancel(job.id)
                self._asked.clear()
            except Exception:
                _log.exception("the queue of jobs could not be read and is looked at again")
                await anyio.sleep(TRY_AGAIN_S)
                continue
            self._settled = not self._news.is_set()
            await self._news.wait()

    async def _bring(self, run: _Run) -> None:
        """Bring one job to its end, or back into the queue."""
        with run.scope:
            if not run.handed:
                prepared = await self._prepared(run)
                if prepared is not None:
                    await self._hand_over(run, prepared)
        if run.handed:
            await self._end(run, await self._followed(run))
        elif run.scope.cancelled_caught:
            await self._record_end(run.job, f"job [{run.job.id}] was cancelled before it ran", canceled=True)
        del self._runs[run.job.id]
        self.wake()

    async def _prepared(self, run: _Run) -> Prepared | None:
        """The job's folders; None when that did not work, which is on record then."""
        job = run.job
        try:
            hpc = self._hpcs[job.hpc]
            template = await self._templates.get(self._places.template_of(job))
            data = await self._places.data_of(job)
            folder = job_folder(hpc, self._places.jobs, job)
            return await self._job(prepare, job, hpc, folder, template.folder, data, self._user_id(job.owner))
        except Refused as exc:
            await self._record_end(job, f"job [{job.id}] cannot run: {exc.message}", failed=True)
        except (OSError, RecursionError) as exc:
            _log.warning("job %s could not be prepared: %s", job.id, exc)
            if job.tries + 1 < TRIES:
                await self._surely(self._ledger.again, job, str(exc))
            else:
                await self._record_end(job, f"job [{job.id}] could not be prepared: {exc}", failed=True)
        except Exception:
            _log.exception("job %s could not be prepared", job.id)
            said = f"job [{job.id}] could not be prepared; the log of the service has the reason"
            await self._record_end(job, said, failed=True)
        return None

    async def _hand_over(self, run: _Run, prepared: Prepared) -> None:
        executor, resources = self._executors[run.job.hpc], prepared.resources
        async with self._turns[id(executor)]:
            await self._room_for(executor, prepared.task)
            await self._surely(
                lambda: self._ledger.handed(
                    run.job,
                    prepared.folders,
                    cores=resources.tasks * resources.cores,
                    nodes=resources.nodes or 1,
                    time_limit_s=resources.time_limit_s,
                )
            )
            with anyio.CancelScope(shield=True):
                # A half-started process would be nobody's.
                run.handed, run.limit_s = True, resources.time_limit_s
                await executor.start([prepared.task])
                if run.canceled:
                    executor.cancel([run.job.id])

    async def _room_for(self, executor: Executor, task: Task) -> None:
        while not executor.room_for([task]):
            self._room = anyio.Event()
            await self._room.wait()

    async def _followed(self, run: _Run) -> Ending:
        """The end of a job that its executor has, whose steps are recorded on the way."""
        known: tuple[int | None, bool] = (None, False)
        # A cluster ends its jobs itself.
        limited = isinstance(self._hpcs[run.job.hpc].executor, ProcessOptions)
        deadline = float("inf")
        while run.ending is None:
            run.news = anyio.Event()
            if (run.number, run.began) != known:
                known = (run.number, run.began)
                number = str(run.number if run.number is not None else run.job.number)
                await self._surely(self._ledger.initialized, run.job, number)
                if run.began:
                    at_ms = None if run.began_at_s is None else int(run.began_at_s * 1000)
                    since = await self._surely(self._ledger.started, run.job, at_ms)
                    if limited and run.limit_s is not None:
                        left_s = run.limit_s - (self._ledger.now() - since) / 1000
                        deadline = anyio.current_time() + max(0.0, left_s)
                continue
            with anyio.CancelScope(deadline=deadline) as waiting:
                await run.news.wait()
            if waiting.cancelled_caught:
                run.timed_out, deadline = True, float("inf")
                self._executors[run.job.hpc].cancel([run.job.id])
        return run.ending

    async def _end(self, run: _Run, ending: Ending) -> None:
        """Record how a job came to its end."""
        job = run.job
        if ending.stopped:
            await self._surely(self._ledger.again, job, "the service was stopped while it ran")
        elif ending.canceled:
            how = "reached its time limit" if run.timed_out else "was cancelled"
            await self._record_end(job, f"job [{job.id}] {how}", canceled=not run.timed_out, ran=True)
        elif ending.exit_code is not None:
            said = f"job [{job.id}] ended, its exit code is {ending.exit_code}"
            await self._record_end(job, said, exit_code=ending.exit_code, ran=True)
        else:
            # Slurm's own ends, a time limit among them, are ends of the job; what was lost is nobody's doing.
            why = ending.reason or "nobody knows why"
            failed = ending.lost or (job.initialized_at is None and run.number is None and not run.began)
            await self._record_end(job, f"job [{job.id}] ended: {why}", failed=failed, ran=True)
        with contextlib.suppress(OSError):
            await self._job(self._executors[job.hpc].forget, [job.id])

    async def _record_end(
        self,
        job: Job,
        said: str,
        *,
        failed: bool = False,
        canceled: bool = False,
        exit_code: int | None = None,
        ran: bool = False,
    ) -> None:
        """Record an end."""
        await self._surely(self._write_end, job, said, failed, canceled, exit_code, ran)

    def _write_end(self, job: Job, said: str, failed: bool, canceled: bool, exit_code: int | None, ran: bool) -> None:
        path = self._ledger.result_path(job) if ran else None
        result = None if path is None else Path(path)
        first = None if result is None else self._places.first_result(job, result)
        self._ledger.ended(
            job,
            said,
            failed=failed,
            canceled=canceled,
            exit_code=exit_code,
            logs=[] if result is None else first_logs(result),
            result=[] if result is None or failed else result_folders(result, first),
        )

    async def _surely(self, write: Callable[[*Args], T], *args: *Args) -> T:
        """What is written into the records, however often it takes."""
        while True:
            try:
                return await self._job(write, *args)
            except Exception:
                _log.exception("a step of a job could not be recorded and is tried again")
                await anyio.sleep(TRY_AGAIN_S)

    async def _job(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Blocking work, in one of few threads."""
        return await anyio.to_thread.run_sync(work, *args, limiter=self._threads)

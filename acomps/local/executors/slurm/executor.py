"""Simulations as tasks of Slurm job arrays: submitted in batches, followed with few calls, found again after restarts.

What the files of a batch and the statuses of its simulations say goes before what Slurm says: a status is the truth
also when the controller was restarted or has forgotten its jobs. Slurm is asked what has become of those that have
left no status. A tool that fails proves nothing; what it was to do is tried again.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from acomps.local.executors import Ending, Task
from acomps.local.executors.slurm.arrays import arrays
from acomps.local.executors.slurm.batches import Batch, Batches
from acomps.local.executors.slurm.jobs import OpenJob, explained
from acomps.local.executors.slurm.statuses import Statuses
from acomps.local.executors.slurm.tools import MAX_ARRAY_SIZE, SubmissionRefused, Tools, ToolsFailed, index_list

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence

    from acomps.local.executors import Reports
    from acomps.local.executors.options import SlurmOptions

__all__ = ["SlurmExecutor"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

_log = logging.getLogger("acomps.local")

#: So many tasks at most are in Slurm's queue, or on their way there.
OPEN_AT_MOST: Final = 10_000
#: Tasks are gathered for this long (or one look at the queue, if that is shorter), so that few arrays hold many.
GATHER_S: Final = 1.0
#: A task that Slurm calls ended, or does not know, has left no status when so many looks have not found one: on shared
#: disks a file may be seen late.
LOOKS_FOR_STATUS: Final = 12
#: A cancel is repeated after so many looks.
LOOKS_FOR_CANCEL: Final = 6

_SCRIPT: Final = Path(__file__).with_name("task.bash")


class SlurmExecutor:
    """An `Executor`. Leaving it leaves the jobs where they are, for the next one to adopt."""

    def __init__(self, folder: Path, options: SlurmOptions, *, grace_s: float, environment: Mapping[str, str]) -> None:
        self._options = options
        self._grace_s = grace_s
        self._batches = Batches(folder / "batches")
        self._statuses = Statuses(folder / "statuses")
        self._tools = Tools(environment)
        self._threads = anyio.CapacityLimiter(1)
        self._open: dict[str, OpenJob] = {}
        self._waiting: list[Task] = []
        #: Written, and not known to be in Slurm's queue.
        self._unsubmitted: list[Batch] = []
        self._submitted: dict[str, Batch] = {}
        #: Ended, and not yet on record.
        self._told_of: dict[str, Batch] = {}
        self._canceled: set[str] = set()
        self._max_array_size: int | None = None
        self._to_submit = anyio.Event()
        self._to_follow = anyio.Event()
        self._to_cancel = anyio.Event()
        self._looks = 0
        self._failing: set[str] = set()
        self._reports: Reports | None = None

    @contextlib.asynccontextmanager
    async def running(self, reports: Reports) -> AsyncGenerator[None]:
        """See `Executor`."""
        self._reports = reports
        async with anyio.create_task_group() as group:
            for loop in (self._submit_all, self._follow_all, self._cancel_all):
                group.start_soon(loop)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    def room_for(self, tasks: Sequence[Task]) -> int:
        """See `Executor`."""
        return min(len(tasks), max(0, OPEN_AT_MOST - len(self._open) - len(self._waiting)))

    async def start(self, tasks: Sequence[Task]) -> None:
        """See `Executor`."""
        self._waiting.extend(tasks)
        self._to_submit.set()

    def cancel(self, job_ids: Collection[str]) -> None:
        """See `Executor`."""
        for job_id in job_ids:
            job = self._open.get(job_id)
            if job is None:
                self._canceled.add(job_id)
                self._to_submit.set()
            elif not job.canceled:
                job.canceled = True
                self._to_cancel.set()

    async def adopt(self, jobs: Mapping[str, int]) -> set[str]:
        """See `Executor`."""
        for batch in await self._job(self._batches.read, jobs.keys()):
            self._register(batch)
            if batch.array_id is None:
                self._unsubmitted.append(batch)
                self._to_submit.set()
            else:
                self._enter(batch, batch.array_id)
        known = {job_id for job in self._open.values() for job_id in job.batch.jobs}
        await self._job(self._statuses.remove_others, known)
        return set(self._open)

    def forget(self, job_ids: Collection[str]) -> None:
        """See `Executor`."""
        for job_id in job_ids:
            batch = self._told_of.pop(job_id, None)
            if batch is None:
                continue
            batch.unrecorded.discard(job_id)
            if not batch.unrecorded:
                # Until here a late copy of the array would find that all of it has been claimed.
                self._batches.remove(batch)
                self._statuses.remove(batch.jobs)

    # Submitting

    async def _submit_all(self) -> None:
        while True:
            await self._to_submit.wait()
            self._to_submit = anyio.Event()
            await anyio.sleep(min(GATHER_S, self._options.poll_interval_s))
            try:
                await self._write_waiting()
                while self._unsubmitted:
                    await self._submit(self._unsubmitted[0])
                    self._unsubmitted.pop(0)
                self._worked("submit jobs")
            except (ToolsFailed, OSError) as exc:
                self._failed("submit jobs", exc)
                self._to_submit.set()
                await anyio.sleep(self._options.poll_interval_s)

    async def _write_waiting(self) -> None:
        """Bring the tasks that wait into batches."""
        for job_id in self._canceled.intersection(task.job_id for task in self._waiting):
            self._told().ended(Ending(job_id=job_id, canceled=True))
        self._waiting = [task for task in self._waiting if task.job_id not in self._canceled]
        self._canceled.clear()
        if not self._waiting:
            return
        if self._max_array_size is None:
            with contextlib.suppress(ToolsFailed):
                self._max_array_size = await self._tools.max_array_size()
        most = self._max_array_size or MAX_ARRAY_SIZE
        # What cannot be written (to a full disk, say) is left for the next time.
        while self._waiting:
            array = next(arrays(self._waiting, self._options, most))
            script = [str(_SCRIPT), self._statuses.folder, str(self._grace_s), str(array.cores_for_one)]
            name = f"acomps-{uuid.uuid4().hex}"
            batch = await self._job(self._batches.write, name, array.tasks, array.arguments, script)
            self._register(batch)
            self._unsubmitted.append(batch)
            self._waiting = [task for task in self._waiting if task.job_id not in batch.open]

    async def _submit(self, batch: Batch) -> None:
        """Bring a batch into Slurm's queue, unless it is there already: nobody knows after a crash or a time-out."""
        array_id = await self._find(batch) if batch.tried else None
        if array_id is None and all(self._open[job_id].canceled for job_id in batch.open):
            for job_id in list(batch.open):
                self._end(Ending(job_id=job_id, canceled=True))
            return
        if array_id is None:
            batch.tried = True
            try:
                array_id = await self._tools.submit(batch.folder, batch.arguments, batch.script)
            except SubmissionRefused as exc:
                for job_id in list(batch.open):
                    self._end(Ending(job_id=job_id, reason=f"Slurm does not take it: {exc}"))
                return
        await self._job(self._batches.submitted, batch, array_id)
        self._enter(batch, array_id)

    async def _find(self, batch: Batch) -> int | None:
        """The number of a batch that Slurm knows, or of which something has begun."""
        seen = await self._tools.look()
        number = next((number for (number, _), task in seen.items() if task.name == batch.name), None)
        if number is None:
            began = (await self._job(self._statuses.look, (), ())).began
            number = next((began[job_id].array_id for job_id in batch.jobs if job_id in began), None)
        return number

    def _register(self, batch: Batch) -> None:
        for index, jobs in enumerate(batch.tasks):
            for job_id in jobs:
                if job_id in batch.open:
                    self._open[job_id] = OpenJob(batch, index)

    def _enter(self, batch: Batch, array_id: int) -> None:
        batch.array_id = array_id
        self._submitted[batch.name] = batch
        self._told().submitted(batch.open, array_id)
        self._to_follow.set()
        if any(self._open[job_id].canceled for job_id in batch.open):
            self._to_cancel.set()

    # Following

    async def _follow_all(self) -> None:
        while True:
            if not self._submitted:
                await self._to_follow.wait()
            self._to_follow = anyio.Event()
            try:
                await self._follow()
                self._worked("follow jobs")
            except (ToolsFailed, OSError) as exc:
                self._failed("follow jobs", exc)
            await anyio.sleep(self._options.poll_interval_s)

    async def _follow(self) -> None:
        """One look at Slurm's queue, then one at the statuses: what the queue calls ended has left its status."""
        submitted = [*self._submitted.values()]
        try:
            seen = await self._tools.look()
        except ToolsFailed:
            await self._read_statuses()
            raise
        await self._read_statuses()
        self._looks += 1
        unclear: dict[str, OpenJob] = {}
        for batch in submitted:
            for job_id in list(batch.open):
                job = self._open[job_id]
                task = None if job.number is None else seen.get((job.number, job.index))
                if task is not None and task.name != batch.name:
                    task = None  # Slurm was set up anew and counts from the start.
                job.over_for = 0 if task is not None and not task.final else job.over_for + 1
                if not job.over_for:
                    continue
                if task is not None and (job.ended is not None or (job.canceled and job.began is None)):
                    self._end(explained(job_id, job, self._open, task.state))
                elif job.over_for >= LOOKS_FOR_STATUS:
                    if task is not None:
                        await self._explain(job_id, job, task.state)
                    else:
                        unclear[job_id] = job
        if unclear:
            await self._ask_accounts(unclear)
        if any(job.canceled for job in self._open.values()):
            self._to_cancel.set()

    async def _read_statuses(self) -> None:
        began = {job_id for job_id, job in self._open.items() if job.began is not None} | self._told_of.keys()
        ended = {job_id for job_id, job in self._open.items() if job.ended is not None} | self._told_of.keys()
        found = await self._job(self._statuses.look, began, ended)
        for job_id, beginning in found.began.items():
            job = self._open.get(job_id)
            if job is not None:
                job.began = beginning
                self._told().started(job_id, beginning.at_s)
        for job_id, ending in found.ended.items():
            job = self._open.get(job_id)
            if job is None:
                continue
            job.ended = ending
            if ending.how == "canceled" or (ending.how == "terminated" and job.canceled):
                self._end(Ending(job_id=job_id, canceled=True, at_s=ending.at_s))
            elif ending.how == "ended" or ending.exit_code == 0:
                self._end(Ending(job_id=job_id, exit_code=ending.exit_code, at_s=ending.at_s))
            # What Slurm has terminated is explained by the state that it gives to the task.

    async def _ask_accounts(self, jobs: Mapping[str, OpenJob]) -> None:
        """Let the accounts of the cluster tell what has become of jobs that Slurm's queue has forgotten."""
        states = await self._tools.accounted(sorted({job.number for job in jobs.values() if job.number is not None}))
        for job_id, job in jobs.items():
            state = "" if job.number is None else states.get((job.number, job.index), "")
            await self._explain(job_id, job, state)

    async def _explain(self, job_id: str, job: OpenJob, state: str) -> None:
        words = await self._job(self._batches.last_words, job.batch, job.index)
        self._end(explained(job_id, job, self._open, state, words))

    # Cancelling

    async def _cancel_all(self) -> None:
        while True:
            await self._to_cancel.wait()
            # Many are cancelled one after the other: wait for the rest.
            await anyio.sleep(min(GATHER_S, self._options.poll_interval_s) / 2)
            self._to_cancel = anyio.Event()
            try:
                await self._pass_on_cancels()
                self._worked("cancel jobs")
            except (ToolsFailed, OSError) as exc:
                self._failed("cancel jobs", exc)
                await anyio.sleep(self._options.poll_interval_s)

    async def _pass_on_cancels(self) -> None:
        canceled = {
            job_id: job
            for job_id, job in self._open.items()
            if job.canceled and (job.asked_at is None or self._looks - job.asked_at >= LOOKS_FOR_CANCEL)
        }
        if not canceled:
            return
        await self._job(self._statuses.ask_to_cancel, canceled.keys())
        whole: dict[int, set[int]] = {}
        parts: set[str] = set()
        for job_id, job in canceled.items():
            number = job.number
            if number is None or job_id not in self._open:
                continue
            together = [other for other in job.batch.tasks[job.index] if other in job.batch.open]
            if all(self._open[other].canceled for other in together):
                whole.setdefault(number, set()).add(job.index)
            elif any(self._open[other].began is not None for other in together):
                parts.add(f"{number}_{job.index}")
        if whole:
            await self._tools.cancel([f"{number}_[{index_list(indices)}]" for number, indices in whole.items()])
        if parts:
            await self._tools.cancel(sorted(parts), signal="USR1")
        for job in canceled.values():
            if job.batch.array_id is not None:
                job.asked_at = self._looks

    # Ends

    def _end(self, ending: Ending) -> None:
        batch = self._open.pop(ending.job_id).batch
        batch.open.discard(ending.job_id)
        self._told_of[ending.job_id] = batch
        if not batch.open:
            self._submitted.pop(batch.name, None)
        self._told().ended(ending)

    def _told(self) -> Reports:
        if self._reports is None:
            raise RuntimeError("the executor is not running")
        return self._reports

    def _failed(self, what: str, exc: Exception) -> None:
        if what not in self._failing:
            _log.warning("the service cannot %s on Slurm, and goes on trying: %s", what, exc)
        self._failing.add(what)

    def _worked(self, what: str) -> None:
        if what in self._failing:
            _log.warning("the service can %s on Slurm again", what)
        self._failing.discard(what)

    async def _job(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Work with files, in a thread, one piece at a time."""
        return await anyio.to_thread.run_sync(work, *args, limiter=self._threads)

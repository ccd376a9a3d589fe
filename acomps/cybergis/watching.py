"""Many jobs at once: submitted with bounded parallelism, and followed to their ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from acomps.cybergis.job import Job
from acomps.cybergis.line import segment
from acomps.cybergis.plan import JobPlan
from acomps.cybergis.reading import Fields
from acomps.cybergis.records import JobRecord, JobState
from acomps.errors import AcompsError, NotFound, UsageError
from acomps.events import Saved
from acomps.streams import each, spread
from acomps.transport.patience import Interval, Patience

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from acomps.cybergis.line import Line
    from acomps.events import Sink

__all__ = ["JobsProgress", "Submission", "Watchable", "jobs_of_user", "submit_all", "watch"]

#: Up to so many jobs are asked for one by one, which tells more; of more than that the list of all jobs is read.
_FEW: Final = 8

Watchable: TypeAlias = Job | JobRecord | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What became of one job of `submit_all`: its `job` as far as it was created, and the `error` if it failed."""

    job: Job | None
    error: AcompsError | None = None

    @property
    def submitted(self) -> bool:
        """Whether the server has it in its queue."""
        return self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsProgress:
    """How far jobs are: their counts per state, and what is known of each, by id."""

    counts: Mapping[JobState, int]
    records: Mapping[str, JobRecord]
    ended: tuple[JobRecord, ...] = ()
    """Those that have come to their end since the progress before."""

    @property
    def final(self) -> bool:
        """Whether all are over."""
        return all(state.final for state in self.counts)

    def __str__(self) -> str:
        told = ", ".join(f"{count} {state.value}" for state, count in self.counts.items())
        return f"{len(self.records)} jobs: {told}"


async def jobs_of_user(line: Line) -> tuple[JobRecord, ...]:
    """All jobs of the user, oldest first; without their events and logs."""
    fields = Fields(await line.ask("GET", "user/job", operation="list jobs"), "list jobs")
    return tuple(map(JobRecord.read, fields.items("job")))


async def submit_all(
    jobs: Iterable[Job | JobPlan] | AsyncIterable[Job | JobPlan],
    create: Callable[[JobPlan], Awaitable[Job]],
    *,
    at_once: int,
    on_progress: Sink,
) -> tuple[Submission, ...]:
    """Submit jobs, `at_once` at the same time; one outcome for each, in their order."""
    outcomes: dict[int, Submission] = {}
    submitted = 0

    async def numbered() -> AsyncGenerator[tuple[int, Job | JobPlan]]:
        number = 0
        async for job in each(jobs):
            yield number, job
            number += 1

    async def submit(item: tuple[int, Job | JobPlan]) -> None:
        nonlocal submitted
        number, wanted = item
        job = wanted if isinstance(wanted, Job) else None
        try:
            if isinstance(wanted, JobPlan):
                job = await create(wanted)
                await job.set(
                    executable_folder=wanted.executable_folder,
                    data_folder=wanted.data_folder,
                    param=wanted.param,
                    env=wanted.env,
                    slurm=wanted.slurm,
                )
            if job is None:
                raise UsageError(f"submit_all takes jobs and plans of jobs, not {type(wanted).__name__}")
            await job.submit()
        except AcompsError as exc:
            outcomes[number] = Submission(job=job, error=exc)
        else:
            outcomes[number] = Submission(job=job)
            submitted += 1
            on_progress(Saved(entities=1, total=submitted, bytes_sent=0))

    await spread(numbered(), submit, at_once)
    return tuple(outcomes[number] for number in sorted(outcomes))


async def watch(line: Line, jobs: Iterable[Watchable], on_progress: Sink) -> AsyncGenerator[JobsProgress]:
    """How far jobs are whenever that has changed, until all are over."""
    ids = [job if isinstance(job, str) else job.id for job in jobs]
    if not ids:
        raise UsageError("there is no job to watch")
    settings = line.channel.settings.watch
    interval, patience = Interval(settings), Patience(settings, line.clock, on_progress)
    looks = _Looks(line, ids)
    started = line.clock.monotonic()
    while True:
        began = line.clock.monotonic()
        ended, moved = await patience.around(looks.next)
        took_s = line.clock.monotonic() - began
        if moved:
            counts = Counter(record.state for record in looks.records.values())
            ordered = {state: counts[state] for state in JobState if counts[state]}
            progress = JobsProgress(
                counts=MappingProxyType(ordered), records=MappingProxyType(dict(looks.records)), ended=ended
            )
            yield progress
            if progress.final:
                return
        elapsed_s = line.clock.monotonic() - started
        await line.clock.sleep(interval.next_s(moved=moved, elapsed_s=elapsed_s, took_s=took_s))


class _Looks:
    """What is known of some jobs, and how to know more."""

    def __init__(self, line: Line, ids: Iterable[str]) -> None:
        self._line = line
        self._left = dict.fromkeys(ids)
        self._tags: dict[str, str | None] = {}
        self._list_tag: str | None = None
        #: What was seen and is not told yet: an error in the middle of a look must not lose it.
        self._found: list[JobRecord] = []
        self.records: dict[str, JobRecord] = {}

    async def next(self) -> tuple[tuple[JobRecord, ...], bool]:
        """Those that are newly over, and whether anything has changed."""
        await (self._one_by_one() if len(self._left) <= _FEW else self._from_the_list())
        found, self._found = self._found, []
        moved = False
        ended: list[JobRecord] = []
        for record in found:
            before = self.records.get(record.id)
            self.records[record.id] = record
            moved = moved or before is None or before.state is not record.state
            if record.final:
                self._left.pop(record.id, None)
                ended.append(record)
        return tuple(ended), moved

    async def _one_by_one(self) -> None:
        async def look(job_id: str) -> None:
            path, operation = f"job/{segment(job_id)}", f"read job {job_id}"
            seen = await self._line.look(path, operation=operation, tag=self._tags.get(job_id))
            if seen.document is not None:
                self._found.append(JobRecord.read(seen.document))
                self._tags[job_id] = seen.tag

        await spread(list(self._left), look, _FEW)

    async def _from_the_list(self) -> None:
        seen = await self._line.look("user/job", operation="list jobs", tag=self._list_tag)
        if seen.document is None:
            return
        listed = map(JobRecord.read, Fields(seen.document, "list jobs").items("job"))
        found = [record for record in listed if record.id in self._left]
        missing = self._left.keys() - {record.id for record in found}
        if missing:
            raise NotFound(f"watch: there is no job {sorted(missing)[0]} of this user", status=200)
        self._found += found
        self._list_tag = seen.tag

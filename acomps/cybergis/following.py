"""A job as it changes: looks that cost next to nothing while it does not, to its end and a little further."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from acomps.cybergis.line import segment
from acomps.cybergis.records import JobRecord
from acomps.transport.patience import Interval, Patience

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from acomps.cybergis.line import Line, Look
    from acomps.cybergis.records import JobEvent, JobLog
    from acomps.events import Sink

__all__ = ["changes", "new_events", "new_logs"]

#: Logs and the last event are written beside one another: looks after the end, before nothing more is expected.
_LOOKS_AFTER: Final = 2
_MOST_LOGS: Final = 2


async def changes(line: Line, job_id: str, on_progress: Sink) -> AsyncGenerator[JobRecord]:
    """The job now, and whenever it is found changed; ends when it is over and has told everything.

    A server that is away is waited for (`WatchSettings.outage_s`). The end is seen by an event or by its time, for
    either may come first, and the event may never come.
    """
    settings = line.channel.settings.watch
    interval, patience = Interval(settings), Patience(settings, line.clock, on_progress)
    started = line.clock.monotonic()
    record: JobRecord | None = None
    tag: str | None = None
    after = 0
    while True:
        began = line.clock.monotonic()
        look = await patience.around(partial(_look, line, job_id, tag))
        took_s = line.clock.monotonic() - began
        moved = look.document is not None
        if look.document is not None:
            found = JobRecord.read(look.document)
            # A server without tags sends what is the same again.
            moved = found != record
            record, tag = found, look.tag
            if moved:
                yield record
        if record is not None and record.final:
            if _complete(record) or after == _LOOKS_AFTER:
                return
            after += 1
            await line.clock.sleep(settings.first_s)
            continue
        elapsed_s = line.clock.monotonic() - started
        await line.clock.sleep(interval.next_s(moved=moved, elapsed_s=elapsed_s, took_s=took_s))


async def new_events(line: Line, job_id: str, on_progress: Sink, *, basic: bool) -> AsyncGenerator[JobEvent]:
    """Each event once, in causal order as far as they came together; the last one of the job comes last."""
    seen: set[int] = set()
    last: list[JobEvent] = []
    async for record in changes(line, job_id, on_progress):
        for event in record.events_in_order:
            if event.id in seen:
                continue
            seen.add(event.id)
            if basic and not event.basic:
                continue
            if event.final:
                last.append(event)
            else:
                yield event
    for event in last:
        yield event


async def new_logs(line: Line, job_id: str, on_progress: Sink) -> AsyncGenerator[JobLog]:
    """Each log once, the lower id first, which normally is the program's output."""
    seen: set[int] = set()
    async for record in changes(line, job_id, on_progress):
        for log in sorted(record.logs, key=lambda log: log.id):
            if log.id not in seen:
                seen.add(log.id)
                yield log


async def _look(line: Line, job_id: str, tag: str | None) -> Look:
    return await line.look(f"job/{segment(job_id)}", operation=f"read job {job_id}", tag=tag)


def _complete(record: JobRecord) -> bool:
    """Whether nothing can be missing any more of a job that is over."""
    told = any(event.final for event in record.events)
    return told and (record.failed or len(record.logs) >= _MOST_LOGS)

"""Reading jobs, their events, logs and folders. Everything here blocks; every list has an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from sqlalchemy import func, select

from acomps.local.cybergis import schema
from acomps.local.cybergis.documents import Event, Folder, Job, Log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, RowMapping

__all__ = [
    "events_of",
    "folder_of",
    "folders_of_jobs",
    "folders_of_owner",
    "job_of",
    "jobs_of_owner",
    "logs_of",
    "runtimes",
    "usage_of",
]

#: The newest of a user's jobs and folders.
MOST_JOBS: Final = 1_000
MOST_FOLDERS: Final = 3_000
MOST_EVENTS: Final = 1_000


def job_from(row: RowMapping) -> Job:
    """The job of a row of the table."""
    values = dict(row)
    del values["queued_at"]
    for name in ("param", "env", "slurm"):
        values[name] = orjson.loads(values[name])
    for name in ("local_executable", "local_data"):
        values[name] = None if values[name] is None else orjson.loads(values[name])
    values["result"] = orjson.loads(values["result"] or "[]")
    for name in ("is_failed", "is_canceled", "cancel_asked"):
        values[name] = bool(values[name])
    return Job(**values)


def job_of(connection: Connection, job_id: str, owner: str) -> Job | None:
    """The job of that id, if it belongs to the owner."""
    table = schema.jobs
    found = connection.execute(select(table).where(table.c.id == job_id, table.c.owner == owner)).mappings().first()
    return None if found is None else job_from(found)


def jobs_of_owner(connection: Connection, owner: str) -> list[Job]:
    """The newest jobs of an owner, the newest last."""
    table = schema.jobs
    wanted = select(table).where(table.c.owner == owner).order_by(table.c.number.desc()).limit(MOST_JOBS)
    return [job_from(row) for row in connection.execute(wanted).mappings()][::-1]


def events_of(connection: Connection, job: int) -> list[Event]:
    """What happened to a job, in its order."""
    table = schema.events
    columns = (table.c.id, table.c.type, table.c.message, table.c.created_at)
    found = connection.execute(select(*columns).where(table.c.job == job).order_by(table.c.id).limit(MOST_EVENTS))
    return [Event(id=id_, type=type_, message=message, created_at=at) for id_, type_, message, at in found]


def logs_of(connection: Connection, job: int) -> list[Log]:
    """What a job has said: its output, then its errors."""
    table = schema.logs
    columns = (table.c.id, table.c.message, table.c.created_at)
    found = connection.execute(select(*columns).where(table.c.job == job).order_by(table.c.id).limit(MOST_EVENTS))
    return [Log(id=id_, message=message, created_at=at) for id_, message, at in found]


def _folder(row: RowMapping) -> Folder:
    values = dict(row)
    values["is_writable"] = bool(values["is_writable"])
    return Folder(**values)


def folder_of(connection: Connection, folder_id: str, owner: str) -> Folder | None:
    """The folder of that id, if it belongs to the owner and was not deleted."""
    table = schema.folders
    wanted = select(table).where(table.c.id == folder_id, table.c.owner == owner, table.c.deleted_at.is_(None))
    found = connection.execute(wanted).mappings().first()
    return None if found is None else _folder(found)


def folders_of_owner(connection: Connection, owner: str) -> list[Folder]:
    """The newest folders of an owner that were not deleted, the newest last."""
    table = schema.folders
    wanted = select(table).where(table.c.owner == owner, table.c.deleted_at.is_(None))
    found = connection.execute(wanted.order_by(table.c.number.desc()).limit(MOST_FOLDERS)).mappings()
    return [_folder(row) for row in found][::-1]


def folders_of_jobs(connection: Connection, jobs: Sequence[Job]) -> Mapping[int, Mapping[str, Folder]]:
    """The folders of jobs by their role."""
    table = schema.folders
    found: dict[int, dict[str, Folder]] = {job.number: {} for job in jobs}
    if jobs:
        numbers = [job.number for job in jobs]
        for row in connection.execute(select(table).where(table.c.job.in_(numbers))).mappings():
            folder = _folder(row)
            found[folder.job][folder.role] = folder
    return found


def runtimes(connection: Connection) -> dict[str, int | None]:
    """Milliseconds of all jobs that have begun and ended, by computing resource; `total` is None without any."""
    table = schema.jobs
    time = func.sum(table.c.finished_at - table.c.initialized_at)
    over = table.c.finished_at.is_not(None) & table.c.initialized_at.is_not(None)
    by_hpc = {
        hpc: int(total) for hpc, total in connection.execute(select(table.c.hpc, time).where(over).group_by("hpc"))
    }
    return {"total": sum(by_hpc.values()) if by_hpc else None, **by_hpc}


def usage_of(connection: Connection, owner: str) -> tuple[int, int, int, int]:
    """Nodes and cores of all jobs of an owner that have ended, their core-seconds and their seconds."""
    table = schema.jobs
    run_ms = table.c.finished_at - table.c.started_at
    sums = select(
        *(func.coalesce(func.sum(value), 0) for value in (table.c.nodes, table.c.cores, table.c.cores * run_ms, run_ms))
    ).where(table.c.owner == owner, table.c.finished_at.is_not(None), table.c.started_at.is_not(None))
    nodes, cores, core_ms, wall_ms = (int(total) for total in connection.execute(sums).mappings().one().values())
    return nodes, cores, core_ms // 1000, wall_ms // 1000

"""Writing what happens to jobs: each call is one transaction. Everything here blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import sqlite

from acomps.local.cybergis import schema
from acomps.local.cybergis.documents import Folder, Job, new_id
from acomps.local.cybergis.records import folders_of_jobs, job_from, job_of
from acomps.local.errors import Refused
from acomps.local.jsons import JSON, dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from acomps.local.records.database import Database

__all__ = ["Ledger"]

_jobs: Final = schema.jobs
#: Jobs of one user that wait or run.
MOST_OPEN: Final = 10_000


class Ledger:
    """The records of jobs."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def now(self) -> int:
        """This moment in milliseconds since 1970."""
        return int(self._clock().timestamp() * 1000)

    # What users ask for

    def create(self, owner: str, hpc: str, maintainer: str) -> Job:
        """A new job."""
        now = self.now()
        values = {
            "owner": owner,
            "hpc": hpc,
            "maintainer": maintainer,
            "state": schema.CREATED,
            "created_at": now,
            "is_failed": 0,
            "is_canceled": 0,
            "cancel_asked": 0,
            "tries": 0,
            **dict.fromkeys(("param", "env", "slurm"), "{}"),
        }
        with self._database.writing() as connection:
            made = insert(_jobs).values(id=_fresh_id(connection, _jobs, now), **values)
            row = connection.execute(made.returning(_jobs)).mappings().one()
            return job_from(row)

    def set(self, job_id: str, owner: str, given: Mapping[str, JSON]) -> Job | None:
        """Replace columns of a job; what it runs already stays as it is. None when the owner has no such job."""
        values = {name: dumps(value) for name, value in given.items()}
        with self._database.writing() as connection:
            mine = (_jobs.c.id == job_id) & (_jobs.c.owner == owner)
            connection.execute(update(_jobs).where(mine).values(values | {"updated_at": self.now()}))
            return job_of(connection, job_id, owner)

    def submit(self, job: Job) -> Job | None:
        """Put a job into the queue; None when it is there already."""
        with self._database.writing() as connection:
            open_jobs = select(func.count()).where(
                _jobs.c.owner == job.owner, _jobs.c.state.in_((schema.QUEUED, schema.REGISTERED, schema.HANDED))
            )
            if connection.execute(open_jobs).scalar_one() >= MOST_OPEN:
                raise Refused(429, f"{MOST_OPEN} of your jobs wait or run: wait until some have ended")
            moved = connection.execute(
                update(_jobs)
                .where(_jobs.c.number == job.number, _jobs.c.state == schema.CREATED)
                .values(state=schema.QUEUED, queued_at=self.now())
            )
            if not moved.rowcount:
                return None
            self._event(connection, job.number, "JOB_QUEUED", f"job [{job.id}] waits for {job.hpc}")
            return job_of(connection, job.id, job.owner)

    def ask_to_cancel(self, job: Job) -> bool:
        """Note that a job is to be cancelled; False when it is not in the queue or running."""
        with self._database.writing() as connection:
            noted = connection.execute(
                update(_jobs)
                .where(
                    _jobs.c.number == job.number,
                    _jobs.c.state.in_((schema.QUEUED, schema.REGISTERED, schema.HANDED)),
                )
                .values(cancel_asked=1)
            )
            return bool(noted.rowcount)

    # What becomes of jobs

    def claim(self, hpc: str, most: int) -> list[Job]:
        """Take the next jobs out of the queue of a computing resource."""
        with self._database.writing() as connection:
            wanted = select(_jobs).where(_jobs.c.state == schema.QUEUED, _jobs.c.hpc == hpc)
            found = [
                job_from(row)
                for row in connection.execute(wanted.order_by(_jobs.c.queued_at, _jobs.c.number).limit(most)).mappings()
            ]
            for job in found:
                self._move(connection, job.number, schema.REGISTERED)
                self._event(connection, job.number, "JOB_REGISTERED", f"job [{job.id}] has a place on {job.hpc}")
            return found

    def canceled_in_queue(self) -> list[Job]:
        """Jobs that are to be cancelled and have not come to their turn."""
        with self._database.reading() as connection:
            wanted = select(_jobs).where(_jobs.c.state == schema.QUEUED, _jobs.c.cancel_asked == 1).limit(1_000)
            return [job_from(row) for row in connection.execute(wanted).mappings()]

    def handed(
        self, job: Job, folders: Mapping[str, tuple[str, str]], *, cores: int, nodes: int, time_limit_s: int
    ) -> None:
        """The job's folders (path, and path for transfers, by role) are made, and the executor is about to have it."""
        with self._database.writing() as connection:
            for role, (path, shared) in folders.items():
                self._folder(connection, job, role, path, shared)
                kind = {"executable": "SLURM_UPLOAD_EXECUTABLE", "data": "SLURM_UPLOAD_DATA"}.get(role)
                self._event(
                    connection, job.number, kind or "SLURM_CREATE_RESULT", f"{role} folder of job [{job.id}] is made"
                )
            self._event(connection, job.number, "SLURM_SUBMIT", f"job [{job.id}] is submitted to {job.hpc}")
            values = {"state": schema.HANDED, "cores": cores, "nodes": nodes, "time_limit_s": time_limit_s}
            connection.execute(update(_jobs).where(_jobs.c.number == job.number).values(values))

    def initialized(self, job: Job, slurm_id: str) -> None:
        """The executor has the job, under this number."""
        with self._database.writing() as connection:
            first = connection.execute(
                update(_jobs)
                .where(_jobs.c.number == job.number, _jobs.c.initialized_at.is_(None))
                .values(initialized_at=self.now(), slurm_id=slurm_id)
            )
            if first.rowcount:
                said = f"job [{job.id}] was submitted, its number is {slurm_id}"
                self._event(connection, job.number, "SLURM_SUBMIT_SUCCESS", said)
                self._event(connection, job.number, "JOB_INIT", f"job [{job.id}] is on {job.hpc}")

    def started(self, job: Job, at_ms: int | None) -> int:
        """The job runs; the answer is since when."""
        with self._database.writing() as connection:
            known = select(_jobs.c.started_at).where(_jobs.c.number == job.number)
            since = connection.execute(known).scalar_one() or at_ms or self.now()
            connection.execute(update(_jobs).where(_jobs.c.number == job.number).values(started_at=since))
            return int(since)

    def again(self, job: Job, why: str) -> None:
        """The job goes back into the queue."""
        with self._database.writing() as connection:
            back = {"state": schema.QUEUED, "tries": _jobs.c.tries + 1, "slurm_id": None}
            connection.execute(
                update(_jobs)
                .where(_jobs.c.number == job.number, _jobs.c.state != schema.ENDED)
                .values(**back, initialized_at=None, started_at=None)
            )
            self._event(connection, job.number, "JOB_RETRY", f"job [{job.id}] is tried again: {why}")

    def ended(
        self,
        job: Job,
        message: str,
        *,
        failed: bool = False,
        canceled: bool = False,
        exit_code: int | None = None,
        logs: Sequence[str] = (),
        result: Sequence[str] = (),
    ) -> None:
        """The job is over. Nothing happens when that is on record."""
        now = self.now()
        with self._database.writing() as connection:
            values = {
                "state": schema.ENDED,
                "finished_at": now,
                "is_failed": int(failed),
                "is_canceled": int(canceled),
                "exit_code": exit_code,
                "result": dumps([*result]),
            }
            over = connection.execute(
                update(_jobs).where(_jobs.c.number == job.number, _jobs.c.state != schema.ENDED).values(values)
            )
            if over.rowcount:
                for text in logs:
                    values = {"job": job.number, "message": text, "created_at": now}
                    connection.execute(insert(schema.logs).values(values))
                self._event(connection, job.number, "JOB_FAILED" if failed else "JOB_ENDED", message, now)

    def recover(self) -> list[Job]:
        """After a start: the jobs that an executor may have. Those on their way there go back into the queue."""
        with self._database.writing() as connection:
            connection.execute(update(_jobs).where(_jobs.c.state == schema.REGISTERED).values(state=schema.QUEUED))
            handed = connection.execute(select(_jobs).where(_jobs.c.state == schema.HANDED)).mappings()
            return [job_from(row) for row in handed]

    def result_path(self, job: Job) -> str | None:
        """Where the result of a job lies."""
        with self._database.reading() as connection:
            folder = folders_of_jobs(connection, [job])[job.number].get("result")
            return None if folder is None else folder.path

    def change_folder(self, folder: Folder, values: Mapping[str, str | int]) -> None:
        """Rename a folder, make it writable, or delete its record."""
        with self._database.writing() as connection:
            table = schema.folders
            connection.execute(
                update(table).where(table.c.number == folder.number).values(**values, updated_at=self.now())
            )

    def _folder(self, connection: Connection, job: Job, role: str, path: str, shared: str) -> None:
        now = self.now()
        values = {
            "id": _fresh_id(connection, schema.folders, now),
            "job": job.number,
            "role": role,
            "owner": job.owner,
            "hpc": job.hpc,
            "path": path,
            "shared_path": shared,
            "is_writable": 0,
            "created_at": now,
        }
        # Another try makes the same folders anew.
        connection.execute(sqlite.insert(schema.folders).values(values).on_conflict_do_nothing(["job", "role"]))

    def _move(self, connection: Connection, number: int, state: str) -> None:
        connection.execute(update(_jobs).where(_jobs.c.number == number).values(state=state))

    def _event(self, connection: Connection, number: int, kind: str, message: str, at: int | None = None) -> None:
        created_at = self.now() if at is None else at
        values = {"job": number, "type": kind, "message": message[:2_000], "created_at": created_at}
        connection.execute(insert(schema.events).values(values))


def _fresh_id(connection: Connection, table: Table, now: int) -> str:
    """An id that nothing in the table has."""
    while True:
        made = new_id(now)
        if connection.execute(select(table.c.id).where(table.c.id == made)).first() is None:
            return made

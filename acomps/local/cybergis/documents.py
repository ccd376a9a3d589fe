"""Jobs, events, logs and folders as clients see them (cybergis-compute 3.3), and the ids that they have."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from acomps.local.jsons import JSON

__all__ = ["Event", "Folder", "Job", "Log", "job_document", "new_id", "time_text"]

_LETTERS: Final = string.ascii_lowercase + string.digits
_RANDOM: Final = 5


def new_id(now_ms: int) -> str:
    """The seconds of now and five random letters. Paths are read without regard to case: all are small."""
    return f"{round(now_ms / 1000)}{''.join(secrets.choice(_LETTERS) for _ in range(_RANDOM))}"


def time_text(moment_ms: int | None) -> str | None:
    """A moment in the form of the wire."""
    if moment_ms is None:
        return None
    whole = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{moment_ms % 1000:03}Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of a job."""

    number: int
    id: str
    job: int
    role: str
    owner: str
    hpc: str
    path: str
    shared_path: str
    name: str | None
    is_writable: bool
    created_at: int
    updated_at: int | None
    deleted_at: int | None

    def document(self, user_id: str) -> dict[str, JSON]:
        """As clients see it."""
        return {
            "id": self.id,
            "name": self.name,
            "hpc": self.hpc,
            "hpcPath": self.path,
            "globusPath": self.shared_path,
            "userId": user_id,
            "isWritable": self.is_writable,
            "createdAt": time_text(self.created_at),
            "updatedAt": time_text(self.updated_at),
            "deletedAt": time_text(self.deleted_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job."""

    id: int
    type: str
    message: str
    created_at: int

    def document(self, job_id: str) -> dict[str, JSON]:
        """As clients see it."""
        return {"id": self.id, "jobId": job_id, "type": self.type, **_said(self.message, self.created_at)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What a job has said, the beginning of it."""

    id: int
    message: str
    created_at: int

    def document(self, job_id: str) -> dict[str, JSON]:
        """As clients see it."""
        return {"id": self.id, "jobId": job_id, **_said(self.message, self.created_at)}


def _said(message: str, created_at: int) -> dict[str, JSON]:
    return {"message": message, "createdAt": time_text(created_at), "updatedAt": None, "deletedAt": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is on record."""

    number: int
    id: str
    owner: str
    maintainer: str
    hpc: str
    state: str
    slurm_id: str | None
    local_executable: dict[str, JSON] | None
    local_data: dict[str, JSON] | None
    param: dict[str, JSON]
    env: dict[str, JSON]
    slurm: dict[str, JSON]
    created_at: int
    updated_at: int | None
    initialized_at: int | None
    started_at: int | None
    finished_at: int | None
    is_failed: bool
    is_canceled: bool
    cancel_asked: bool
    tries: int
    exit_code: int | None
    cores: int | None
    nodes: int | None
    time_limit_s: int | None
    result: Sequence[str]


def job_document(
    job: Job,
    user_id: str,
    *,
    folders: Mapping[str, Folder] | None = None,
    events: Sequence[Event] | None = (),
    logs: Sequence[Log] | None = (),
) -> dict[str, JSON]:
    """The 22 keys that every client knows, and two of this service: exitCode and isCanceled."""
    by_role = folders or {}
    return {
        "id": job.id,
        "userId": user_id,
        "secretToken": None,
        "slurmId": job.slurm_id,
        "maintainer": job.maintainer,
        "hpc": job.hpc,
        **{
            f"remote{role.capitalize()}Folder": by_role[role].document(user_id) if role in by_role else None
            for role in ("executable", "data", "result")
        },
        "localExecutableFolder": job.local_executable,
        "localDataFolder": job.local_data,
        "param": job.param,
        "env": job.env,
        "slurm": job.slurm,
        "createdAt": time_text(job.created_at),
        "updatedAt": time_text(job.updated_at),
        "deletedAt": None,
        "initializedAt": time_text(job.initialized_at),
        "finishedAt": time_text(job.finished_at),
        "isFailed": job.is_failed,
        "events": None if events is None else [event.document(job.id) for event in events],
        "logs": None if logs is None else [log.document(job.id) for log in logs],
        "exitCode": job.exit_code,
        "isCanceled": job.is_canceled,
    }

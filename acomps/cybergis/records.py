"""Jobs, events, logs and folders as the server tells of them: values without I/O."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from acomps.cybergis.reading import NOTHING, Fields, JsonObject

__all__ = ["BASIC_EVENT_TYPES", "Folder", "JobEvent", "JobLog", "JobRecord", "JobState"]

#: The events that matter to most people; the others tell of the steps between.
BASIC_EVENT_TYPES = (
    "JOB_QUEUED",
    "JOB_REGISTERED",
    "JOB_INIT",
    "GLOBUS_TRANSFER_INIT_SUCCESS",
    "JOB_ENDED",
    "JOB_FAILED",
)

#: The causal order, which neither the times nor the ids of a burst of events tell.
_ORDER: Final = {
    kind: place
    for place, kind in enumerate(
        (
            "JOB_QUEUED",
            "JOB_REGISTERED",
            "JOB_INIT_ERROR",
            "SLURM_UPLOAD_EXECUTABLE",
            "SLURM_UPLOAD_DATA",
            "SSH_SCP_UPLOAD",
            "SSH_UNZIP",
            "SSH_RM",
            "SLURM_CREATE_RESULT",
            "SSH_MKDIR",
            "SSH_CREATE_FILE",
            "SLURM_SUBMIT",
            "SLURM_SUBMIT_ERROR",
            "SLURM_SUBMIT_SUCCESS",
            "JOB_INIT",
            "JOB_RETRY",
            "JOB_ENDED",
            "JOB_FAILED",
        )
    )
}
_BETWEEN = _ORDER["SSH_SCP_UPLOAD"]
_LAST = frozenset({"JOB_ENDED", "JOB_FAILED", "JOB_INIT_ERROR"})


class JobState(enum.Enum):
    """Where a job stands, as far as its server lets one know."""

    CREATED = "created"
    QUEUED = "queued"
    REGISTERED = "registered"
    SUBMITTED = "submitted"
    """Slurm has it: it waits there or runs, which the server does not tell apart."""
    ENDED = "ended"
    """Over: its program succeeded, failed, ran out of time or was cancelled; see `JobRecord.succeeded`."""
    FAILED = "failed"
    """The system could not run it."""
    CANCELED = "canceled"
    """Ended by its user, where the server is one that tells it; others call it ended."""

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in {JobState.ENDED, JobState.FAILED, JobState.CANCELED}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that happened to a job; `message` is free text for people."""

    id: int
    job_id: str
    type: str
    message: str
    created_at: datetime | None

    @property
    def final(self) -> bool:
        """Whether it is the last one of its job."""
        return self.type in _LAST

    @property
    def basic(self) -> bool:
        """Whether it is one of the few that matter to most people."""
        return self.type in BASIC_EVENT_TYPES

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the causal order among events that came together."""
        return _ORDER.get(self.type, _BETWEEN), self.id

    @classmethod
    def read(cls, value: object) -> JobEvent:
        """The event in a decoded JSON object."""
        fields = Fields(value, "read an event")
        return cls(
            id=int(fields.required("id")),
            job_id=fields.text("jobId"),
            type=fields.text("type"),
            message=fields.text("message"),
            created_at=fields.time("createdAt"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLog:
    """A piece of a job's output. Servers cut long ones; the whole text lies in the result folder, in `slurm_log`."""

    id: int
    job_id: str
    message: str
    created_at: datetime | None

    @property
    def cut(self) -> bool:
        """Whether the server says that there is more."""
        return self.message.endswith("[download for full log]")

    @classmethod
    def read(cls, value: object) -> JobLog:
        """The log in a decoded JSON object."""
        fields = Fields(value, "read a log")
        return cls(
            id=int(fields.required("id")),
            job_id=fields.text("jobId"),
            message=fields.text("message"),
            created_at=fields.time("createdAt"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder on an HPC: the code, the data or the results of a job."""

    id: str
    name: str | None = None
    hpc: str = ""
    hpc_path: str = ""
    globus_path: str = ""
    user_id: str | None = None
    writable: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None

    @classmethod
    def read(cls, value: object) -> Folder:
        """The folder in a decoded JSON object."""
        fields = Fields(value, "read a folder")
        return cls(
            id=fields.required("id"),
            name=fields.optional("name"),
            hpc=fields.text("hpc"),
            hpc_path=fields.text("hpcPath"),
            globus_path=fields.text("globusPath"),
            user_id=fields.optional("userId"),
            writable=fields.flag("isWritable"),
            created_at=fields.time("createdAt"),
            updated_at=fields.time("updatedAt"),
            deleted_at=fields.time("deletedAt"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """Everything that the server tells of a job at one moment.

    `exit_code` is what the program returned, and `canceled` says that its user ended it, where the server is one that
    tells such things (the local service does).
    """

    id: str
    user_id: str | None = None
    slurm_id: str | None = None
    maintainer: str = ""
    hpc: str = ""
    remote_executable_folder: Folder | None = None
    remote_data_folder: Folder | None = None
    remote_result_folder: Folder | None = None
    local_executable_folder: JsonObject = field(default_factory=lambda: NOTHING)
    local_data_folder: JsonObject = field(default_factory=lambda: NOTHING)
    param: JsonObject = field(default_factory=lambda: NOTHING)
    env: JsonObject = field(default_factory=lambda: NOTHING)
    slurm: JsonObject = field(default_factory=lambda: NOTHING)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    initialized_at: datetime | None = None
    finished_at: datetime | None = None
    failed: bool = False
    events: tuple[JobEvent, ...] = ()
    logs: tuple[JobLog, ...] = ()
    exit_code: int | None = None
    canceled: bool = False

    @property
    def state(self) -> JobState:
        """Where it stands: by its times too, because an event may be missing for ever."""
        seen = {event.type for event in self.events}
        if self.failed or "JOB_FAILED" in seen or "JOB_INIT_ERROR" in seen:
            return JobState.FAILED
        if self.finished_at is not None or "JOB_ENDED" in seen:
            return JobState.CANCELED if self.canceled else JobState.ENDED
        if self.initialized_at is not None or self.slurm_id is not None or "JOB_INIT" in seen:
            return JobState.SUBMITTED
        if "JOB_REGISTERED" in seen:
            return JobState.REGISTERED
        return JobState.QUEUED if "JOB_QUEUED" in seen else JobState.CREATED

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self.state.final

    @property
    def succeeded(self) -> bool | None:
        """Whether the program ended well; None while it is not over, and where the server does not tell.

        A server that knows no exit code says the same of a success, a failure, a timeout and a cancellation: look
        at the outputs then.
        """
        if self.state in {JobState.FAILED, JobState.CANCELED}:
            return False
        return None if self.exit_code is None or not self.final else self.exit_code == 0

    @property
    def template(self) -> str | None:
        """The id of the template that it runs."""
        return Fields(self.local_executable_folder, "read a folder").optional("gitId")

    @property
    def events_in_order(self) -> tuple[JobEvent, ...]:
        """The events in their causal order."""
        return tuple(sorted(self.events, key=lambda event: event.place))

    @classmethod
    def read(cls, value: object) -> JobRecord:
        """The job in a decoded JSON object."""
        fields = Fields(value, "read a job")
        return cls(
            id=fields.required("id"),
            user_id=fields.optional("userId"),
            slurm_id=fields.optional("slurmId"),
            maintainer=fields.text("maintainer"),
            hpc=fields.text("hpc"),
            remote_executable_folder=_folder(fields, "remoteExecutableFolder"),
            remote_data_folder=_folder(fields, "remoteDataFolder"),
            remote_result_folder=_folder(fields, "remoteResultFolder"),
            local_executable_folder=fields.inner("localExecutableFolder"),
            local_data_folder=fields.inner("localDataFolder"),
            param=fields.inner("param"),
            env=fields.inner("env"),
            slurm=fields.inner("slurm"),
            created_at=fields.time("createdAt"),
            updated_at=fields.time("updatedAt"),
            deleted_at=fields.time("deletedAt"),
            initialized_at=fields.time("initializedAt"),
            finished_at=fields.time("finishedAt"),
            failed=fields.flag("isFailed"),
            events=tuple(map(JobEvent.read, fields.items("events"))),
            logs=tuple(map(JobLog.read, fields.items("logs"))),
            exit_code=fields.whole("exitCode"),
            canceled=fields.flag("isCanceled"),
        )


def _folder(fields: Fields, key: str) -> Folder | None:
    value = fields.values.get(key)
    return None if value is None else Folder.read(value)

"""The tables of the CyberGIS side. Times are milliseconds since 1970; JSON values are kept as text."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, String, Table, text

from acomps.local.records.schema import metadata

__all__ = ["CREATED", "ENDED", "HANDED", "QUEUED", "REGISTERED", "events", "folders", "jobs", "logs", "transfers"]

#: The states of a job: made; submitted; taken from the queue; with the executor; over.
CREATED: Final = "created"
QUEUED: Final = "queued"
REGISTERED: Final = "registered"
HANDED: Final = "handed"
ENDED: Final = "ended"

jobs: Final = Table(
    "cybergis_jobs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("owner", String(collation="NOCASE"), nullable=False),
    Column("maintainer", String, nullable=False),
    Column("hpc", String, nullable=False),
    Column("state", String, nullable=False),
    Column("slurm_id", String),
    Column("local_executable", String),
    Column("local_data", String),
    Column("param", String, nullable=False),
    Column("env", String, nullable=False),
    Column("slurm", String, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer),
    Column("queued_at", Integer),
    Column("initialized_at", Integer),
    Column("started_at", Integer),
    Column("finished_at", Integer),
    Column("is_failed", Integer, nullable=False),
    Column("is_canceled", Integer, nullable=False),
    # Set when somebody asks for it, until the end is on record.
    Column("cancel_asked", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("exit_code", Integer),
    # What the executor gives to it, in cores of all its processes, and in nodes.
    Column("cores", Integer),
    Column("nodes", Integer),
    Column("time_limit_s", Integer),
    # The list of its result's folders.
    Column("result", String),
    Index("cybergis_jobs_of_owner", "owner", "number"),
    Index("cybergis_jobs_at_work", "state", "number", sqlite_where=text("state IN ('queued','registered','handed')")),
)

events: Final = Table(
    "cybergis_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("message", String, nullable=False),
    Column("created_at", Integer, nullable=False),
    Index("cybergis_events_of_job", "job", "id"),
)

logs: Final = Table(
    "cybergis_logs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", Integer, nullable=False),
    Column("message", String, nullable=False),
    Column("created_at", Integer, nullable=False),
    Index("cybergis_logs_of_job", "job", "id"),
)

#: The folders of jobs. `role` says what a folder is to its job: executable, data or result.
folders: Final = Table(
    "cybergis_folders",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("job", Integer, nullable=False),
    Column("role", String, nullable=False),
    Column("owner", String(collation="NOCASE"), nullable=False),
    Column("hpc", String, nullable=False),
    Column("path", String, nullable=False),
    Column("shared_path", String, nullable=False),
    Column("name", String),
    Column("is_writable", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer),
    Column("deleted_at", Integer),
    Index("cybergis_folders_of_job", "job", "role", unique=True),
    Index("cybergis_folders_of_owner", "owner", "number"),
)

#: The copy of a folder that was asked for last, and how far it is.
transfers: Final = Table(
    "cybergis_transfers",
    metadata,
    Column("folder", Integer, primary_key=True),
    Column("task_id", String, nullable=False),
    Column("status", String, nullable=False),
)

"""A work item: a job of the service itself, done by a worker that is named by its kind and version."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from acomps.entities.checks import as_uuid, non_empty, put
from acomps.entities.files import WorkItemFile
from acomps.entities.record import NamedRecord
from acomps.entities.states import EntityKind, Priority, RelationType, WorkItemState
from acomps.errors import UsageError

__all__ = ["Relation", "WorkItem", "Worker"]


@dataclass(frozen=True, slots=True)
class Worker:
    """Who does a work item, for example `Worker("DockerWorker", "1.0.0.0_RELEASE")`."""

    name: str
    version: str

    def __post_init__(self) -> None:
        non_empty(self.name, "the name of a worker")
        non_empty(self.version, "the version of a worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One entity that a work item depends on or has created."""

    id: uuid.UUID
    kind: EntityKind
    relation_type: RelationType


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem(NamedRecord):
    """A job of the service. The worker and the environment are required; sizes are in bytes."""

    worker: Worker | None = None
    environment_name: str = ""
    state: WorkItemState | None = None
    error_message: str | None = None
    host_name: str | None = None
    worker_instance_id: uuid.UUID | None = None
    priority: Priority | None = None
    working_directory: str | None = None
    working_directory_size: int | None = None
    asset_collection_id: uuid.UUID | None = None
    files: tuple[WorkItemFile, ...] = ()
    plugins: tuple[Worker, ...] = ()

    def __post_init__(self) -> None:
        NamedRecord.__post_init__(self)
        if self.id is None:
            non_empty(self.environment_name, f"the environment_name of {self.described}")
            if self.worker is None:
                raise UsageError(f"{self.described} needs a worker: Worker(name, version)")
        if self.asset_collection_id is not None:
            put(self, "asset_collection_id", as_uuid(self.asset_collection_id, "asset_collection_id"))
        put(self, "files", tuple(self.files))

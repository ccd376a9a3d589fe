"""What a job shall run: its folders, Slurm settings, parameters and environment, as values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias

from acomps.cybergis.reading import JsonObject, is_sequence
from acomps.cybergis.rules import seconds_to_time
from acomps.errors import UsageError

__all__ = ["GitFolder", "GlobusFolder", "JobPlan", "LocalFolder", "Slurm", "folder_document", "settings_document"]

_TIME: Final = re.compile(r"\d+(-\d+(:\d+){0,2}|(:\d+){1,2})?")
_MEMORY: Final = re.compile(r"\d+(\.\d+)?\s*[KMGTP]?B?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GitFolder:
    """A template that the server lists; also written as its id, or as `git://<id>`."""

    git_id: str


@dataclass(frozen=True, slots=True)
class GlobusFolder:
    """A folder at a Globus endpoint, which the server fetches before the job runs."""

    endpoint: str
    path: str


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder on the disk of the server itself, where it allows that."""

    path: str


FolderReference: TypeAlias = GitFolder | GlobusFolder | LocalFolder | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slurm:
    """Settings of the batch job; what is None is left to the server.

    `time` is a duration or a text as Slurm has it (`01:30:00`); memories are texts such as `4GB`.
    """

    time: str | timedelta | None = None
    num_of_node: int | None = None
    num_of_task: int | None = None
    cpu_per_task: int | None = None
    memory: str | None = None
    memory_per_cpu: str | None = None
    memory_per_gpu: str | None = None
    gpus: int | None = None
    gpus_per_node: int | str | None = None
    gpus_per_socket: int | str | None = None
    gpus_per_task: int | str | None = None
    partition: str | None = None
    mail_type: tuple[str, ...] = ()
    mail_user: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_slurm(self.document())

    def document(self) -> dict[str, object]:
        """As it travels."""
        found: dict[str, object] = {}
        for item in dataclasses.fields(self):
            value: object = getattr(self, item.name)
            if isinstance(value, timedelta):
                value = seconds_to_time(round(value.total_seconds()))
            if value is not None and value != ():
                found[item.name] = list(value) if is_sequence(value) else value
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """A job that is still to be created: where, what, and with which parameters."""

    executable_folder: FolderReference
    data_folder: FolderReference | None = None
    param: Mapping[str, object] | None = None
    env: Mapping[str, object] | None = None
    slurm: Slurm | Mapping[str, object] | None = None
    hpc: str | None = None
    maintainer: str = "community_contribution"


def folder_document(reference: FolderReference) -> dict[str, str]:
    """A folder reference as it travels."""
    match reference:
        case str():
            git_id = reference.removeprefix("git://")
        case GitFolder():
            git_id = reference.git_id
        case GlobusFolder():
            return {"type": "globus", "endpoint": reference.endpoint, "path": reference.path}
        case LocalFolder():
            return {"type": "local", "localPath": str(Path(reference.path))}
    if not git_id:
        raise UsageError("the id of a template is empty; list_git() names them")
    return {"type": "git", "gitId": git_id}


def settings_document(slurm: Slurm | Mapping[str, object]) -> dict[str, object]:
    """Slurm settings as they travel. Raises UsageError for what the server could only fail on."""
    if isinstance(slurm, Slurm):
        return slurm.document()
    document = dict(slurm)
    if isinstance(time := document.get("time"), timedelta):
        document["time"] = seconds_to_time(round(time.total_seconds()))
    _check_slurm(document)
    return document


def _check_slurm(document: JsonObject) -> None:
    time = document.get("time")
    if time is not None and not (isinstance(time, str) and _TIME.fullmatch(time)):
        raise UsageError(f"slurm time must be a text such as '01:30:00' or a timedelta, not {time!r}")
    for name in ("memory", "memory_per_cpu", "memory_per_gpu"):
        memory = document.get(name)
        if memory is not None and not (isinstance(memory, str) and _MEMORY.fullmatch(memory)):
            raise UsageError(f"slurm {name} must be a text such as '4GB', not {memory!r}")

"""Batches of tasks on the shared disk: what an array runs, and under which number. Everything here blocks.

The folder of a batch is whole before Slurm hears of it, and stays until all of its simulations have ended: so a new
service knows what an earlier one has submitted, whenever that one ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Collection

    from acomps.local.executors import Task

__all__ = ["Batch", "Batches"]

#: The list of jobs and the arguments of sbatch; a batch without it was never finished.
_FACTS: Final = "batch.json"
#: The number that Slurm gave to the array.
_NUMBER: Final = "array-id"
_TASK: Final = "task-"
_LOG: Final = "log-"
_TAIL_BYTES: Final = 500


@dataclass(slots=True, kw_only=True)
class Batch:
    """One job array: the ids of the jobs of each of its tasks."""

    name: str
    folder: Path
    tasks: Sequence[Sequence[str]]
    #: Arguments of sbatch, and of the script.
    arguments: Sequence[str]
    script: Sequence[str]
    array_id: int | None = None
    #: Slurm may have it, whatever it has answered.
    tried: bool = False
    #: Jobs of which the end is not known, and those of which it is not on record.
    open: set[str] = field(default_factory=set[str])
    unrecorded: set[str] = field(default_factory=set[str])

    @property
    def jobs(self) -> list[str]:
        """The ids of all jobs."""
        return [job_id for jobs in self.tasks for job_id in jobs]


class Batches:
    """The folder of batches."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(
        self, name: str, tasks: Sequence[Sequence[Task]], arguments: Sequence[str], script: Sequence[str]
    ) -> Batch:
        """Make the folder of a new batch."""
        batch = Batch(
            name=name,
            folder=self._folder / name,
            tasks=[[task.job_id for task in together] for together in tasks],
            arguments=[*arguments, f"--job-name={name}", f"--array=0-{len(tasks) - 1}", f"--output={_LOG}%a"],
            script=script,
        )
        batch.open.update(batch.jobs)
        batch.unrecorded.update(batch.jobs)
        try:
            batch.folder.mkdir()
            for index, together in enumerate(tasks):
                (batch.folder / f"{_TASK}{index}").write_bytes(b"".join(map(_listed, together)))
            facts = {"tasks": batch.tasks, "arguments": batch.arguments, "script": batch.script}
            beside = batch.folder / f".{_FACTS}"
            beside.write_bytes(orjson.dumps(facts))
            beside.replace(batch.folder / _FACTS)
        except BaseException:
            shutil.rmtree(batch.folder, ignore_errors=True)
            raise
        return batch

    def submitted(self, batch: Batch, array_id: int) -> None:
        """Keep the number of a batch."""
        beside = batch.folder / f".{_NUMBER}"
        beside.write_text(str(array_id), encoding="ascii")
        beside.replace(batch.folder / _NUMBER)

    def read(self, open_jobs: Collection[str]) -> list[Batch]:
        """The batches of an earlier service that have an open job; all others are removed."""
        found: list[Batch] = []
        for folder in self._folder.iterdir():
            with contextlib.suppress(OSError, ValueError, KeyError):
                facts = orjson.loads((folder / _FACTS).read_bytes())
                batch = Batch(
                    name=folder.name,
                    folder=folder,
                    tasks=facts["tasks"],
                    arguments=facts["arguments"],
                    script=facts["script"],
                    tried=True,
                )
                with contextlib.suppress(FileNotFoundError):
                    batch.array_id = int((folder / _NUMBER).read_text(encoding="ascii"))
                batch.open.update(job_id for job_id in batch.jobs if job_id in open_jobs)
                batch.unrecorded.update(batch.open)
                if batch.open:
                    found.append(batch)
                    continue
            shutil.rmtree(folder, ignore_errors=True)
        return found

    def remove(self, batch: Batch) -> None:
        """Forget a batch."""
        shutil.rmtree(batch.folder, ignore_errors=True)

    def last_words(self, batch: Batch, index: int) -> str:
        """What Slurm or the script have said about a task, the end of it."""
        with contextlib.suppress(OSError), (batch.folder / f"{_LOG}{index}").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
            return " / ".join(log.read().decode("utf-8", "replace").split("\n")).strip(" /")
        return ""


def _listed(task: Task) -> bytes:
    """A task in the form that the script reads: words that end with a zero byte."""
    command = list(task.command)
    if task.mpi:
        command = ["srun", *command]
    if task.environment:
        command = ["/usr/bin/env", *(f"{name}={value}" for name, value in task.environment.items()), *command]
    words = [task.job_id, str(task.directory), str(len(command)), *command]
    return b"".join(os.fsencode(word) + b"\0" for word in words)

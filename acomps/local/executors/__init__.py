"""Where simulations run: what an executor is asked to do, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from acomps.entities.states import Priority

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractAsyncContextManager

__all__ = ["Ending", "Executor", "Reports", "Task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt to run a simulation: the id of its job, and what is to be done."""

    job_id: str
    directory: Path
    command: tuple[str, ...]
    #: For each of its processes.
    cores: int = 1
    #: So many processes are made room for; with `mpi` so many are started.
    processes: int = 1
    #: Over so many machines; None leaves it to the executor.
    nodes: int | None = None
    mpi: bool = False
    #: Nothing else runs beside it.
    exclusive: bool = False
    node_group: str | None = None
    #: The code of its priority: higher ones go first.
    rank: int = Priority.NORMAL.code
    #: More arguments of sbatch for this task; where there is no Slurm they say nothing.
    sbatch: tuple[str, ...] = ()
    #: Variables beyond those that every simulation has.
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt came to its end."""

    job_id: str
    #: None when it did not end by itself or nobody knows how.
    exit_code: int | None = None
    #: One sentence for what `exit_code` does not say.
    reason: str | None = None
    #: The attempt never came to its turn, or a stop of the service ended it: it goes back into the queue.
    stopped: bool = False
    #: The attempt was ended by a crash of the service or the machine; it is not the simulation's fault.
    lost: bool = False
    #: It was cancelled before or while it ran.
    canceled: bool = False
    #: Seconds since 1970; None is now.
    at_s: float | None = None


class Reports(Protocol):
    """Who hears what becomes of tasks. Called in the event loop; nothing of it waits."""

    def submitted(self, job_ids: Collection[str], cluster_id: int) -> None:
        """A cluster has them in its own queue, under this number."""
        ...

    def started(self, job_id: str, at_s: float | None = None) -> None:
        """It runs, since that moment in seconds since 1970 (None: now)."""
        ...

    def ended(self, ending: Ending) -> None:
        """It has ended. Reported once for each task, also for those that could not be started."""
        ...


class Executor(Protocol):
    """Runs tasks and reports what becomes of them."""

    def running(self, reports: Reports) -> AbstractAsyncContextManager[None]:
        """While it is entered, tasks can be started.

        Leaving it ends them and reports them as stopped, unless they run where they do not need the service.
        """
        ...

    def room_for(self, tasks: Sequence[Task]) -> int:
        """How many of the tasks, from the first on, can be started now."""
        ...

    async def start(self, tasks: Sequence[Task]) -> None:
        """Start tasks; one that cannot be started is reported as ended, with the reason."""
        ...

    def cancel(self, job_ids: Collection[str]) -> None:
        """End tasks: first asked, then forced. What has ended or is being ended is left alone."""
        ...

    async def adopt(self, jobs: Mapping[str, int]) -> set[str]:
        """Take over those tasks (job id, and cores of all its processes) that an earlier service started.

        The answer names them. Their endings are reported, also of those that have ended meanwhile; what never started
        is not among them.
        """
        ...

    def forget(self, job_ids: Collection[str]) -> None:
        """The endings of these tasks are on record: what was kept about them can go. Blocks."""
        ...

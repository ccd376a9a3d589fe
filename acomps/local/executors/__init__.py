"""Where simulations run: what an executor is asked to do, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractAsyncContextManager

__all__ = ["Ending", "Executor", "Task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt to run a simulation: the id of its job, and what is to be done."""

    job_id: str
    directory: Path
    command: tuple[str, ...]
    cores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt came to its end."""

    job_id: str
    #: None when it did not end by itself or nobody knows how.
    exit_code: int | None = None
    #: One sentence for what `exit_code` does not say.
    reason: str | None = None
    #: The attempt was ended by a stop of the service and goes back into the queue.
    stopped: bool = False
    #: The attempt was ended by a crash of the service or the machine; it is not the simulation's fault.
    lost: bool = False
    #: It was cancelled before or while it ran.
    canceled: bool = False


class Executor(Protocol):
    """Runs tasks and reports each ending exactly once, to the callback given to `running`."""

    def running(self, ended: Callable[[Ending], None]) -> AbstractAsyncContextManager[None]:
        """While it is entered, tasks can be started. Leaving it ends all of them and reports them as stopped."""
        ...

    def has_room(self, cores: int) -> bool:
        """True when a task of so many cores can be started now."""
        ...

    async def start(self, task: Task) -> None:
        """Start a task; one that cannot be started is reported as ended, with the reason."""
        ...

    def cancel(self, job_id: str) -> None:
        """End a task that runs: first asked, then forced. Nothing happens when it does not run."""
        ...

    async def adopt(self, jobs: Mapping[str, int]) -> set[str]:
        """Take over those tasks (job id and cores) that an earlier service started; the answer names them.

        Their endings are reported, also of those that have ended meanwhile; what never started is not among them.
        """
        ...

    def forget(self, job_ids: Collection[str]) -> None:
        """The endings of these tasks are on record: what was kept about them can go."""
        ...

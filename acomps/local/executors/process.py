"""Simulations as processes of this machine, bounded by its cores."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from acomps.local.executors import Ending
from acomps.local.executors.traces import Traces
from acomps.local.executors.waiting import until_end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from acomps.local.executors import Reports, Task

__all__ = ["ProcessExecutor"]

_log = logging.getLogger("acomps.local")

_CAPTURED: Final = ("stdout.txt", "stderr.txt")
#: The shell stands between the service and the simulation so that the exit code is on disk even when the service is
#: gone. It outlives signals to its group (the traps are reset in the simulation itself), so that it can always tell.
_WRAPPER: Final = 'trap : TERM INT HUP; t=$1; shift; echo $$ >"$t"; "$@"; c=$?; echo $c >>"$t"; exit $c'


@dataclass(slots=True)
class _Running:
    pid: int
    cores: int
    #: None for a process that an earlier service started.
    process: subprocess.Popen[bytes] | None
    canceled: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)


class ProcessExecutor:
    """An `Executor`: every task is a session of its own, led by a small shell."""

    def __init__(self, traces_dir: Path, *, cores: int, grace_s: float, environment: Mapping[str, str]) -> None:
        self._traces = Traces(traces_dir)
        self._cores = cores
        self._grace_s = grace_s
        self._environment = dict(environment)
        self._running: dict[str, _Running] = {}
        self._taken = 0
        self._stopping = False
        self._reports: Reports | None = None
        self._group: TaskGroup | None = None
        self._threads = anyio.CapacityLimiter(2)

    @contextlib.asynccontextmanager
    async def running(self, reports: Reports) -> AsyncGenerator[None]:
        """See `Executor`."""
        self._reports = reports
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    self._stopping = True
                    await self._end_all()

    def room_for(self, tasks: Sequence[Task]) -> int:
        """See `Executor`."""
        free = 0 if self._stopping else self._cores - self._taken
        for number, task in enumerate(tasks):
            free -= self._share(task)
            if free < 0:
                return number
        return len(tasks)

    async def start(self, tasks: Sequence[Task]) -> None:
        """See `Executor`."""
        self._taken += sum(self._share(task) for task in tasks)
        spawned = await anyio.to_thread.run_sync(self._spawn_all, tasks, limiter=self._threads)
        for task, process in zip(tasks, spawned, strict=True):
            if isinstance(process, OSError):
                self._taken -= self._share(task)
                reason = f"the process could not be started: {process}"
                self._told().ended(Ending(job_id=task.job_id, reason=reason))
            else:
                self._told().started(task.job_id)
                self._follow(task.job_id, _Running(process.pid, self._share(task), process))

    def cancel(self, job_ids: Collection[str]) -> None:
        """See `Executor`."""
        for job_id in job_ids:
            running = self._running.get(job_id)
            if running is not None and not running.canceled and self._group is not None:
                running.canceled = True
                self._group.start_soon(self._end, job_id, running)

    async def adopt(self, jobs: Mapping[str, int]) -> set[str]:
        """See `Executor`."""
        found = await anyio.to_thread.run_sync(self._traces.find, jobs.keys(), limiter=self._threads)
        for job_id, pid in found.items():
            self._told().started(job_id)
            if pid is None:
                self._told().ended(self._traces.ending(job_id))
            else:
                cores = min(jobs[job_id], self._cores)
                self._taken += cores
                self._follow(job_id, _Running(pid, cores, None))
        return set(found)

    def forget(self, job_ids: Collection[str]) -> None:
        """See `Executor`."""
        self._traces.remove(job_ids)

    def _share(self, task: Task) -> int:
        """The cores that a task takes: all of them when nothing may run beside it."""
        return self._cores if task.exclusive else min(task.cores * task.processes, self._cores)

    def _told(self) -> Reports:
        if self._reports is None:
            raise RuntimeError("the executor is not running")
        return self._reports

    def _spawn_all(self, tasks: Sequence[Task]) -> list[subprocess.Popen[bytes] | OSError]:
        return [self._spawn(task) for task in tasks]

    def _spawn(self, task: Task) -> subprocess.Popen[bytes] | OSError:
        command = ("mpirun", "-n", str(task.processes), *task.command) if task.mpi else task.command
        try:
            with contextlib.ExitStack() as files:
                out, err = (files.enter_context(open(f"{task.directory}/{name}", "wb", 0)) for name in _CAPTURED)
                return subprocess.Popen(  # noqa: S603 - running what the user commissioned is what this is for
                    ["/bin/sh", "-c", _WRAPPER, "acomps", self._traces.path(task.job_id), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=task.directory,
                    env={**self._environment, **task.environment} if task.environment else self._environment,
                    start_new_session=True,
                )
        except OSError as exc:
            return exc

    def _follow(self, job_id: str, running: _Running) -> None:
        self._running[job_id] = running
        if self._group is None:
            raise RuntimeError("the executor is not running")
        self._group.start_soon(self._wait, job_id, running)

    async def _wait(self, job_id: str, running: _Running) -> None:
        await until_end(running.pid, child=running.process is not None)
        # The leader has ended but its number is still taken (or its group's is), so this hits only its own leftovers.
        _signal(running.pid, signal.SIGKILL)
        code = None if running.process is None else running.process.wait()
        del self._running[job_id]
        self._taken -= running.cores
        running.over.set()
        # The wrapper ends with the code of the simulation; what was ended by force is judged by what it left.
        ending = self._traces.ending(job_id) if code is None or code < 0 else Ending(job_id=job_id, exit_code=code)
        if running.canceled:
            ending = Ending(job_id=job_id, canceled=True)
        elif self._stopping and ending.exit_code != 0:
            ending = Ending(job_id=job_id, stopped=True)
        self._told().ended(ending)

    async def _end(self, job_id: str, running: _Running) -> None:
        """Ask the group to end, and force it after the grace."""
        _signal(running.pid, signal.SIGTERM)
        with anyio.move_on_after(self._grace_s):
            await running.over.wait()
        if not running.over.is_set():
            _log.info("job %s did not end within its grace", job_id)
            _signal(running.pid, signal.SIGKILL)

    async def _end_all(self) -> None:
        async with anyio.create_task_group() as group:
            for job_id, running in list(self._running.items()):
                group.start_soon(self._end, job_id, running)
        for running in list(self._running.values()):
            await running.over.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)

"""What a workload of the comparison is: what is prepared for it, and what each side does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import acomps
from acomps.comps.child import Service

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


__all__ = ["Job", "Ours", "Stage", "Workload", "nothing_fresh", "nothing_prepared"]

#: What a process is told: only texts, since it travels as JSON to interpreters that know nothing of this project.
Job: TypeAlias = dict[str, str]
Ours: TypeAlias = Callable[[acomps.Session, Job], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a workload is prepared: a service, a folder for files, and how much is to be done."""

    service: Service
    folder: Path
    count: int

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[acomps.Session]:
        """A session for preparing, which is not measured."""
        async with acomps.connect(
            self.service.url,
            username=self.service.username,
            password=self.service.password,
            settings=acomps.Settings(hash_cache_dir=self.folder, token_cache_dir=self.folder),
        ) as session:
            yield session


async def nothing_prepared(_stage: Stage) -> Job:
    """For workloads that need nothing on the service."""
    return {}


async def nothing_fresh(_stage: Stage, _number: int) -> Job:
    """For workloads whose runs do not disturb each other."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One line of the table for each delay. The first way of ours is what pyCOMPS, doing the same, is compared with."""

    name: str
    #: `{count}` things of what.
    title: str
    count: int
    quick: int
    ways: Mapping[str, Ours]
    latencies_ms: tuple[int, ...] = (0,)
    #: Whether the requests can be sent again by nothing but streams, to see how far from the floor this project is.
    floor: bool = False
    #: Once for all runs and delays; what it gives is a part of every job.
    prepare: Callable[[Stage], Awaitable[Job]] = nothing_prepared
    #: Before every run, with its number; what it gives is a part of that job.
    fresh: Callable[[Stage, int], Awaitable[Job]] = nothing_fresh

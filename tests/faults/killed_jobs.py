"""What a client does when it is killed: a save with a journal, an upload, a harvest. Each goes on where it was."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NotRequired, TypedDict

from support.faults import small_simulations

import acomps

__all__ = ["BATCH", "COUNT", "JOBS", "MIB", "Job", "Killed"]

MIB = 1024 * 1024
COUNT, BATCH = 60, 10

#: Before the n-th suspension of a task ("step"), or the n-th call that touches a file or a socket ("call").
Killed = tuple[str, int]


class Job(TypedDict):
    """One job; `folder` is where it keeps what it goes on with, `about` is the experiment or the file."""

    kind: str
    kill: Killed | None
    url: str
    username: str
    password: str
    tokens: str
    folder: str
    about: str
    #: A command of the terminal instead, and the moments at which Ctrl-C is pressed.
    words: NotRequired[list[str]]
    presses: NotRequired[list[int]]


@asynccontextmanager
async def _session(job: Job) -> AsyncGenerator[acomps.Session]:
    settings = acomps.Settings(
        token_cache_dir=Path(job["tokens"]),
        hash_cache_dir=Path(job["folder"]) / "hashes",
        batch_entities=BATCH,
        range_from_bytes=MIB,
        range_bytes=MIB,
    )
    async with acomps.connect(
        job["url"], username=job["username"], password=job["password"], settings=settings
    ) as comps:
        yield comps


async def _save(job: Job) -> dict[str, object]:
    async with _session(job) as comps:
        experiment = await comps.experiments.get(job["about"])
        journal = Path(job["folder"]) / "journal"
        report = await comps.simulations.save_all(small_simulations(experiment, COUNT), journal=journal)
        report.raise_for_failures()
        return {"requests": report.requests, "ids": [str(one.id) for one in report.saved]}


async def _upload(job: Job) -> dict[str, object]:
    async with _session(job) as comps:
        [outcome] = await comps.uploads.upload_many([Path(job["about"])])
        if outcome.error is not None:
            raise outcome.error
        return {"sent": outcome.bytes_sent, "md5": str(outcome.md5)}


async def _harvest(job: Job) -> dict[str, object]:
    async with _session(job) as comps:
        fetched: list[str] = []
        into = Path(job["folder"]) / "results"
        layout = "{simulation.id}/{path}"
        async for file in comps.harvest(job["about"], "output/*", into=into, layout=layout):
            if file.error is not None:
                raise file.error
            if file.fetched:
                fetched.append(str(file.local))
        return {"fetched": fetched}


JOBS: dict[str, Callable[[Job], Awaitable[dict[str, object]]]] = {
    "save_all": _save,
    "upload": _upload,
    "harvest": _harvest,
}

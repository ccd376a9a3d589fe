"""One large file up, and one down."""

from __future__ import annotations

import time
import uuid
from functools import partial
from os import urandom, utime
from pathlib import Path
from typing import Final

import anyio.to_thread

import acomps
from acomps.transfer import HashCache, measured
from benchmarks.workload import Job, Stage, Workload
from benchmarks.workloads.harvest import run_script

__all__ = ["DOWNLOAD", "UPLOAD", "UPLOAD_AGAIN"]

_MIB: Final = 1024 * 1024
#: Older than the cache of hashes wants a file to be.
_AGE_S: Final = 60
_OUTPUT: Final = "output/large.bin"


async def upload(session: acomps.Session, job: Job) -> None:
    """Bring the run's file to the service."""
    await session.uploads.upload(Path(job["path"]))


async def new_file(stage: Stage, _number: int) -> Job:
    """A file that nobody has seen; for the way that needs it, its hash is in the cache of the run's folder."""
    hashed = stage.folder.name.endswith("hash known")
    path = await anyio.to_thread.run_sync(partial(_written, stage.folder / "large.bin", stage.count, hashed=hashed))
    return {"path": str(path)}


def _written(path: Path, mib: int, *, hashed: bool) -> Path:
    block = urandom(_MIB)
    with path.open("wb") as file:
        file.write(uuid.uuid4().bytes)
        for _ in range(mib - 1):
            file.write(block)
        file.write(block[16:])
    then = time.time() - _AGE_S
    utime(path, (then, then))
    if hashed:
        measured(path, HashCache(path.parent))
    return path


async def bring_file(stage: Stage) -> Job:
    """A file that the service has from an earlier run."""
    job = await new_file(stage, 0)
    async with stage.session() as session:
        await upload(session, job)
    return {**job, "hashes": str(stage.folder)}


async def make_output(stage: Stage) -> Job:
    """A simulation that has left a large file."""
    script = f"mkdir output\nhead -c {stage.count * _MIB} /dev/urandom > {_OUTPUT}\n"
    async with stage.session() as session:
        experiment = await run_script(session, script, 1)
        [simulation] = await session.simulations.list(acomps.Query().where(experiment_id=experiment.id))
    return {"id": str(simulation.id), "output": _OUTPUT}


async def download(session: acomps.Session, job: Job) -> None:
    """Fetch the file to the disk."""
    await session.outputs.download(
        await session.simulations.get(job["id"]), job["output"], Path(job["folder"], "large")
    )


UPLOAD: Final = Workload(
    name="upload",
    title="upload of {count} MiB",
    count=512,
    quick=64,
    ways={"acomps": upload, "acomps, hash known": upload},
    latencies_ms=(0, 20),
    fresh=new_file,
)
UPLOAD_AGAIN: Final = Workload(
    name="upload-again",
    title="upload of {count} MiB that are there, hash known",
    count=512,
    quick=64,
    ways={"acomps": upload},
    prepare=bring_file,
)
DOWNLOAD: Final = Workload(
    name="download",
    title="download of {count} MiB",
    count=512,
    quick=64,
    ways={"acomps": download},
    prepare=make_output,
)

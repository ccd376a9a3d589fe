"""`python -m benchmarks.client`: this project at one job of a comparison, which comes on stdin."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import orjson

import acomps
from benchmarks.pycomps_peer import cpu_s, peak_mib
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from benchmarks.workload import Job


async def work_once(job: Job) -> dict[str, float]:
    """Do the job with the defaults that every user has, and say what it cost; the login is a workload of its own."""
    folder = Path(job["folder"])
    # A job that goes on from an earlier one has the hashes that it left.
    hashes = Path(job.get("hashes", folder))
    settings = acomps.Settings(hash_cache_dir=hashes, token_cache_dir=folder)
    work = WORKLOADS[job["workload"]].ways[job["way"]]
    async with acomps.connect(
        job["url"], username=job["username"], password=job["password"], settings=settings
    ) as session:
        if job["workload"] != "login":
            await session.environments.list()
        wall, cpu = time.perf_counter(), cpu_s()
        await work(session, job)
        return {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu, "peak_mib": peak_mib()}


if __name__ == "__main__":
    cost = anyio.run(work_once, orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(b"\n" + orjson.dumps(cost))

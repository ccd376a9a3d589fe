"""A job on a CyberGIS-Compute server, here on a local service of its own: submitted, followed, and its results fetched.

    pip install '.[local]'
    python examples/cybergis_hello.py

At a real server give its host and a token instead: `CyberGISCompute("cgjobsup.cigi.illinois.edu", token=...)`; in a
notebook of a hub that the server knows, `CyberGISCompute()` finds the token by itself.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import anyio

from acomps.comps.child import start_service
from acomps.cybergis import CyberGISCompute, HubToken, JobPlan, display


async def hello(cybergis: CyberGISCompute, results: Path) -> None:
    """One job, step by step."""
    print(f"logged in as {await cybergis.login()}\n")
    print(display(await cybergis.list_info()), "\n")
    job = await cybergis.create_job()
    await job.set(executable_folder="hello_world", param={"whom": "CyberGIS", "tone": "loud"}, slurm={"num_of_task": 2})
    await job.submit()
    async for event in job.events():
        print(f"{event.type:25} {event.message}")
    async for log in job.logs():
        print(log.message)
    record = await job.status()
    if record.succeeded is False:
        sys.exit(f"job {job.id} is {record.state.value}, exit code {record.exit_code}")
    await job.download_result_folder(results)
    print(await anyio.Path(results, "all.txt").read_text())


async def sweep(cybergis: CyberGISCompute) -> None:
    """Many jobs at once."""
    plans = [JobPlan(executable_folder="hello_world", param={"times": times}) for times in range(1, 11)]
    submissions = await cybergis.submit_all(plans)
    async for progress in cybergis.watch([item.job for item in submissions if item.job is not None]):
        print(progress)


async def main() -> None:
    """Run on a local service of its own."""
    with tempfile.TemporaryDirectory(prefix="acomps-cybergis-") as folder:
        async with (
            start_service(Path(folder, "service")) as service,
            CyberGISCompute(service.url, None, token=HubToken("localhost", service.password)) as cybergis,
        ):
            await hello(cybergis, Path(folder, "results"))
            await sweep(cybergis)


if __name__ == "__main__":
    anyio.run(main)

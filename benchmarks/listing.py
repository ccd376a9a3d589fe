"""`python -m benchmarks.listing [--count N] [--pycomps PYTHON]`: listing simulations with all children, side by side.

Each simulation has three tags, two files and an attempt that has ended. `list` holds all of them at once, as pyCOMPS
does; `iterate` only a page at a time.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

import acomps
from acomps.comps.child import start_service
from benchmarks.saving import simulations
from benchmarks.sidebyside import PEER, Cost, Job, arguments, ours, run_job, table, theirs, work_once

_PROGRAM: Final = "benchmarks.listing"


#: Running so many would take longer than what is measured, so their ends are put on record as the scheduler does.
_ENDED: Final = """
INSERT INTO jobs (id, simulation_id, job_state, priority, working_directory, output_directory_size, submit_time,
                  start_time, end_time, configuration, rank, cores, command, retries)
SELECT id, id, 'Finished', 'Normal', '/data/environments/Local/home/benchmark/' || id, 48213, date_created,
       date_created, last_modified, '{"EnvironmentName":"Local","SimulationInputArgs":"--config config.json",' ||
       '"ExecutablePath":"Assets/Eradication","MaximumNumberOfRetries":0,"Priority":"Normal"}', 2, 1, '[]', 0
FROM simulations
"""


def finish_all(data_dir: Path) -> None:
    """Put an ended attempt on record for every simulation of the service."""
    with closing(sqlite3.connect(data_dir / "service.sqlite", timeout=60)) as connection, connection:
        connection.execute(_ENDED)
        connection.execute("UPDATE simulations SET state = 'Succeeded'")


async def read(session: acomps.Session, job: Job) -> None:
    """List the simulations of the job's experiment, or walk through them."""
    query = acomps.Query().children("tags", "configuration", "files", "hpc_jobs")
    found = 0
    if job["work"] == "list":
        found = len(await session.simulations.list(query.where(experiment_id=job["experiment"])))
    else:
        async for _ in session.simulations.of(job["experiment"], query):
            found += 1
    if found != int(job["count"]):
        raise acomps.MalformedAnswer(f"{found} simulations came, not {job['count']}")


async def compare(count: int, rounds: int, latency_ms: int, python: str | None) -> dict[str, list[Cost]]:
    """All rounds, in turn, against one service."""
    contenders = {"list": ours(_PROGRAM), "iterate": ours(_PROGRAM)}
    peer = theirs(python)
    if peer is not None:
        contenders["list" + PEER] = peer
    found: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as folder:
        async with start_service(Path(folder) / "data", latency_ms=latency_ms) as service:
            settings = acomps.Settings(token_cache_dir=Path(folder))
            async with acomps.connect(
                service.url, username=service.username, password=service.password, settings=settings
            ) as session:
                experiment = await session.experiments.save(acomps.Experiment(name="benchmark"))
                (await session.simulations.save_all(simulations(experiment, count))).raise_for_failures()
            await anyio.to_thread.run_sync(finish_all, Path(folder) / "data")
            job = {"experiment": str(experiment.id), "count": str(count), "folder": folder}
            for _ in range(rounds):
                for name, command in contenders.items():
                    work = {"work": name.partition(",")[0]}
                    found.setdefault(name, []).append(await run_job(command, service, {**job, **work}))
    return found


def main() -> int:
    """Parse the command line, run, print."""
    parser = arguments(_PROGRAM, __doc__)
    parser.add_argument("--count", type=int, default=100_000, help="simulations (100000)")
    chosen = parser.parse_args()
    if chosen.work:
        anyio.run(work_once, read)
        return 0
    found = anyio.run(compare, chosen.count, chosen.rounds, chosen.latency_ms, chosen.pycomps)
    print(f"{chosen.count} simulations, {chosen.latency_ms} ms")
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Listing simulations that have run, with all their children, and asking how far an experiment is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import anyio.to_thread

import acomps
from benchmarks.workload import Job, Stage, Workload
from benchmarks.workloads.saving import simulations

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LISTING", "LONG_LISTING", "STATUS"]

#: Running so many would take longer than what is measured, so their ends are put on record as the scheduler does.
_ENDED: Final = """
INSERT INTO jobs (id, simulation_id, job_state, priority, working_directory, output_directory_size, submit_time,
                  start_time, end_time, configuration, rank, cores, place, launch, retries)
SELECT id, id, 'Finished', 'Normal', '/data/environments/Local/home/benchmark/' || id, 48213, date_created,
       date_created, last_modified, '{"EnvironmentName":"Local","SimulationInputArgs":"--config config.json",' ||
       '"ExecutablePath":"Assets/Eradication","MaximumNumberOfRetries":0,"Priority":"Normal"}', 2, 1, 'local', '{}', 0
FROM simulations
"""


async def prepare(stage: Stage) -> Job:
    """Simulations that have all ended."""
    async with stage.session() as session:
        experiment = await session.experiments.save(acomps.Experiment(name="benchmark"))
        (await session.simulations.save_all(simulations(experiment, stage.count))).raise_for_failures()
    await anyio.to_thread.run_sync(_finish_all, stage.folder.parent / "data" / "service.sqlite")
    return {"experiment": str(experiment.id)}


def _finish_all(database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.execute(_ENDED)
        connection.execute("UPDATE simulations SET state = 'Succeeded'")


def _everything(job: Job) -> acomps.Query:
    children = acomps.Query().children("tags", "configuration", "files", "hpc_jobs")
    return children.where(experiment_id=job["experiment"])


def _require(found: int, job: Job) -> None:
    if found != int(job["count"]):
        raise acomps.MalformedAnswer(f"{found} simulations came, not {job['count']}")


async def list_all(session: acomps.Session, job: Job) -> None:
    """All of them at once in memory, as pyCOMPS has them."""
    _require(len(await session.simulations.list(_everything(job))), job)


async def iterate(session: acomps.Session, job: Job) -> None:
    """One after the other; a page is in memory at a time."""
    found = 0
    async for _ in session.simulations.iterate(_everything(job)):
        found += 1
    _require(found, job)


async def count_states(session: acomps.Session, job: Job) -> None:
    """How many simulations are in each state."""
    states = await session.simulations.count_by_state(job["experiment"])
    _require(sum(states.values()), job)


LISTING: Final = Workload(
    name="list",
    title="list {count} simulations with children",
    count=10_000,
    quick=1_000,
    ways={"acomps": list_all, "acomps, iterate": iterate},
    prepare=prepare,
    floor=True,
)
LONG_LISTING: Final = Workload(
    name="long-list",
    title="list {count} simulations with children",
    count=100_000,
    quick=2_000,
    ways={"acomps": list_all, "acomps, iterate": iterate},
    prepare=prepare,
    floor=True,
)
STATUS: Final = Workload(
    name="status",
    title="states of {count} simulations",
    count=10_000,
    quick=1_000,
    ways={"acomps": count_states},
    prepare=prepare,
    floor=True,
)

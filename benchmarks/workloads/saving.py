"""save_all: simulations with three tags, a file of 2 kB of their own, and one of 10 kB that all share."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import acomps
from benchmarks.pycomps_peer import OWN_BYTES, SHARED_BYTES
from benchmarks.workload import Job, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SAVING", "save", "simulations"]


def simulations(experiment: acomps.Experiment, count: int) -> Iterator[acomps.Simulation]:
    """Simulations that nobody has saved before, made when they are asked for."""
    run = uuid.uuid4().hex.encode()
    shared = acomps.SimulationFile(file_name="campaign.json", content=run.ljust(SHARED_BYTES))
    for number in range(count):
        content = b"%b %d" % (run, number)
        yield acomps.Simulation(
            name=f"simulation {number}",
            experiment_id=experiment.id,
            tags={"number": number, "Base_Infectivity_Constant": number / count, "model": "SEIR"},
            files=(acomps.SimulationFile(file_name="config.json", content=content.ljust(OWN_BYTES)), shared),
        )


async def save(session: acomps.Session, job: Job) -> None:
    """Save the simulations of the job."""
    experiment = await session.experiments.save(acomps.Experiment(name="benchmark"))
    report = await session.simulations.save_all(simulations(experiment, int(job["count"])))
    report.raise_for_failures()


SAVING: Final = Workload(
    name="save",
    title="save_all of {count} simulations",
    count=2_000,
    quick=300,
    ways={"acomps": save},
    latencies_ms=(0, 20, 100),
    floor=True,
)

"""Harvesting two files of 20 kB from every simulation; pyCOMPS has a utility for it, with one process per core."""

from __future__ import annotations

from typing import Final

import acomps
from benchmarks.pycomps_peer import HARVESTED
from benchmarks.workload import Job, Stage, Workload

__all__ = ["HARVEST", "run_script"]

_SCRIPT: Final = "\n".join(["mkdir output", *(f"head -c 20000 /dev/urandom > output/{name}" for name in HARVESTED)])


async def run_script(session: acomps.Session, script: str, count: int) -> acomps.Experiment:
    """An experiment whose simulations have all run `script`."""
    configuration = acomps.Configuration(
        environment_name="Local", executable_path="/bin/sh", simulation_input_args="run.sh"
    )
    experiment = await session.experiments.save(acomps.Experiment(name="benchmark", configuration=configuration))
    file = acomps.SimulationFile(file_name="run.sh", content=script.encode())
    made = (
        acomps.Simulation(name=f"{number}", experiment_id=experiment.id, tags={"number": number}, files=(file,))
        for number in range(count)
    )
    (await session.simulations.save_all(made)).raise_for_failures()
    await session.experiments.commission(experiment)
    ended = await session.wait(experiment)
    if ended.failed:
        raise acomps.AcompsError(f"{ended.failed} of {count} simulations failed")
    return experiment


async def prepare(stage: Stage) -> Job:
    """Real simulations, run once."""
    async with stage.session() as session:
        return {"experiment": str((await run_script(session, _SCRIPT, stage.count)).id)}


async def harvest(session: acomps.Session, job: Job) -> None:
    """Fetch the files into the run's own folder."""
    patterns = [f"output/{name}" for name in HARVESTED]
    files = session.harvest(job["experiment"], patterns, into=job["folder"], strict=True)
    found = len([file async for file in files])
    if found != len(patterns) * int(job["count"]):
        raise acomps.AcompsError(f"{found} files came")


async def harvest_again(session: acomps.Session, job: Job) -> None:
    """A second harvest into a folder that has everything."""
    await harvest(session, {**job, "folder": job["filled"]})


async def fresh(stage: Stage, number: int) -> Job:
    """The folder that the first way of this round has filled."""
    return {"filled": str(stage.folder.with_name(f"{number} acomps"))}


HARVEST: Final = Workload(
    name="harvest",
    title="harvest of {count} simulations x 2 files",
    count=1_000,
    quick=100,
    ways={"acomps": harvest, "acomps, again": harvest_again},
    latencies_ms=(0, 20, 100),
    prepare=prepare,
    fresh=fresh,
    floor=True,
)

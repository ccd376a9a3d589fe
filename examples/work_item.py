"""A work item: a program that the service runs beside its data, here one that sums up an experiment's outputs.

    pip install '.[local]'
    python examples/work_item.py

The work item depends on the experiment, so it waits until all simulations have ended. Its program is this same file,
which the service starts with `COMPS_SERVER` and a token in place: `acomps.connect()` needs nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import anyio

import acomps
from acomps.comps.child import start_service

SIMULATION = "mkdir output; awk 'BEGIN { srand(SEED); for (i = 0; i < 100; i++) print rand() }' > output/draws.txt\n"


async def summarise() -> None:
    """Inside: read the outputs of the experiment that this work item depends on, and write a summary."""
    async with acomps.connect() as comps:
        own_id = os.environ["COMPS_WORKITEM_GUID"]
        (experiment,) = await comps.work_items.related(own_id, acomps.RelationType.DEPENDS_ON)
        means: dict[str, float] = {}
        async for simulation in comps.simulations.of(experiment.id):
            draws = (await comps.outputs.read(simulation, "output/draws.txt")).split()
            means[simulation.name] = sum(map(float, draws)) / len(draws)
    await anyio.Path("summary.json").write_text(json.dumps(means, indent=2, sort_keys=True))
    print(f"read {len(means)} simulations")


async def order(comps: acomps.Session) -> None:
    """Outside: save everything, commission it, and fetch the summary."""
    experiment = await comps.experiments.save(
        acomps.Experiment(
            name="draws",
            configuration=acomps.Configuration(
                environment_name="Local", executable_path="/bin/sh", simulation_input_args="run.sh"
            ),
        )
    )
    report = await comps.simulations.save_all(
        acomps.Simulation(
            name=f"seed {seed}",
            experiment_id=experiment.id,
            files=(acomps.SimulationFile(file_name="run.sh", content=SIMULATION.replace("SEED", str(seed)).encode()),),
        )
        for seed in range(1, 6)
    )
    report.raise_for_failures()
    work_order = {
        "WorkItem_Type": "DockerWorker",
        "Execution": {"Command": "python3 work_item.py --inside"},
    }
    item = await comps.work_items.save(
        acomps.WorkItem(
            name="summary of draws",
            worker=acomps.Worker("DockerWorker", "1.0.0.0_RELEASE"),
            environment_name="Local",
            files=(
                acomps.WorkItemFile.work_order(json.dumps(work_order).encode()),
                acomps.WorkItemFile.from_path(Path(__file__)),
            ),
        )
    )
    await comps.work_items.relate(item, acomps.RelationType.DEPENDS_ON, experiment)
    await comps.work_items.commission(item)
    await comps.experiments.commission(experiment)
    async for progress in comps.watch(item, errors=True):
        print(progress, flush=True)
    item = await comps.work_items.get(item.saved_id)
    if item.state != acomps.WorkItemState.SUCCEEDED:
        sys.exit(f"{item.state}: {item.error_message}")
    print((await comps.outputs.read(item, "summary.json")).decode())


async def main() -> None:
    """Run on a local service of its own."""
    if "--inside" in sys.argv:
        await summarise()
        return
    with tempfile.TemporaryDirectory(prefix="acomps-item-") as folder:
        async with (
            start_service(Path(folder)) as service,
            acomps.connect(service.url, username=service.username, password=service.password) as comps,
        ):
            await order(comps)


if __name__ == "__main__":
    anyio.run(main)

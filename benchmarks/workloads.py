"""The work that is measured; each workload is a coroutine on an open session and says how many things it did."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import acomps

__all__ = ["WORKLOADS", "Workload"]

Workload = Callable[[acomps.Session, int], Awaitable[int]]

#: The name of the experiment that `save` leaves for `list`.
EXPERIMENT: Final = "benchmark"
CONFIG_BYTES: Final = 2_000


def simulations(experiment: acomps.Experiment, count: int) -> Iterator[acomps.Simulation]:
    """Simulations with three tags and a configuration of their own of 2 kB each, made when they are asked for."""
    run = uuid.uuid4().hex.encode()
    for number in range(count):
        content = b'{"run": "%s", "number": %d, "padding": "' % (run, number)
        yield acomps.Simulation(
            name=f"simulation {number}",
            experiment_id=experiment.id,
            tags={"number": number, "Base_Infectivity_Constant": number / count, "model": "SEIR"},
            files=(
                acomps.SimulationFile(file_name="config.json", content=content.ljust(CONFIG_BYTES - 2, b"x") + b'"}'),
            ),
        )


async def save(session: acomps.Session, count: int) -> int:
    """save_all of `count` simulations, each with a file of its own."""
    experiment = await session.experiments.save(acomps.Experiment(name=EXPERIMENT))
    report = await session.simulations.save_all(simulations(experiment, count))
    report.raise_for_failures()
    return len(report.saved)


async def list_with_children(session: acomps.Session, count: int) -> int:
    """A listing of the simulations of the newest experiment with tags, configuration, files and jobs, all in memory."""
    newest = acomps.Query().where(f"name={EXPERIMENT}").order_by("date_created", descending=True).limit(1)
    [experiment] = await session.experiments.list(newest)
    query = acomps.Query().where(experiment_id=experiment.id).children("tags", "configuration", "files", "hpc_jobs")
    return len(await session.simulations.list(query))


WORKLOADS: Final[dict[str, Workload]] = {"save": save, "list": list_with_children}

"""Experiments of small shell scripts, and waiting for their end."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

import acomps

DEADLINE_S = 60.0


async def shell_experiment(comps: acomps.Session, name: str, **configuration: int) -> acomps.Experiment:
    """An experiment of which every simulation runs its own `run.sh`."""
    return await comps.experiments.save(
        acomps.Experiment(
            name=name,
            configuration=acomps.Configuration(
                environment_name="Local",
                executable_path="/bin/sh",
                simulation_input_args="run.sh",
                maximum_number_of_retries=configuration.get("retries"),
            ),
        )
    )


def script(experiment: acomps.Experiment, lines: str, **tags: acomps.TagValue) -> acomps.Simulation:
    """A simulation that runs `lines`."""
    return acomps.Simulation(
        name="script",
        experiment_id=experiment.id,
        tags=tags,
        files=(acomps.SimulationFile(file_name="run.sh", content=lines.encode()),),
    )


async def ended(comps: acomps.Session, experiment: acomps.Experiment) -> Mapping[acomps.SimulationState, int]:
    """The states of all simulations, once all are final."""
    counts: Mapping[acomps.SimulationState, int] = {}
    with anyio.move_on_after(DEADLINE_S):
        while True:
            counts = await comps.simulations.count_by_state(experiment)
            if counts and all(state.final for state in counts):
                return counts
            await anyio.sleep(0.02)
    raise AssertionError(f"not all ended within {DEADLINE_S} s: {counts}")


async def running(comps: acomps.Session, experiment: acomps.Experiment) -> None:
    """Return once a simulation runs."""
    with anyio.fail_after(DEADLINE_S):
        while acomps.SimulationState.RUNNING not in await comps.simulations.count_by_state(experiment):
            await anyio.sleep(0.02)

"""Simulations that really run: from commission to outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.runs import ended, running, script, shell_experiment

import acomps
from acomps import Query, Session, SimulationState

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_simulation_runs_and_its_outputs_come_back(comps: Session, tmp_path: Path) -> None:
    experiment = await shell_experiment(comps, "outputs")
    lines = "mkdir output; printf hello > output/a.txt; : > empty; echo out; echo err >&2"
    simulation = await comps.simulations.save(script(experiment, lines))
    await comps.experiments.commission(experiment)
    assert await ended(comps, experiment) == {SimulationState.SUCCEEDED: 1}

    listed = {file.path for file in await comps.outputs.list(simulation)}
    assert {"output/a.txt", "empty", "stdout.txt", "stderr.txt", "run.sh"} <= listed
    assert await comps.outputs.read(simulation, "OUTPUT\\a.TXT") == b"hello"
    assert await comps.outputs.read(simulation, "stdout.txt") == b"out\n"
    assert await comps.outputs.read(simulation, "stderr.txt") == b"err\n"
    target = await comps.outputs.download(simulation, "output/a.txt", tmp_path / "deep" / "a.txt")
    assert target.read_bytes() == b"hello"
    assert (await comps.outputs.download(simulation, "empty", tmp_path / "empty")).read_bytes() == b""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "deep", "empty"]
    [first, second] = await comps.outputs.list(simulation, ["stdout.txt", "output/a.txt"])
    assert (first.path, second.path) == ("stdout.txt", "output/a.txt")


async def test_an_output_that_is_not_there_is_named_with_the_near_one(comps: Session, tmp_path: Path) -> None:
    experiment = await shell_experiment(comps, "no output")
    simulation = await comps.simulations.save(script(experiment, "true"))
    with pytest.raises(acomps.NotFound):
        await comps.outputs.list(simulation)
    await comps.experiments.commission(experiment)
    await ended(comps, experiment)
    with pytest.raises(acomps.NotFound, match=r"has no output file 'stdot.txt'; did you mean 'stdout.txt'\?"):
        await comps.outputs.download(simulation, "stdot.txt", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


async def test_a_failed_simulation_says_why(comps: Session) -> None:
    experiment = await shell_experiment(comps, "fails")
    simulation = await comps.simulations.save(script(experiment, "echo no more tea >&2; exit 3"))
    await comps.experiments.commission(experiment)
    assert await ended(comps, experiment) == {SimulationState.FAILED: 1}
    failed = await comps.simulations.refresh(simulation, Query().children("hpc_jobs"))
    assert failed.error_message is not None
    assert "3" in failed.error_message
    assert "no more tea" in failed.error_message
    assert [str(job.job_state) for job in failed.hpc_jobs] == ["Failed"]


async def test_an_executable_that_is_not_there_is_named(comps: Session) -> None:
    experiment = await comps.experiments.save(
        acomps.Experiment(
            name="no executable",
            configuration=acomps.Configuration(environment_name="Local", executable_path="Assets/Eradication"),
        )
    )
    simulation = await comps.simulations.save(acomps.Simulation(name="x", experiment_id=experiment.id))
    await comps.experiments.commission(experiment)
    assert await ended(comps, experiment) == {SimulationState.FAILED: 1}
    failed = await comps.simulations.get(simulation)
    assert "Assets/Eradication" in (failed.error_message or "")


async def test_a_failure_is_tried_again_as_often_as_is_asked(comps: Session) -> None:
    experiment = await shell_experiment(comps, "retries", retries=2)
    simulation = await comps.simulations.save(script(experiment, "exit 1"))
    await comps.experiments.commission(experiment)
    assert await ended(comps, experiment) == {SimulationState.FAILED: 1}
    failed = await comps.simulations.get(simulation, Query().children("hpc_jobs"))
    assert len(failed.hpc_jobs) == 3
    attempts = [await comps.outputs.list(simulation, ["stdout.txt"], job=job) for job in failed.hpc_jobs]
    assert len({files[0].url for files in attempts}) == 3


async def test_a_running_simulation_is_cancelled_with_its_children(comps: Session, tmp_path: Path) -> None:
    experiment = await shell_experiment(comps, "cancel")
    alive = tmp_path / "alive"
    # The grandchild holds a pipe: its reading end sees the end of file only when every process of the group is gone.
    lines = f"mkfifo '{alive}'; (sleep 600 > '{alive}') & cat '{alive}'"
    await comps.simulations.save(script(experiment, lines))
    await comps.experiments.commission(experiment)
    await running(comps, experiment)
    await comps.experiments.cancel(experiment)
    assert await ended(comps, experiment) == {SimulationState.CANCELED: 1}


async def test_commissioning_when_nothing_is_left_is_refused(comps: Session) -> None:
    experiment = await shell_experiment(comps, "twice")
    await comps.simulations.save(script(experiment, "true"))
    await comps.experiments.commission(experiment)
    with pytest.raises(acomps.ValidationFailed):
        await comps.experiments.commission(experiment)
    await ended(comps, experiment)


async def test_what_an_experiment_says_is_overridden_by_its_simulations(comps: Session) -> None:
    experiment = await shell_experiment(comps, "inherit")
    configuration = acomps.Configuration(simulation_input_args="-c 'printf mine'")
    simulation = await comps.simulations.save(
        acomps.Simulation(name="x", experiment_id=experiment.id, configuration=configuration)
    )
    merged = await comps.simulations.get(simulation, Query().children("configuration").extra(coalesceConfig="True"))
    assert merged.configuration is not None
    assert merged.configuration.executable_path == "/bin/sh"
    await comps.experiments.commission(experiment)
    assert await ended(comps, experiment) == {SimulationState.SUCCEEDED: 1}
    assert await comps.outputs.read(simulation, "stdout.txt") == b"mine"


async def test_assets_are_there_and_can_be_run(comps: Session) -> None:
    program = acomps.AssetCollectionFile(
        file_name="go.sh", relative_path="bin", content=b"#!/bin/sh\ncat Assets/data.txt\n"
    )
    data = acomps.AssetCollectionFile(file_name="data.txt", content=b"shared")
    collection = await comps.asset_collections.save(acomps.AssetCollection(assets=(program, data)))
    experiment = await comps.experiments.save(
        acomps.Experiment(
            name="assets",
            configuration=acomps.Configuration(
                environment_name="Local", executable_path="Assets/bin/go.sh", asset_collection_id=collection.id
            ),
        )
    )
    simulation = await comps.simulations.save(acomps.Simulation(name="x", experiment_id=experiment.id))
    await comps.simulations.commission(simulation)
    assert await ended(comps, experiment) == {SimulationState.SUCCEEDED: 1}
    assert await comps.outputs.read(simulation, "stdout.txt") == b"shared"
    assert all(not file.path.startswith("Assets") for file in await comps.outputs.list(simulation))

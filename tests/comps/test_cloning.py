"""Copies of simulations, and of those that failed."""

from __future__ import annotations

import pytest
from support.runs import ended, script, shell_experiment

import acomps


async def test_a_clone_has_everything_of_its_original_but_the_state(comps: acomps.Session) -> None:
    experiment = await shell_experiment(comps, "clones")
    original = await comps.simulations.save(script(experiment, "echo done > out.txt", place="here"))
    await comps.simulations.commission(original)
    await ended(comps, experiment)
    clone = await comps.clone(original)
    whole = acomps.Query().children("tags", "files", "configuration")
    one, other = [await comps.simulations.get(each.saved_id, whole) for each in (original, clone)]
    assert (other.name, other.experiment_id, other.state) == (
        one.name,
        one.experiment_id,
        acomps.SimulationState.CREATED,
    )
    assert [file.md5_checksum for file in other.files] == [file.md5_checksum for file in one.files]
    assert other.tags["ClonedFromSimulation"] == str(one.id)
    assert other.tags["place"] == "here"
    assert other.tags["acomps_key"] != one.tags["acomps_key"]
    await comps.simulations.commission(clone)
    assert (await comps.wait(experiment)).failed == 0
    assert await comps.outputs.read(clone, "out.txt") == b"done\n"


async def test_a_clone_in_another_experiment_runs_as_its_original_did(comps: acomps.Session) -> None:
    experiment = await shell_experiment(comps, "clones")
    original = await comps.simulations.save(script(experiment, "exit 0"))
    await comps.simulations.commission(original)
    await ended(comps, experiment)
    bare = await comps.experiments.save(acomps.Experiment(name="without a configuration"))
    clone = await comps.clone(original, experiment=bare)
    await comps.simulations.commission(clone)
    assert (await comps.wait(bare)).counts == {acomps.SimulationState.SUCCEEDED: 1}


@pytest.mark.parametrize("delete_old", [False, True])
async def test_what_failed_is_run_again_and_marked_or_deleted(delete_old: bool, comps: acomps.Session) -> None:
    experiment = await shell_experiment(comps, "reruns")
    lines = ["exit 0", "exit 3", "exit 4"]
    report = await comps.simulations.save_all(script(experiment, line, line=line) for line in lines)
    await comps.experiments.commission(experiment)
    await ended(comps, experiment)
    rerun = await comps.rerun_failed(experiment, delete_old=delete_old)
    assert [clone.tags["line"] for clone in rerun.clones] == ["exit 3", "exit 4"]
    assert {original.id for original in rerun.originals} == {simulation.id for simulation in report.saved[1:]}
    progress = await comps.wait(experiment)
    assert (progress.total, progress.failed) == ((3, 2) if delete_old else (5, 4))
    marked = await comps.simulations.list(acomps.Query().where(experiment_id=experiment.id).where_tag("ClonedToRerun"))
    assert {each.id for each in marked} == (set() if delete_old else {each.id for each in rerun.originals})


async def test_where_nothing_failed_nothing_is_made(comps: acomps.Session) -> None:
    experiment = await shell_experiment(comps, "reruns")
    await comps.simulations.save(script(experiment, "exit 0"))
    rerun = await comps.rerun_failed(experiment)
    assert (rerun.clones, rerun.originals) == ((), ())
    assert await comps.simulations.count(acomps.Query().where(experiment_id=experiment.id)) == 1

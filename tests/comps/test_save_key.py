"""A save with a key that its caller has noted: cut off anywhere, it goes on and makes nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fault_proxy import ANSWER_LOST, PASS, Fault, Request
from support.faults import assert_exactly_once, rows_of, small_simulations, through_faults

import acomps
from acomps.comps import SaveKey
from acomps.comps.child import Service


async def test_the_key_is_the_one_that_was_given(comps: acomps.Session, service_folder: Path) -> None:
    experiment = await comps.experiments.save(acomps.Experiment(name="keyed"))
    await comps.simulations.save_all(small_simulations(experiment, 3), key=SaveKey(run="mine-1"))
    assert sorted(rows_of(service_folder, experiment)) == [(f"{i}", f"mine-1.0.{i}") for i in range(3)]


async def test_a_save_that_was_cut_off_goes_on_with_its_key(
    comps: acomps.Session, service: Service, settings: acomps.Settings, service_folder: Path
) -> None:
    experiment = await comps.experiments.save(acomps.Experiment(name="cut off"))
    saves = 0

    def script(request: Request) -> Fault:
        nonlocal saves
        saves += request.method == "POST" and "/Simulations" in request.target
        return ANSWER_LOST if saves >= 2 else PASS

    async with through_faults(service, settings, saves_at_once=1, saves_at_most=1) as (proxy, lossy):
        proxy.script = script
        with pytest.raises(acomps.SaveFailed):
            await lossy.simulations.save_all(small_simulations(experiment, 350), key=SaveKey(run="cut-1"))
    assert 100 <= len(rows_of(service_folder, experiment)) < 350
    key = SaveKey(run="cut-1", again=True)
    report = await comps.simulations.save_all(small_simulations(experiment, 350), key=key)
    assert len(report.saved) == 350
    assert_exactly_once(service_folder, experiment, 350)


async def test_a_part_of_a_save_keeps_its_places(comps: acomps.Session, service_folder: Path) -> None:
    experiment = await comps.experiments.save(acomps.Experiment(name="a part"))
    entities = [*small_simulations(experiment, 250)]
    await comps.simulations.save_all(entities[:150], key=SaveKey(run="part-1"))
    part = SaveKey(run="part-1", places=range(100, 250), again=True)
    async with comps.simulations.save_each(entities[100:], key=part) as outcomes:
        assert sorted([one.index async for one in outcomes]) == [*range(100, 250)]
    assert_exactly_once(service_folder, experiment, 250)


async def test_keys_that_cannot_be_are_refused(comps: acomps.Session, tmp_path: Path) -> None:
    with pytest.raises(acomps.UsageError, match="letters, digits and hyphens"):
        SaveKey(run="a.b")
    with pytest.raises(acomps.UsageError, match="a journal, or a key"):
        await comps.simulations.save_all([], journal=tmp_path / "journal", key=SaveKey(run="a"))

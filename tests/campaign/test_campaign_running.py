"""Campaigns to their end: stages, rounds, failures and reruns, and what the store says of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import cast

import pytest
from campaign.small_campaigns import Small, found
from support.local_service import records

import acomps
from acomps.campaign import (
    CampaignFailed,
    CampaignStatus,
    Channels,
    JSONPersistentStore,
    Loop,
    RerunPolicy,
    Result,
    Results,
    Stage,
    Submission,
    WorkflowFolder,
    documents,
)
from acomps.campaign.runner.points import read_points, read_stages
from acomps.sweep import Sweep

FORMS = ["json", "zarr"] if importlib.util.find_spec("zarr") else ["json"]


@pytest.mark.parametrize("form", FORMS)
async def test_a_stage_gets_its_points_from_what_the_one_before_found(
    form: str, tmp_path: Path, comps: acomps.Session
) -> None:
    small = Small(tmp_path)

    def next_ones(results: Results) -> Sweep | None:
        best = results.best(lambda one: -float(str((one.outputs or {})["y"])))[0]
        tens = 10 * int(str(best.inputs["x"]))
        return None if len(results) > 4 else small.sweep(*(tens + place for place in range(len(results) - 1)))

    campaign = small.campaign(
        Stage(name="first", sweep=small.sweep(1, 2, 3)),
        Stage(name="next", sweep=next_ones, rounds=5),
        store=form,
    )
    told: list[CampaignStatus] = []
    status = await campaign.run(comps, on_progress=told.append)
    assert status.complete
    assert told[-1] == status
    assert [stage.succeeded for stage in status.stages] == [3, 2]
    assert [stage.rounds for stage in status.stages] == [1, 1]
    results = await campaign.results()
    assert found(results) == {1: 1, 2: 2, 3: 3, 30: 30, 31: 31}
    assert small.runs() == {1: 1, 2: 1, 3: 1, 30: 1, 31: 1}
    again = await campaign.run(comps)
    assert again == status
    assert sum(small.runs().values()) == 5
    table = results.frame()
    assert table["x"].to_list() == [1, 2, 3, 30, 31]
    assert table["y"].to_list() == [1, 2, 3, 30, 31]
    assert table["attempts"].to_list() == [1] * 5


async def test_rounds_are_iterations_of_the_same_elements(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path)

    def more(results: Results) -> Sweep:
        return small.sweep(*(len(results) * 10 + i for i in range(2 + len(results))))

    campaign = small.campaign(Stage(name="search", sweep=more, rounds=2))
    status = await campaign.run(comps)
    assert status.complete
    assert status.stages[0].points == 2 + 4
    async with JSONPersistentStore(WorkflowFolder(campaign.folder)) as store:
        [task] = await store.get_all_tasks_metadata()
        assert task == {"num_elements": 4, "num_element_iterations": 6, "num_EARs": 6}
        assert [loop["num_added_iterations"] for loop in await store.get_loops()] == [2]
        elements = await store.get_task_elements(0, 0, slice(None), keep_iterations_idx=True)
        assert [one["iterations_idx"] for one in elements] == [[0, 2], [1, 3], [4], [5]]
        points = await read_points(store, 0, "search rounds")
        assert [(one.element, one.round) for one in points] == [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (3, 1)]
        [loop] = [Loop.from_dict(one) for one in records((await store.get_template())["loops"])]
        assert (loop.name, loop.num_iterations) == ("search rounds", 2)


async def test_the_store_has_everything_in_its_own_terms(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path)
    campaign = small.campaign(Stage(name="only", sweep=small.sweep(1, 2)))
    await campaign.run(comps)
    async with JSONPersistentStore(WorkflowFolder(campaign.folder)) as store:
        assert [stage.more["name"] for stage in await read_stages(store)] == ["only"]
        first, _ = await read_points(store, 0)
        [run] = first.iteration.actions[0]
        assert run.metadata.success is True
        assert run.metadata.start_time is not None
        assert run.metadata.end_time is not None
        assert run.metadata.start_time <= run.metadata.end_time
        given, kept = first.parameter("inputs.x"), first.parameter("outputs.result")
        assert run.data_idx == {"inputs.x": given, "outputs.result": kept}
        assert await store.get_parameter_data(given) == (True, 1)
        assert (await store.get_parameter_source(given))["type"] == "local_input"
        assert await store.get_parameter_data(kept) == (True, {"y": 1})
        source = await store.get_parameter_source(kept)
        assert source["type"] == "EAR_output"
        assert (source["task_insert_ID"], source["element_idx"], source["run_idx"]) == (0, 0, 0)
        [submission] = [Submission.from_dict(one) for one in await store.get_submissions()]
    assert submission.submission_attempts == [[0]]
    [script] = submission.jobscripts
    assert script.task_elements == {0: [0, 1]}
    assert script.scheduler_job_ID is not None
    experiment = await comps.experiments.get(script.scheduler_job_ID, acomps.Query().children("tags"))
    assert experiment.name == "small: only"
    assert experiment.tags["stage"] == "only"
    simulations = [one async for one in comps.simulations.of(experiment, acomps.Query().children("tags"))]
    assert script.version_info is not None
    ids = cast("list[str]", script.version_info["ids"])
    assert set(ids) == {str(one.id) for one in simulations}
    assert {one.tags["acomps_key"] for one in simulations} == {f"{submission.more['acomps_key']}.0.{i}" for i in (0, 1)}
    assert run.metadata.more["id"] in ids


async def test_a_point_that_keeps_failing_is_given_up_and_the_others_go_on(
    tmp_path: Path, comps: acomps.Session
) -> None:
    small = Small(tmp_path, '[ "$x" = 2 ] && { echo broken; exit 3; }')
    campaign = small.campaign(
        Stage(name="a", sweep=small.sweep(1, 2, 3)), Stage(name="b", sweep=small.sweep(5)), attempts=3
    )
    status = await campaign.run(comps)
    assert (status.succeeded, status.failed, status.complete) == (3, 1, True)
    assert small.runs() == {1: 1, 2: 3, 3: 1, 5: 1}
    assert status.stages[0].attempts == 5
    assert "3" in status.stages[0].errors[0]
    async with JSONPersistentStore(WorkflowFolder(campaign.folder)) as store:
        point = (await read_points(store, 0))[1]
        assert [run.metadata.success for run in point.iteration.actions[0]] == [False, False, False]
        kept = point.parameter("outputs.result")
        assert (await store.get_parameter_source(kept))["run_idx"] == 2
        assert not await store.is_parameter_set(kept)


async def test_only_errors_of_the_policy_are_tried_again(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path, '[ "$x" = 2 ] && exit 3; [ "$x" = 3 ] && exit 4')
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1, 2, 3)), attempts=2, errors=(r"\b4\b",))
    await campaign.run(comps)
    assert small.runs() == {1: 1, 2: 1, 3: 2}


async def test_a_rerun_tries_failed_points_again_once_the_reason_is_mended(
    tmp_path: Path, comps: acomps.Session
) -> None:
    mended = tmp_path / "mended"
    small = Small(tmp_path, f'[ "$x" = 2 ] && [ ! -e "{mended}" ] && exit 3')
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1, 2)), attempts=1)
    assert (await campaign.run(comps)).failed == 1
    assert (await campaign.run(comps)).failed == 1
    assert small.runs()[2] == 1
    mended.touch()
    status = await campaign.rerun(comps)
    assert (status.failed, status.succeeded, status.complete) == (0, 2, True)
    assert small.runs() == {1: 1, 2: 2}


async def test_when_nothing_succeeds_little_is_tried_again_and_the_campaign_ends(
    tmp_path: Path, comps: acomps.Session
) -> None:
    small = Small(tmp_path, "exit 3")
    campaign = small.campaign(
        Stage(name="a", sweep=small.sweep(*range(30))), Stage(name="b", sweep=small.sweep(99)), attempts=5
    )
    with pytest.raises(CampaignFailed, match="all 30 points of a have failed"):
        await campaign.run(comps)
    assert set(small.runs().values()) == {1}
    assert 99 not in small.runs()
    with pytest.raises(CampaignFailed):
        await campaign.run(comps)
    assert set(small.runs().values()) == {1}


async def test_outputs_that_are_missing_or_unreadable_are_failures(tmp_path: Path, comps: acomps.Session) -> None:
    lines = '[ "$x" = 2 ] && exit 0; [ "$x" = 3 ] && { mkdir output; echo nonsense > output/result.json; exit 0; }'
    small = Small(tmp_path, lines)
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(1, 2, 3)), attempts=1)
    status = await campaign.run(comps)
    assert (status.succeeded, status.failed) == (1, 2)
    errors = found(await campaign.results())
    assert "output/result.json" in str(errors[2])
    assert "cannot be read: JSONDecodeError" in str(errors[3])


async def test_more_points_than_one_order_takes_are_all_made_once(tmp_path: Path, comps: acomps.Session) -> None:
    small = Small(tmp_path)
    campaign = small.campaign(Stage(name="a", sweep=small.sweep(*range(1_150))))
    status = await campaign.run(comps)
    assert status.succeeded == 1_150
    assert len(small.runs()) == 1_150
    assert set(small.runs().values()) == {1}
    async with JSONPersistentStore(WorkflowFolder(campaign.folder)) as store:
        assert [len(records(one["jobscripts"])) for one in await store.get_submissions()] == [10, 2]


def test_what_is_wrong_in_a_definition_is_refused(tmp_path: Path) -> None:
    small = Small(tmp_path)
    stage = Stage(name="a", sweep=small.sweep(1))
    with pytest.raises(acomps.UsageError, match="different names"):
        small.campaign(stage, stage)
    with pytest.raises(acomps.UsageError, match="must be a function"):
        Stage(name="a", sweep=small.sweep(1), rounds=2)
    with pytest.raises(acomps.UsageError, match="name of a stage"):
        Stage(name="a/b", sweep=small.sweep(1))
    with pytest.raises(acomps.UsageError, match="at least 1"):
        RerunPolicy(attempts=0)
    with pytest.raises(acomps.UsageError, match="no regular expression"):
        RerunPolicy(errors=("(",))


def test_readers_make_values_of_files() -> None:
    assert documents({"output/a.json": b'{"b": 1}', "stdout.txt": b"text"}) == {"a": {"b": 1}, "stdout": "text"}
    chart = b'{"Channels": {"Infected": {"Units": "", "Data": [1, 2]}}}'
    assert Channels("Infected")({"output/InsetChart.json": chart}) == {"Infected": [1, 2]}
    with pytest.raises(acomps.ContentError, match="Recovered"):
        Channels("Recovered")({"output/InsetChart.json": chart})


def test_the_best_results_are_the_lowest_and_there_must_be_some() -> None:
    made = [Result(stage="a", round=0, point=i, inputs={"x": i}, outputs={"y": -i} if i else None) for i in range(4)]
    best = Results(made).best(lambda one: float(str((one.outputs or {})["y"])), 2)
    assert [one.point for one in best] == [3, 2]
    with pytest.raises(acomps.UsageError, match="no point"):
        Results(made[:1]).best(lambda one: 0.0)

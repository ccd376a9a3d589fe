"""Mistakes that a store of this kind was seen to make, one test for each; ours must not."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import anyio
import pytest
from campaign.conftest import (
    COMPONENTS,
    GIVEN,
    a_loop,
    a_submission,
    at,
    everything,
    iterations_of,
    made,
    plan,
    write_empty,
)

from acomps.campaign import (
    AlreadySet,
    Element,
    Iteration,
    JSONPersistentStore,
    NoSuchRecord,
    PersistentStore,
    Run,
    StoreDamaged,
    WorkflowFolder,
    WorkflowNotFoundError,
    remove_dir,
    rename_dir,
)
from acomps.errors import UsageError


async def test_a_set_before_an_add_in_one_batch_leaves_no_gap(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        async with store.batch_update():
            await store.set_parameter(2, "set")
            assert await store.add_parameter_data("added", GIVEN.to_dict()) == 4
        assert await store.add_parameter_data("next", GIVEN.to_dict()) == 5
        assert await store.get_parameter_data(4) == (True, "added")


async def test_a_parameter_added_in_a_batch_can_be_set_in_it_and_only_once(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder) as store, store.batch_update():
        index = await store.add_unset_parameter_data({"type": "EAR_output"})
        await store.set_parameter(index, 1)
        assert await store.is_parameter_set(index)
        with pytest.raises(AlreadySet):
            await store.set_parameter(index, 2)
        assert await store.get_parameter_data(index) == (True, 1)


async def test_rejecting_a_batch_harms_no_older_parameter(kind: type[PersistentStore], folder: Path) -> None:
    value: object = [1.0, 2.0]
    if kind is not JSONPersistentStore:
        import numpy as np

        value = np.arange(2.0)
    async with await made(kind, folder) as store:
        await store.set_parameter(2, value)
        await store.checkpoint()
        async with store.batch_update():
            await store.add_parameter_data(value, GIVEN.to_dict())
            await store.set_parameter(3, value)
            store.reject_pending()
        assert (await store.get_parameter_data(2))[0]
        _, found = await store.get_parameter_data(2)
        assert [*cast("list[float]", found)] == [*cast("list[float]", value)]
        assert not await store.is_parameter_set(3)


async def test_names_that_come_with_a_loop_or_runs_alone_leave_elements_readable(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder) as store:
        await store.add_loop([0], a_loop().to_dict(), {})
        await store.add_loop([0], a_loop("outer").to_dict(), {})
        await store.add_EARs(0, 0, 0, {1: [Run(index=2, data_idx={"outputs.other": 3}).to_dict()]}, {})
        before = await store.get_task_elements(0, 0, slice(0, 2, 1))
    async with kind(WorkflowFolder(folder)) as store:
        found = await store.get_task_elements(0, 0, slice(0, 2, 1))
        assert found == before
        assert [one.loop_idx for element in found for one in iterations_of(element)] == [{"round": 0, "outer": 0}] * 2
        with pytest.raises(ValueError, match="round"):
            await store.add_loop([0], a_loop().to_dict(), {})
        assert len(await store.get_loops()) == 2


async def test_reading_pending_elements_changes_nothing(kind: type[PersistentStore], folder: Path) -> None:
    await write_empty(kind, folder)
    async with kind(WorkflowFolder(folder)) as store:
        async with store.batch_update():
            await plan(store)
            for _ in range(2):
                await store.get_task_elements(0, 0, slice(0, 2, 1), keep_iterations_idx=True)
            found = await store.get_task_elements(0, 0, slice(0, 2, 1), keep_iterations_idx=True)
        assert [one["iterations_idx"] for one in found] == [[0], [1]]
        assert await store.get_task_elements(0, 0, slice(0, 2, 1), keep_iterations_idx=True) == found


async def test_tasks_keep_their_order_beyond_ten_and_after_an_insertion(
    kind: type[PersistentStore], folder: Path
) -> None:
    await write_empty(kind, folder)
    order: list[int] = []
    async with kind(WorkflowFolder(folder)) as store, store.batch_update():
        for insert_ID in range(12):
            where = 3 if insert_ID == 11 else insert_ID
            await plan(store, points=insert_ID, task_idx=where, insert_ID=insert_ID)
            order.insert(where, insert_ID)
    async with kind(WorkflowFolder(folder)) as store:
        assert [one["num_elements"] for one in await store.get_all_tasks_metadata()] == order
        assert await store.get_num_added_tasks() == 12
        with pytest.raises(NoSuchRecord, match="insert ID"):
            await store.get_task_elements(3, 3, slice(0, 1, 1))


async def test_two_tasks_inserted_at_one_index_are_both_there(kind: type[PersistentStore], folder: Path) -> None:
    await write_empty(kind, folder)
    async with kind(WorkflowFolder(folder)) as store:
        async with store.batch_update():
            await plan(store, points=1, task_idx=0, insert_ID=0)
            await plan(store, points=2, task_idx=0, insert_ID=1)
        assert [one["num_elements"] for one in await store.get_all_tasks_metadata()] == [2, 1]
        assert await store.get_num_added_tasks() == 2
        with pytest.raises(UsageError, match="insert ID 1"):
            await store.add_empty_task(0, {"insert_ID": 1})
        with pytest.raises(UsageError, match="insert_ID"):
            await store.add_empty_task(0, {})


async def test_submission_indices_reach_runs_of_the_same_batch_and_actions_with_gaps(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder) as store:
        async with store.batch_update():
            await store.add_EARs(0, 0, 0, {7: [Run(index=2).to_dict()]}, {})
            await store.set_EAR_submission_indices(0, [(0, 0, 7, 0)])
        await store.set_EAR_submission_indices(1, (0, 0, 0, 0))
        await store.set_EAR_start(0, 0, 7, 0)
        [element] = await store.get_task_elements(0, 0, slice(0, 1, 1))
        actions = iterations_of(element)[0].actions
        assert {key: runs[0].metadata.submission_idx for key, runs in actions.items()} == {0: 1, 7: 0}
        assert actions[7][0].metadata.start_time is not None
        for wrong in [(0, 0, 3, 0), (0, 0, 7, 1), (0, 9, 0, 0), (4, 0, 0, 0), (0, -1, 0, 0)]:
            with pytest.raises(NoSuchRecord):
                await store.set_EAR_submission_indices(2, [(0, 0, 0, 0), wrong])
        [again] = await store.get_task_elements(0, 0, slice(0, 1, 1))
        assert again == element


WRONG: list[Callable[[PersistentStore], Awaitable[object | None]]] = [
    lambda store: store.set_EAR_start(9, 0, 0, 0),
    lambda store: store.set_EAR_end(0, 0, 5, 0),
    lambda store: store.set_parameter(99, 1),
    lambda store: store.set_parameter(-1, 1),
    lambda store: store.get_parameter_data(-1),
    lambda store: store.set_jobscript_job_ID(0, 0, "x"),
    lambda store: store.append_submission_attempt(3, [0]),
    lambda store: store.update_loop_num_added_iters(0, 2),
    lambda store: store.add_element_set(5, {}),
    lambda store: store.add_elements(0, 0, [Element(iterations_idx=[0]).to_dict()], [Iteration().to_dict()]),
    lambda store: store.add_element_iterations(0, 0, [Iteration().to_dict()], {7: [2]}),
    lambda store: store.add_EARs(0, 0, 0, {0: [Run(index=2).to_dict()]}, {99: {}}),
    lambda store: store.add_EARs(0, 0, 9, {}, {}),
    lambda store: store.add_loop([0, 1], a_loop().to_dict(), {}),
    lambda store: store.add_submission({"jobscripts": object()}),
    lambda store: store.set_EAR_submission_indices(0, [(0, 0, 0, 9)]),
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_cannot_be_done_is_said_at_once_and_changes_nothing(
    kind: type[PersistentStore], folder: Path, wrong: Callable[[PersistentStore], Awaitable[object]]
) -> None:
    async with await made(kind, folder) as store:
        before = await everything(store)
        with pytest.raises(UsageError):
            await wrong(store)
        async with store.batch_update():
            with pytest.raises(UsageError):
                await wrong(store)
            assert not store.has_pending
            await store.set_parameter(2, "goes on")
        assert await everything(store) != before
        await store.set_parameter(3, "goes on")
    async with kind(WorkflowFolder(folder)) as store:
        assert (await store.get_parameter_data(2), await store.get_parameter_data(3)) == ((True, "goes on"),) * 2


async def test_after_an_empty_batch_settings_are_committed_at_once(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        async with store.batch_update():
            pass
        await store.set_parameter(2, 1)
        assert not store.has_pending
        assert await store.is_parameter_set(2)


async def test_an_error_of_the_system_is_not_tried_for_minutes(tmp_path: Path) -> None:
    with anyio.fail_after(5):
        with pytest.raises(FileNotFoundError):
            await rename_dir(tmp_path / "none", tmp_path / "other")
        (tmp_path / "file").write_text("")
        with pytest.raises(NotADirectoryError):
            await remove_dir(tmp_path / "file")
    await remove_dir(tmp_path / "none")


async def test_a_folder_that_another_program_holds_on_to_is_tried_again(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (other / "busy").write_text("")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rename_dir, one, other)
        await anyio.sleep(0.02)
        (other / "busy").unlink()
    assert not one.exists()


async def test_a_checkpoint_never_leaves_a_file_that_does_not_parse(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        before = {path: path.stat().st_ino for path in folder.glob("*.json")}
        await store.set_parameter(2, 1)
        await store.checkpoint()
        assert all(path.stat().st_ino != inode for path, inode in before.items()), "files are replaced, not rewritten"
        await store.add_parameter_data(1, GIVEN.to_dict())


async def test_times_are_aware_utc_values_and_arrays_of_everything_ones_own(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder) as store:
        before = datetime.now(UTC)
        await store.set_EAR_start(0, 0, 0, 0)
        await store.set_EAR_end(0, 0, 0, 0, success=True, more={"exit_code": 0})
        await store.add_submission(a_submission().to_dict())
        await store.set_jobscript_submit_time(0, 0, datetime(2026, 1, 2, 3, 4, 5))
        after = datetime.now(UTC)
    async with kind(WorkflowFolder(folder)) as store:
        [element] = await store.get_task_elements(0, 0, slice(0, 1, 1))
        metadata = iterations_of(element)[0].actions[0][0].metadata
        assert metadata.start_time is not None
        assert metadata.end_time is not None
        assert before <= metadata.start_time <= metadata.end_time <= after
        assert (metadata.success, metadata.more) == (True, {"exit_code": 0})
        assert at(element, "iterations", 0, "actions", 0, 0, "metadata", "start_time") == metadata.start_time
        [submission] = await store.get_submissions()
        assert at(submission, "jobscripts", 0, "submit_time") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert at(submission, "jobscripts", 0, "task_elements") == {0: [0, 1]}


async def test_all_parameters_are_given_while_some_are_pending(kind: type[PersistentStore], folder: Path) -> None:
    await write_empty(kind, folder)
    async with kind(WorkflowFolder(folder)) as store:
        assert await store.get_all_parameter_data() == {}
        for value in range(3):
            await store.add_parameter_data(value, GIVEN.to_dict())
        async with store.batch_update():
            index = await store.add_unset_parameter_data({"type": "EAR_output"})
            await store.set_parameter(index, 3)
            assert await store.get_all_parameter_data() == {value: (True, value) for value in range(4)}


async def test_another_attempt_does_not_take_the_place_of_the_first(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        await store.set_EAR_end(0, 0, 0, 0, success=False)
        await store.add_EARs(0, 0, 0, {0: [Run(index=2).to_dict()]}, {})
        await store.set_EAR_start(0, 0, 0, 1)
        await store.set_EAR_end(0, 0, 0, 1, success=True)
    async with kind(WorkflowFolder(folder)) as store:
        [element] = await store.get_task_elements(0, 0, slice(0, 1, 1))
        runs = iterations_of(element)[0].actions[0]
        assert [(run.index, run.metadata.success) for run in runs] == [(0, False), (2, True)]
        assert [one["num_EARs"] for one in await store.get_all_tasks_metadata()] == [3]


async def test_what_was_read_or_given_can_be_changed_without_changing_the_store(
    kind: type[PersistentStore], folder: Path
) -> None:
    given: dict[str, object] = {"inputs": [1]}
    async with await made(kind, folder) as store, store.cached_load():
        await store.add_loop([0], a_loop().to_dict(), {"beta": {"output_tasks": [0]}})
        await store.add_submission(a_submission().to_dict())
        await store.set_parameter(2, [1])
        async with store.batch_update():
            await store.add_element_set(0, given)
            given["inputs"] = "changed"
        before = await everything(store)
        _spoil(await everything(store))
        assert await everything(store) == before
        assert at(await store.get_template(), "tasks", 0, "element_sets", -1) == {"inputs": [1]}


def _spoil(thing: object) -> None:
    if isinstance(thing, dict):
        items = cast("dict[object, object]", thing)
        for value in [*items.values()]:
            _spoil(value)
        items["spoilt"] = True
    elif isinstance(thing, list):
        values = cast("list[object]", thing)
        for value in values:
            _spoil(value)
        values.append("spoilt")
    elif isinstance(thing, tuple):
        for value in cast("tuple[object, ...]", thing):
            _spoil(value)


async def test_known_definitions_are_not_overwritten(kind: type[PersistentStore], folder: Path) -> None:
    await write_empty(kind, folder)
    async with kind(WorkflowFolder(folder)) as store:
        await store.add_template_components({"parameters": {"9c1f": {"type": "other"}, "new": {"type": "gamma"}}})
        await store.add_template_components({"environments": {"e": {}}})
        found = await store.get_template_components()
        assert found["parameters"] == {**COMPONENTS["parameters"], "new": {"type": "gamma"}}
        assert found["environments"] == {"e": {}}


async def test_changes_of_another_program_are_seen_outside_cached_load_too(folder: Path) -> None:
    async with await made(JSONPersistentStore, folder) as store:
        await store.checkpoint()
        for name in ("parameters.json", "metadata.json", "submissions.json"):
            text = (folder / name).read_bytes()
            (folder / name).write_bytes(text + b" ")
            assert await store.is_modified_on_disk()
            (folder / name).write_bytes(text)
            assert not await store.is_modified_on_disk()
        (folder / name).touch()
        assert not await store.is_modified_on_disk()


async def test_a_copy_has_everything_and_the_original_stays(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "note.txt").write_text("kept")
        await store.set_parameter(2, "before the copy")
        await store.copy()
        await store.copy(folder.with_name("second"))
        wanted = await everything(store)
        with pytest.raises(FileExistsError):
            await store.copy()
    for name in (folder.name, f"{folder.name}_copy", "second"):
        async with kind(WorkflowFolder(folder.with_name(name))) as store:
            assert await everything(store) == wanted
        assert (folder.with_name(name) / "artifacts" / "note.txt").read_text() == "kept"


async def test_a_new_workflow_does_not_take_the_place_of_another(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        wanted = await everything(store)
    with pytest.raises(FileExistsError):
        await write_empty(kind, folder)
    async with kind(WorkflowFolder(folder)) as store:
        assert await everything(store) == wanted


def _no(_question: str) -> str:
    return "n"


def _yes(_question: str) -> str:
    return "y"


async def test_a_deleted_workflow_is_gone(
    kind: type[PersistentStore], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await made(kind, folder) as store:
        monkeypatch.setattr("builtins.input", _no)
        await store.delete()
        assert folder.exists()
        monkeypatch.setattr("builtins.input", _yes)
        await store.delete()
        assert not folder.exists()
    assert not await kind.path_has_store(folder)


async def test_a_name_that_leads_out_of_the_folder_is_not_removed(folder: Path, tmp_path: Path) -> None:
    await (await made(JSONPersistentStore, folder)).aclose()
    precious = tmp_path / "precious"
    precious.mkdir()
    text = (folder / "metadata.json").read_text()
    (folder / "metadata.json").write_text(
        text.replace('"creation_info"', '"replaced_dir": "../x/../precious", "creation_info"', 1)
    )
    async with JSONPersistentStore(WorkflowFolder(folder)) as store:
        with pytest.raises(UsageError, match="set aside"):
            await store.remove_replaced_dir()
    assert precious.exists()


async def test_a_damaged_file_is_named(kind: type[PersistentStore], folder: Path) -> None:
    await (await made(kind, folder)).aclose()
    name, error = (
        ("parameters.json", StoreDamaged) if kind is JSONPersistentStore else ("zarr.json", WorkflowNotFoundError)
    )
    os.truncate(folder / name, 40)
    with pytest.raises(error, match=str(folder)):
        await kind(WorkflowFolder(folder)).get_template()

"""Batches: what is pending is seen by its own task only, and is committed whole or forgotten."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from campaign.conftest import GIVEN, a_loop, a_submission, dicts, everything, made, plan, write_empty

from acomps.campaign import (
    AlreadySet,
    Element,
    Iteration,
    PersistentStore,
    Run,
    WorkflowBatchUpdateFailedError,
    WorkflowFolder,
    temporary_workflow_rename,
)
from acomps.errors import UsageError


async def test_reads_see_what_is_pending_as_it_will_be(kind: type[PersistentStore], folder: Path) -> None:
    await write_empty(kind, folder)
    async with kind(WorkflowFolder(folder)) as store:
        async with store.batch_update():
            await plan(store)
            await store.add_loop([0], a_loop().to_dict(), {"beta": {"input_task": 0, "output_tasks": [0]}})
            await store.add_submission(a_submission().to_dict())
            await store.set_EAR_submission_indices(0, [(0, 0, 0, 0), (0, 1, 0, 0)])
            await store.set_EAR_start(0, 0, 0, 0)
            await store.set_parameter(2, "early")
            assert store.has_pending
            pending = await everything(store)
        assert not store.has_pending
        assert await everything(store) == pending
    async with kind(WorkflowFolder(folder)) as store:
        assert await everything(store) == pending


async def test_elements_of_which_some_parts_are_pending_are_read_whole(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder) as store:
        async with store.batch_update():
            iterations = [Iteration(global_idx=2, loop_idx={"round": 1}).to_dict()]
            await store.add_element_iterations(0, 0, iterations, {1: [2]})
            await store.add_EARs(0, 0, 2, {0: [Run(index=2).to_dict()]}, {})
            await store.add_elements(0, 0, [Element(iterations_idx=[3]).to_dict()], [Iteration(global_idx=3).to_dict()])
            for _ in range(2):
                await store.get_task_elements(0, 0, slice(0, 3, 1))
            found = await store.get_task_elements(0, 0, slice(0, 3, 1))
            positions = [[one["index"] for one in dicts(element["iterations"])] for element in found]
            assert positions == [[0], [1, 2], [3]]
            one_by_one = [one async for one in store.get_task_elements_islice(0, 0, slice(0, 3, 1))]
            assert one_by_one == found
            assert [one async for one in store.get_task_elements_islice(0, 0, 2)] == found[2:]
        assert await store.get_task_elements(0, 0, slice(0, 3, 1)) == found
        assert await store.get_task_elements(0, 0, slice(2, None, -2)) == [found[2], found[0]]
        assert await store.get_task_elements(0, 0, slice(3, 9, 1)) == []


async def test_an_error_in_a_batch_leaves_everything_as_it_was(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        before = await everything(store)
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - what comes before the error is the subject
            async with store.batch_update():
                await plan(store, task_idx=0, insert_ID=1)
                await store.set_parameter(2, 1)
                _ = 1 / 0
        assert not store.has_pending
        assert await everything(store) == before
        assert await store.add_unset_parameter_data({"type": "EAR_output"}) == 4
    async with kind(WorkflowFolder(folder)) as store:
        assert len(await store.get_all_parameter_data()) == 5


async def test_a_batch_inside_a_batch_is_a_part_of_it(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - what comes before the error is the subject
            async with store.batch_update():
                async with store.batch_update():
                    await store.set_parameter(2, 1)
                assert store.has_pending
                _ = 1 / 0
        assert not await store.is_parameter_set(2)


async def test_a_commit_inside_a_batch_stays_when_the_batch_fails(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - what comes before the error is the subject
            async with store.batch_update():
                await store.set_parameter(2, 1)
                await store.save()
                assert store.has_pending
                await store.commit_pending()
                assert not store.has_pending
                await store.set_parameter(3, 1)
                _ = 1 / 0
        assert (await store.is_parameter_set(2), await store.is_parameter_set(3)) == (True, False)


async def test_rejected_changes_are_gone_and_the_batch_goes_on(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        async with store.batch_update():
            assert await store.add_parameter_data(1, GIVEN.to_dict()) == 4
            store.reject_pending()
            assert await store.check_parameters_exist([3, 4, -1]) == [True, False, False]
            assert await store.add_parameter_data(2, GIVEN.to_dict()) == 4
        assert await store.get_parameter_data(4) == (True, 2)
        assert await store.check_parameters_exist(4) is True


async def test_another_tasks_writes_do_not_fall_into_a_batch(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        opened, written = anyio.Event(), anyio.Event()

        async def other() -> None:
            await opened.wait()
            assert not store.has_pending
            await store.set_parameter(2, "other")
            assert await store.get_parameter_data(2) == (True, "other")
            written.set()

        with pytest.raises(ExceptionGroup):  # noqa: PT012 - as above
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(other)
                async with store.batch_update():
                    await store.add_parameter_data("mine", GIVEN.to_dict())
                    opened.set()
                    await written.wait()
                    _ = 1 / 0
        assert await store.get_parameter_data(2) == (True, "other")
        assert await store.check_parameters_exist(4) is False


async def test_tasks_started_in_a_batch_are_part_of_it(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        async with store.batch_update():
            async with anyio.create_task_group() as tasks:
                for value in range(20):
                    tasks.start_soon(store.add_parameter_data, value, GIVEN.to_dict())
            assert store.has_pending
        found = await store.get_all_parameter_data()
        assert sorted(str(value) for _, value in [*found.values()][4:]) == sorted(map(str, range(20)))


async def test_adding_takes_turns_so_that_no_index_is_given_twice_or_left_out(
    kind: type[PersistentStore], folder: Path
) -> None:
    await write_empty(kind, folder)
    indices: list[int] = []

    async def work(number: int) -> None:
        for step in range(5):
            try:
                async with store.batch_update():
                    mine = [await store.add_parameter_data((number, step, i), GIVEN.to_dict()) for i in range(3)]
                    await anyio.lowlevel.checkpoint()
                    if step == number % 5:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                continue
            indices.extend(mine)
            indices.append(await store.add_parameter_data((number, step, "alone"), GIVEN.to_dict()))

    async with kind(WorkflowFolder(folder)) as store:
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(work, number)
        assert sorted(indices) == list(range(8 * 4 * 4))
        assert [*await store.get_all_parameter_data()] == sorted(indices)


async def test_a_batch_that_began_with_settings_sees_what_was_added_since_when_it_adds(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder) as store:
        set_first, added = anyio.Event(), anyio.Event()

        async def other() -> None:
            await set_first.wait()
            assert await store.add_parameter_data("other", GIVEN.to_dict()) == 4
            added.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            async with store.batch_update():
                await store.set_parameter(2, "mine")
                set_first.set()
                await added.wait()
                assert await store.add_parameter_data("mine", GIVEN.to_dict()) == 5
        values = await store.get_all_parameter_data()
        assert [values[index][1] for index in (2, 4, 5)] == ["mine", "other", "mine"]


async def test_two_batches_that_set_the_same_parameter_cannot_both_be_committed(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder) as store:
        pending, done = anyio.Event(), anyio.Event()

        async def other() -> None:
            await pending.wait()
            await store.set_parameter(2, "first")
            done.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            with pytest.raises(AlreadySet):  # noqa: PT012 - as above
                async with store.batch_update():
                    await store.set_parameter(2, "second")
                    await store.set_parameter(3, "second")
                    pending.set()
                    await done.wait()
        assert await store.get_parameter_data(2) == (True, "first")
        assert not await store.is_parameter_set(3)


async def test_a_cancelled_batch_is_forgotten(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        with anyio.CancelScope() as scope:
            async with store.batch_update():
                await store.set_parameter(2, 1)
                scope.cancel()
                await anyio.sleep_forever()
        assert not await store.is_parameter_set(2)
        await store.set_parameter(2, 2)


async def test_a_cancelled_setting_is_on_the_disk_when_it_is_seen(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.set_parameter(2, 1)
        seen = await store.get_parameter_data(2)
    async with kind(WorkflowFolder(folder)) as store:
        assert await store.get_parameter_data(2) == seen


async def test_a_failed_creation_brings_the_old_workflow_back(
    kind: type[PersistentStore], folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with await made(kind, folder) as store:
        old = await everything(store)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    aside = await temporary_workflow_rename(folder)
    assert not folder.exists()
    await kind.write_empty_workflow({"name": "new"}, {}, folder, aside, {})
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - what comes before the error is the subject
        async with kind(WorkflowFolder(folder)) as store, store.batch_update(is_workflow_creation=True):
            await store.add_parameter_data(1, GIVEN.to_dict())
            _ = 1 / 0
    assert not aside.exists()
    async with kind(WorkflowFolder(folder)) as store:
        assert await everything(store) == old


async def test_a_creation_that_succeeds_removes_what_was_set_aside(
    kind: type[PersistentStore], folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await (await made(kind, folder)).aclose()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    aside = await temporary_workflow_rename(folder)
    await kind.write_empty_workflow({"name": "new"}, {}, folder, aside, {})
    async with kind(WorkflowFolder(folder)) as store:
        assert aside.exists()
        async with store.batch_update(is_workflow_creation=True):
            await store.add_parameter_data(1, GIVEN.to_dict())
        assert not aside.exists()
        await store.remove_replaced_dir()
        await store.reinstate_replaced_dir()
        assert (await store.get_template())["name"] == "new"


async def test_only_a_folder_beside_the_workflow_can_be_set_aside_for_it(
    kind: type[PersistentStore], folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="beside"):
        await kind.write_empty_workflow({}, {}, folder, tmp_path / "deeper" / "one", {})
    assert not folder.exists()


async def test_a_batch_is_refused_when_another_program_changed_the_files(
    kind: type[PersistentStore], folder: Path
) -> None:
    await (await made(kind, folder)).aclose()
    async with kind(WorkflowFolder(folder)) as store:
        assert not await store.is_modified_on_disk()
        name = "metadata.json" if store.store_name == "json" else "zarr.json"
        text = (folder / name).read_bytes()
        (folder / name).write_bytes(text + b"\n")
        assert await store.is_modified_on_disk()
        with pytest.raises(WorkflowBatchUpdateFailedError, match="another program"):
            async with store.batch_update():
                await store.set_parameter(2, 1)
        assert not await store.is_parameter_set(2)
        (folder / name).write_bytes(text)
        assert not await store.is_modified_on_disk()

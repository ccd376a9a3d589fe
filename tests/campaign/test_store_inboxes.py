"""Other processes report through inboxes of their own: nothing is lost, and nothing is taken twice."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import anyio
import pytest
from campaign.conftest import iterations_of, made, write_empty

from acomps.campaign import JSONPersistentStore, PersistentStore, Reporter, WorkflowFolder, WorkflowNotFoundError

CHILD = Path(__file__).with_name("inbox_child.py")
PROCESSES = 8
SETTINGS = 1_000


async def empty_parameters(kind: type[PersistentStore], folder: Path, count: int) -> PersistentStore:
    await write_empty(kind, folder)
    store = kind(WorkflowFolder(folder))
    async with store.batch_update():
        for _ in range(count):
            await store.add_unset_parameter_data({"type": "EAR_output"})
    return store


async def report_from(folder: Path, number: int, count: int) -> None:
    await anyio.run_process([sys.executable, str(CHILD), str(folder), str(number * count), str(count)], stderr=None)


async def test_8_processes_with_1000_settings_each_lose_nothing(folder: Path) -> None:
    total = PROCESSES * SETTINGS
    async with await empty_parameters(JSONPersistentStore, folder, total) as store:
        taken = 0
        async with anyio.create_task_group() as tasks:
            for number in range(PROCESSES):
                tasks.start_soon(report_from, folder, number, SETTINGS)
            for _ in range(5):
                taken += await store.take_in()
        taken += await store.take_in()
        assert taken == total
        found = await store.get_all_parameter_data()
        assert found == {i: (True, {"from": i // SETTINGS * SETTINGS, "index": i}) for i in range(total)}
    assert [*(folder / ".acomps" / "inbox").iterdir()] == []
    async with JSONPersistentStore(WorkflowFolder(folder)) as store:
        assert await store.get_all_parameter_data() == found


async def test_the_whole_life_of_a_run_can_be_reported(kind: type[PersistentStore], folder: Path) -> None:
    async with await made(kind, folder) as store:
        async with Reporter(folder) as report:
            await report.set_EAR_start(0, 1, 0, 0)
            await report.set_parameter(3, (1, {2}))
            await report.set_EAR_end(0, 1, 0, 0, success=False, more={"message": "no convergence"})
            assert not await store.is_parameter_set(3)
            async with store.cached_load():
                assert await store.get_parameter_data(3) == (True, (1, {2}))
            assert await store.take_in() == 0
        [element] = await store.get_task_elements(0, 0, slice(1, 2, 1))
        metadata = iterations_of(element)[0].actions[0][0].metadata
        assert (metadata.success, metadata.more) == (False, {"message": "no convergence"})
        assert metadata.start_time is not None
        assert metadata.end_time is not None
        assert metadata.start_time <= metadata.end_time


async def test_reports_wait_while_nobody_owns_the_store(kind: type[PersistentStore], folder: Path) -> None:
    await (await made(kind, folder)).aclose()
    async with Reporter(folder) as report:
        await report.set_parameter(2, "reported")
        async with kind(WorkflowFolder(folder)) as store:
            assert await store.get_parameter_data(2) == (True, "reported")
        await report.set_parameter(3, "later")
    async with kind(WorkflowFolder(folder)) as store:
        assert await store.get_parameter_data(3) == (True, "later")
        assert [one["num_elements"] for one in await store.get_all_tasks_metadata()] == [2]


async def test_a_report_that_does_not_fit_is_left_out_and_the_others_count(
    kind: type[PersistentStore], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with await made(kind, folder) as store:
        await store.set_parameter(2, "the owner's")
        async with Reporter(folder) as one, Reporter(folder) as other:
            await one.set_parameter(2, "too late")
            await other.set_parameter(3, "first")
            await one.set_EAR_start(0, 77, 0, 0)
            await one.set_EAR_start(0, 0, 0, 0)
        with caplog.at_level(logging.WARNING, "acomps.campaign"):
            assert await store.take_in() == 2
        assert [record.getMessage().count("left out") for record in caplog.records] == [1, 1]
        assert await store.get_parameter_data(2) == (True, "the owner's")
        assert await store.get_parameter_data(3) == (True, "first")


async def test_the_report_of_a_process_that_was_killed_counts_up_to_the_last_whole_one(folder: Path) -> None:
    async with await empty_parameters(JSONPersistentStore, folder, 2) as store:
        report = Reporter(folder)
        await report.set_parameter(0, "whole")
        await report.set_parameter(1, "torn")
        await report.aclose()
        [inbox] = (folder / ".acomps" / "inbox").iterdir()
        os.truncate(inbox, inbox.stat().st_size - 1)
        process = await anyio.open_process([sys.executable, "-c", ""])
        await process.wait()
        left = inbox.with_suffix(".log").name.replace(f"-{os.getpid()}-", f"-{process.pid}-")
        inbox.rename(inbox.with_name(left))
        assert await store.take_in() == 1
        assert await store.get_parameter_data(0) == (True, "whole")
        assert not await store.is_parameter_set(1)
        assert [*(folder / ".acomps" / "inbox").iterdir()] == []


async def test_a_report_is_not_taken_twice_after_a_crash_of_the_owner(folder: Path) -> None:
    owner = await made(JSONPersistentStore, folder)
    async with Reporter(folder) as report:
        await report.set_EAR_end(0, 0, 0, 0, more={"note": 1})
        assert await owner.take_in() == 1
        # What a kill leaves: the journal as it is, and the inbox, which is still being written to.
        crashed = folder.with_name("crashed")
        await anyio.run_process(["cp", "-r", str(folder), str(crashed)])
        async with JSONPersistentStore(WorkflowFolder(crashed)) as again:
            assert await again.take_in() == 0
            [element] = await again.get_task_elements(0, 0, slice(0, 1, 1))
            assert iterations_of(element)[0].actions[0][0].metadata.more == {"note": 1}
    await owner.aclose()


async def test_there_is_nothing_to_report_to_where_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(WorkflowNotFoundError):
        await Reporter(tmp_path).set_parameter(0, 1)
    assert [*tmp_path.iterdir()] == []

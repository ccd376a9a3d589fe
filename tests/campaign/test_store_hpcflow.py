"""hpcFlow's own store and ours read what the other wrote: workflows with loops, runs, submissions, tuples and sets."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from campaign.conftest import a_loop, a_submission, everything, made, plan
from campaign.hpcflow_peer import told_apart

from acomps.campaign import JSONPersistentStore, WorkflowFolder

PYTHON = os.environ.get("ACOMPS_HPCFLOW_PYTHON", "")
PEER = Path(__file__).with_name("hpcflow_peer.py")

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="ACOMPS_HPCFLOW_PYTHON names no interpreter with hpcflow-new2 0.2.0a39"
)


async def peer(do: str, folder: Path, home: Path, index: int = 0) -> tuple[Path, object]:
    """Have hpcFlow do something; gives the workflow's folder and all that its store reads there afterwards."""
    job = json.dumps({"do": do, "folder": str(folder), "index": index})
    environment = {**os.environ, "HOME": str(home)}
    done = await anyio.run_process([PYTHON, str(PEER)], input=job.encode(), cwd=home, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    return Path(answer["folder"]), answer["found"]


async def ours(folder: Path) -> object:
    async with JSONPersistentStore(WorkflowFolder(folder)) as store:
        return json.loads(json.dumps(told_apart(await everything(store))))


async def test_a_workflow_goes_to_and_fro_between_both_stores(tmp_path: Path) -> None:
    folder, theirs = await peer("make", tmp_path, tmp_path)
    assert await ours(folder) == theirs
    async with JSONPersistentStore(WorkflowFolder(folder)) as store:
        unset = [index for index, (is_set, _) in (await store.get_all_parameter_data()).items() if not is_set]
        assert len(unset) > 2
        await store.set_parameter(unset[0], {"tuple": (1, (2,)), "set": {3}})
        async with store.batch_update():
            await store.add_parameter_data([(5,), {6}], {"type": "local_input", "task_insert_ID": 1})
            await store.set_EAR_submission_indices(0, [(1, 0, 0, 0)])
            await store.set_EAR_start(1, 0, 0, 0)
        await store.set_EAR_end(1, 0, 0, 0, success=True)
        await store.set_jobscript_version_info(0, 0, {"scheduler": "direct"})
    mine = await ours(folder)
    _, theirs = await peer("read", folder, tmp_path)
    assert theirs == mine
    _, theirs = await peer("change", folder, tmp_path, unset[1])
    assert theirs != mine
    assert await ours(folder) == theirs


async def test_what_our_store_wrote_from_the_beginning_is_read_by_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "workflow"
    async with await made(JSONPersistentStore, folder, points=3) as store:
        await plan(store, points=2, task_idx=0, insert_ID=1)
        await store.add_loop([1], a_loop().to_dict(), {"beta": {"input_task": 0, "output_tasks": [0]}})
        await store.update_loop_num_added_iters(0, 2)
        await store.add_submission(a_submission().to_dict())
        await store.set_jobscript_submit_time(0, 0, datetime.now(UTC))
        await store.set_jobscript_job_ID(0, 0, "17")
        await store.append_submission_attempt(0, [0])
        await store.set_EAR_submission_indices(0, [(0, 0, 0, 0), (1, 1, 0, 0)])
        await store.set_EAR_start(0, 0, 0, 0)
        await store.set_EAR_end(0, 0, 0, 0, success=False)
        for index, value in zip((3, 4, 5), [(1, (2, 3)), {"sets": [{1, (2,)}]}, None], strict=True):
            await store.set_parameter(index, value)
        await store.checkpoint()
        _, theirs = await peer("read bare", folder, tmp_path)
        assert theirs == json.loads(json.dumps(told_apart(await everything(store))))

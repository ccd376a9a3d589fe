"""A process that is killed at any moment leaves the store before or after a step, with all that was confirmed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Generator
from copy import deepcopy
from pathlib import Path

import anyio
import pytest
from campaign.kill_script import STEPS, Expected, begin, opened, seen, steps

from acomps.campaign import JSONPersistentStore, StoreFailed, WorkflowFolder

CHILD = Path(__file__).with_name("kill_child.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHILD.parents[1]), os.environ.get("PYTHONPATH", "")])}
#: Of the 200 kills so many are of a Zarr store, whose checkpoints take longer.
ZARR = 16
KILLS = 200
GROUPS = 8

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed processes are forked")


@pytest.fixture
def memory(tmp_path: Path) -> Generator[Path]:
    """A folder in memory where there is one: what the disk has is no matter for a kill, and thousands of syncs wait."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="acomps-kills-", dir=shared) as folder:
        yield Path(folder)


def job(seed: int, folder: Path) -> dict[str, object]:
    draw = random.Random(seed)
    kind = "zarr" if seed % KILLS < ZARR else "json"
    at_event = draw.random() < 0.6
    return {
        "seed": seed,
        "kind": kind,
        "folder": str(folder / f"{kind}-{seed}"),
        "event": draw.randint(1, 450 if kind == "json" else 1_300) if at_event else 0,
        "confirmed": draw.randint(0, STEPS - 1),
        "pause_s": draw.random() * 0.003,
    }


async def run_jobs(jobs: list[dict[str, object]]) -> list[int]:
    done = await anyio.run_process(
        [sys.executable, str(CHILD)], input=json.dumps(jobs).encode(), env=ENVIRONMENT, stderr=None
    )
    confirmed: list[int] = json.loads(done.stdout)
    return confirmed


@pytest.mark.parametrize("group", range(GROUPS))
async def test_killed_processes_lose_nothing_confirmed_and_leave_no_mixture(group: int, memory: Path) -> None:
    jobs = [job(seed, memory) for seed in range(group, KILLS, GROUPS)]
    for one in jobs:
        await begin(str(one["kind"]), Path(str(one["folder"])))
    confirmed: dict[int, list[int]] = {}

    async def half(number: int) -> None:
        confirmed[number] = await run_jobs(jobs[number::2])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(half, 0)
        tasks.start_soon(half, 1)
    killed = 0
    for number in (0, 1):
        for one, count in zip(jobs[number::2], confirmed[number], strict=True):
            killed += count < STEPS
            await require_before_or_after(one, count)
    assert killed > len(jobs) / 2


async def require_before_or_after(one: dict[str, object], confirmed: int) -> None:
    made = steps(int(str(one["seed"])))
    before = Expected()
    for step in made[:confirmed]:
        before.after(step)
    allowed = [before]
    if confirmed < len(made):
        name, numbers = made[confirmed]
        parts = [numbers[:count] for count in range(len(numbers) + 1)] if name == "set at once" else [numbers]
        for part in parts:
            after = deepcopy(before)
            after.after((name, part))
            allowed.append(after)
    async with opened(str(one["kind"]), Path(str(one["folder"]))) as store:
        found, odd = await seen(store)
        assert not odd, one
        assert found in allowed, (one, confirmed)
        await store.add_parameter_data(1, {"type": "local_input"})
    if one["kind"] == "json":
        for name in ("metadata.json", "submissions.json", "parameters.json"):
            json.loads((Path(str(one["folder"])) / name).read_bytes())


async def test_a_torn_end_of_the_journal_is_left_out(memory: Path) -> None:
    folder = memory / "w"
    await begin("json", folder)
    store = JSONPersistentStore(WorkflowFolder(folder))
    for value in range(3):
        await store.add_parameter_data(value, {"type": "local_input"})
    [journal] = (folder / ".acomps").glob("journal-*")
    whole = journal.read_bytes()
    await store.aclose()
    for end in sorted({*range(0, len(whole) + 1, 7), len(whole) // 3, len(whole) // 3 - 1, len(whole)}):
        again = memory / f"w-{end}"
        await begin("json", again)
        (again / ".acomps").mkdir()
        (again / ".acomps" / "journal-0").write_bytes(whole[:end])
        async with JSONPersistentStore(WorkflowFolder(again)) as store:
            found = await store.get_all_parameter_data()
            assert found == {value: (True, value) for value in range(end * 3 // len(whole))}
            await store.add_parameter_data("next", {"type": "local_input"})
        async with JSONPersistentStore(WorkflowFolder(again)) as store:
            assert (await store.get_parameter_data(len(found))) == (True, "next")


async def test_after_a_write_that_failed_nothing_is_confirmed_until_the_store_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "w"
    await begin("json", folder)
    store = JSONPersistentStore(WorkflowFolder(folder))
    await store.add_parameter_data("confirmed", {"type": "local_input"})
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full)
        with pytest.raises(StoreFailed, match="No space"):
            await store.add_parameter_data("lost", {"type": "local_input"})
    with pytest.raises(StoreFailed):
        await store.add_parameter_data("refused", {"type": "local_input"})
    await store.aclose()
    async with JSONPersistentStore(WorkflowFolder(folder)) as again:
        assert await again.get_all_parameter_data() == {0: (True, "confirmed")}


async def test_a_checkpoint_that_failed_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "w"
    await begin("json", folder)
    store = JSONPersistentStore(WorkflowFolder(folder))
    await store.add_parameter_data(0, {"type": "local_input"})
    (folder / ".acomps" / "manifest.json.draft").mkdir()
    with pytest.raises(StoreFailed, match="journal"):
        await store.checkpoint()
    await store.add_parameter_data(1, {"type": "local_input"})
    (folder / ".acomps" / "manifest.json.draft").rmdir()
    await store.add_parameter_data(2, {"type": "local_input"})
    await store.checkpoint()
    await store.aclose()
    assert len(json.loads((folder / "parameters.json").read_bytes())) == 3
    async with JSONPersistentStore(WorkflowFolder(folder)) as again:
        assert len(await again.get_all_parameter_data()) == 3


def _full(_handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_the_killed_processes_can_be_started_by_hand() -> None:
    done = subprocess.run([sys.executable, str(CHILD)], input=b"[]", env=ENVIRONMENT, capture_output=True, check=True)
    assert done.stdout == b"[]"

"""A store has one owner: a second one is refused with the name of the first, and a dead one's place is taken."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import anyio
import orjson
import pytest
from campaign.conftest import made

from acomps.campaign import PersistentStore, StoreInUse, WorkflowFolder
from acomps.campaign import owner as owning

HOLD = """
import sys, anyio
from pathlib import Path
from acomps.campaign import WorkflowFolder, store_cls_from_str

async def main():
    store = store_cls_from_str(sys.argv[2])(WorkflowFolder(Path(sys.argv[1])))
    await store.set_parameter(2, "the other's")
    print("held", flush=True)
    await anyio.sleep_forever()

anyio.run(main)
"""


async def test_a_second_owner_is_refused_and_a_dead_ones_place_is_taken(
    kind: type[PersistentStore], folder: Path
) -> None:
    store = await made(kind, folder)
    name = store.store_name
    await store.aclose()
    async with await anyio.open_process([sys.executable, "-c", HOLD, str(folder), name], stderr=None) as other:
        assert other.stdout is not None
        with anyio.fail_after(60):
            assert (await other.stdout.receive()).strip() == b"held"
        with pytest.raises(StoreInUse) as refused:
            await kind(WorkflowFolder(folder)).set_parameter(3, "mine")
        message = str(refused.value)
        assert str(other.pid) in message
        assert platform.node() in message
        assert "since 20" in message
        other.kill()
        await other.wait()
    async with kind(WorkflowFolder(folder)) as store:
        assert await store.get_parameter_data(2) == (True, "the other's")
        await store.set_parameter(3, "mine")


async def test_two_stores_of_one_process_exclude_each_other_until_one_is_closed(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder):
        with pytest.raises(StoreInUse, match=str(os.getpid())):
            await kind(WorkflowFolder(folder)).get_template()
    async with kind(WorkflowFolder(folder)) as store:
        assert (await store.get_template())["name"] == "demo"


def _always(_handle: int) -> bool:
    return True


def _claim(path: Path, *, host: str, pid: int) -> None:
    path.write_bytes(orjson.dumps({"holder": "process of a test", "pid": pid, "host": host, "since": "2026-01-01"}))


def test_an_owner_on_another_host_keeps_the_store_while_its_file_is_fresh(tmp_path: Path) -> None:
    path = tmp_path / "owner.json"
    _claim(path, host="elsewhere", pid=1)
    with pytest.raises(StoreInUse, match="elsewhere"):
        owning.Owner(path, tmp_path)
    old = path.stat().st_mtime - owning.LEASE_S - 1
    os.utime(path, (old, old))
    owning.Owner(path, tmp_path).release()
    assert path.read_bytes() == b""


def test_where_there_are_no_locks_a_living_process_keeps_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owning, "try_lock", _always)
    path = tmp_path / "owner.json"
    _claim(path, host=platform.node(), pid=os.getppid())
    with pytest.raises(StoreInUse):
        owning.Owner(path, tmp_path)
    _claim(path, host=platform.node(), pid=2**22 + 1)
    owning.Owner(path, tmp_path).release()


async def test_a_holder_that_lives_touches_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owning, "TOUCH_S", 0.01)
    path = tmp_path / "owner.json"
    holder = owning.Owner(path, tmp_path)
    try:
        os.utime(path, (0, 0))
        with anyio.fail_after(20):
            while path.stat().st_mtime < 1:
                await anyio.sleep(0.005)
    finally:
        holder.release()

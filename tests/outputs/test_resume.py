"""Downloads that are cut short, by a kill, a cancellation, a full disk or a restart, and what the next one fetches."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.to_thread
import orjson
import pytest
from outputs.conftest import LARGE, MIB, Finished, fetches, finished_simulation, left_in
from support.fault_proxy import PASS, STALL, Fault, FaultProxy, Request, answer_cut, fault_proxy

import acomps
from acomps import NotWritten, Session
from acomps.comps.child import Service, start_service

Faulty = tuple[FaultProxy, Session]

SIZE = 200 * MIB
RANGE = 8 * MIB

COMMAND = """
import os, sys, anyio, orjson, acomps, resource
from pathlib import Path
job = orjson.loads(sys.argv[1])
if job.get("limit"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
settings = acomps.Settings(token_cache_dir=Path(job["folder"]))

async def main():
    login = {"username": job["username"], "password": job["password"]}
    async with acomps.connect(job["url"], **login, settings=settings) as comps:
        simulation = await comps.simulations.get(job["id"])
        if os.getuid() == 0 and job.get("user"):
            os.setuid(job["user"])
        try:
            await comps.outputs.download(simulation, job["path"], job["to"])
        except acomps.NotWritten as exc:
            print(exc)

anyio.run(main)
"""


def command(url: str, service: Service, made: Finished, path: str, to: Path, **more: int) -> list[str]:
    job = {
        "url": url,
        "username": service.username,
        "password": service.password,
        "folder": str(to.parent.parent),
        "id": str(made.simulation.id),
        "path": path,
        "to": str(to),
        **more,
    }
    return [sys.executable, "-c", COMMAND, orjson.dumps(job).decode()]


def sent(proxy: FaultProxy, name: str) -> int:
    return sum(request.answered for request in fetches(proxy, name))


async def test_after_a_kill_the_same_download_fetches_the_rest_and_less_than_one_range_again(
    service: Service, comps: Session, tmp_path: Path
) -> None:
    made = await finished_simulation(comps, f"head -c {SIZE} /dev/urandom > huge")
    to = tmp_path / "here" / "huge"
    async with fault_proxy(service.url) as proxy:
        arguments = command(proxy.url, service, made, "huge", to)
        process = await anyio.to_thread.run_sync(lambda: subprocess.Popen(arguments))
        try:
            with anyio.fail_after(60):
                while sent(proxy, "huge") < 0.7 * SIZE:
                    await anyio.sleep(0.001)
        finally:
            process.kill()
            await anyio.to_thread.run_sync(process.wait)
        assert process.returncode == -9
        assert not to.exists()
        assert [name.rpartition(".")[2] for name in left_in(to.parent)] == ["part", "ranges"]
        written = _noted(next(to.parent.glob("*.ranges")))
        proxy.ledger.clear()
        await anyio.run_process(arguments)
        assert sent(proxy, "huge") == SIZE - written
        assert sent(proxy, "huge") <= 0.3 * SIZE + RANGE + _in_sockets(proxy)
    assert to.read_bytes() == made.content("huge")
    assert left_in(to.parent) == ["huge"]


def _noted(notes: Path) -> int:
    lines = [line.split() for line in notes.read_text().splitlines()[1:]]
    return sum(int(end) - int(first) for first, end, _ in lines)


def _in_sockets(proxy: FaultProxy) -> int:
    """What the proxy had sent and nobody had read, on four connections."""
    return 4 * 4 * MIB


async def test_a_cancelled_download_leaves_a_part_that_the_next_one_takes_over(
    faulty: Faulty, finished: Finished, tmp_path: Path
) -> None:
    proxy, comps = faulty
    target = tmp_path / "large"
    arrived = anyio.Event()
    seen, cancelled_at = 0, 0.0

    def note(count: int) -> None:
        nonlocal seen
        seen += count
        if seen >= 5 * MIB:
            arrived.set()

    proxy.script = stalled_after(5)
    [file] = await comps.outputs.list(finished.simulation, ["output/large.bin"])
    async with anyio.create_task_group() as tasks:

        async def fetch() -> None:
            await comps.outputs.fetch_file(file, target, on_bytes=note)

        tasks.start_soon(fetch)
        await arrived.wait()
        cancelled_at = time.monotonic()
        tasks.cancel_scope.cancel()
    assert time.monotonic() - cancelled_at < 2
    assert seen == 0, "progress is taken back"
    assert [name.rpartition(".")[2] for name in left_in(tmp_path)] == ["part", "ranges"]
    proxy.script = lambda request: PASS
    proxy.ledger.clear()
    fetched = await comps.outputs.fetch_file(file, target)
    assert fetched.resumed >= 4 * MIB
    assert sent(proxy, "large.bin") == LARGE - fetched.resumed
    assert seen == 0
    assert target.read_bytes() == finished.content("output/large.bin")
    assert left_in(tmp_path) == ["large"]


def stalled_after(count: int) -> Callable[[Request], Fault]:
    """So many requests for a file are served, the others get no answer."""
    served = 0

    def script(request: Request) -> Fault:
        nonlocal served
        if "/asset/outputs/" not in request.target:
            return PASS
        served += 1
        return PASS if served <= count else STALL

    return script


@pytest.mark.parametrize("path", ["output/small.bin", "output/middle.bin"])
async def test_a_cancelled_download_of_a_smaller_file_leaves_nothing(
    faulty: Faulty, finished: Finished, tmp_path: Path, path: str
) -> None:
    proxy, comps = faulty
    proxy.script = stalled_after(0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(comps.outputs.download, finished.simulation, path, tmp_path / "file")
        with anyio.fail_after(20):
            while not fetches(proxy, path):
                await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
    assert left_in(tmp_path) == []


async def broken_off(faulty: Faulty, finished: Finished, target: Path) -> None:
    """Leave a part file of the large output at `target`."""
    proxy, comps = faulty
    count = 0

    def script(request: Request) -> Fault:
        nonlocal count
        if "/asset/outputs/" in request.target:
            count += 1
        return answer_cut(0) if count > 4 and "/asset/outputs/" in request.target else PASS

    proxy.script = script
    with pytest.raises(acomps.OutcomeUnknown):
        await comps.outputs.download(finished.simulation, "output/large.bin", target)
    assert [name.rpartition(".")[2] for name in left_in(target.parent)] == ["part", "ranges"]
    proxy.script = lambda request: PASS
    proxy.ledger.clear()


def foreign(part: Path, notes: Path) -> None:
    """Another file is under the name of the part."""
    part.unlink()
    part.write_bytes(b"x" * LARGE)


def truncated(part: Path, notes: Path) -> None:
    """The part is shorter than what was noted of it."""
    os.truncate(part, 100)


def other_boot(part: Path, notes: Path) -> None:
    """The notes are of another boot of this machine."""
    head, *lines = notes.read_text().splitlines(keepends=True)
    words = head.split()
    notes.write_text("".join([" ".join([*words[:-1], "another"]) + "\n", *lines]))


def nonsense(part: Path, notes: Path) -> None:
    """The notes hold what nobody noted."""
    with notes.open("a") as handle:
        handle.write("7 5\n")


def no_notes(part: Path, notes: Path) -> None:
    """There is a part and nothing noted of it."""
    notes.unlink()


@pytest.mark.parametrize("spoil", [foreign, truncated, other_boot, nonsense, no_notes])
async def test_a_part_that_cannot_be_trusted_is_fetched_anew(
    faulty: Faulty, finished: Finished, tmp_path: Path, spoil: Callable[[Path, Path], None]
) -> None:
    proxy, comps = faulty
    target = tmp_path / "large"
    await broken_off(faulty, finished, target)
    spoil(next(tmp_path.glob("*.part")), next(tmp_path.glob("*.ranges")))
    await comps.outputs.download(finished.simulation, "output/large.bin", target)
    assert sent(proxy, "large.bin") == LARGE
    assert target.read_bytes() == finished.content("output/large.bin")
    assert left_in(tmp_path) == ["large"]


async def test_a_line_that_was_not_finished_costs_only_that_block(
    faulty: Faulty, finished: Finished, tmp_path: Path
) -> None:
    proxy, comps = faulty
    target = tmp_path / "large"
    await broken_off(faulty, finished, target)
    with next(tmp_path.glob("*.ranges")).open("a") as handle:
        handle.write("0 94371")
    await comps.outputs.download(finished.simulation, "output/large.bin", target)
    assert sent(proxy, "large.bin") < LARGE - 2 * MIB
    assert target.read_bytes() == finished.content("output/large.bin")


async def test_a_part_with_the_wrong_bytes_is_noticed_by_the_md5_and_fetched_anew(
    faulty: Faulty, comps: Session, tmp_path: Path
) -> None:
    asset = acomps.AssetCollectionFile(file_name="model.bin", content=os.urandom(LARGE))
    collection = await comps.asset_collections.save(acomps.AssetCollection(assets=(asset,)))
    experiment = await comps.experiments.save(acomps.Experiment(name="assets"))
    configuration = acomps.Configuration(asset_collection_id=collection.id)
    simulation = await comps.simulations.save(
        acomps.Simulation(name="assets", experiment_id=experiment.id, configuration=configuration)
    )
    proxy, far = faulty
    proxy.script = lambda request: answer_cut(0) if "/asset/contents/" in request.target and _later(request) else PASS
    with pytest.raises(acomps.OutcomeUnknown):
        await far.outputs.download(simulation, "Assets/model.bin", tmp_path / "model.bin")
    part = next(tmp_path.glob("*.part"))
    with part.open("r+b") as handle:
        handle.write(b"wrong")
    proxy.script = lambda request: PASS
    await far.outputs.download(simulation, "Assets/model.bin", tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == asset.content
    assert left_in(tmp_path) == ["model.bin"]


def _later(request: Request) -> bool:
    """Whether the request is not for one of the first ranges."""
    return b"range: bytes=0-" not in request.head.lower()


async def test_two_downloads_of_one_file_at_the_same_time_do_not_disturb_each_other(
    faulty: Faulty, finished: Finished, tmp_path: Path
) -> None:
    _, comps = faulty
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(comps.outputs.download, finished.simulation, "output/large.bin", tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == finished.content("output/large.bin")
    assert left_in(tmp_path) == ["large"]


async def test_a_download_outlives_a_restart_of_the_service(settings: acomps.Settings, tmp_path: Path) -> None:
    patient = acomps.RetrySettings(attempts=10_000, first_wait_s=0.01, longest_wait_s=0.02, budget_reserve=10_000)
    settings = dataclasses.replace(settings, retry=patient)
    target = tmp_path / "here" / "huge"
    begun, done = anyio.Event(), anyio.Event()
    asked = 0

    def script(request: Request) -> Fault:
        nonlocal asked
        if "/asset/outputs/" not in request.target:
            return PASS
        asked += 1
        if asked > 3:
            begun.set()
        return answer_cut(100_000) if asked > 3 else PASS

    async def download(comps: Session, made: Finished) -> None:
        await comps.outputs.download(made.simulation, "huge", target)
        done.set()

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        service = await first.enter_async_context(start_service(tmp_path / "data"))
        proxy = await stack.enter_async_context(fault_proxy(service.url))
        comps = await stack.enter_async_context(
            acomps.connect(proxy.url, username=service.username, password=service.password, settings=settings)
        )
        made = await finished_simulation(comps, f"head -c {40 * MIB} /dev/urandom > huge")
        proxy.script = script
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(download, comps, made)
            await begun.wait()
            await first.aclose()
            assert not done.is_set()
            again = await stack.enter_async_context(start_service(tmp_path / "data"))
            proxy.upstream = ("127.0.0.1", int(again.url.rpartition(":")[2]))
            proxy.script = lambda request: PASS
            with anyio.fail_after(60):
                await done.wait()
        assert target.read_bytes() == made.content("huge")


async def test_a_full_disk_is_told_and_leaves_nothing_under_the_name(
    service: Service, finished: Finished, tmp_path: Path
) -> None:
    for path, limit in (("output/large.bin", 5 * MIB), ("output/middle.bin", MIB), ("output/small.bin", 10_000)):
        to = tmp_path / "here" / path.rpartition("/")[2]
        done = await anyio.run_process(command(service.url, service, finished, path, to, limit=limit))
        assert b"cannot write" in done.stdout
        assert b"File too large; check the folder and the free space" in done.stdout
        assert left_in(to.parent) == []


async def test_too_little_free_space_is_told_before_anything_is_fetched(
    faulty: Faulty, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, comps = faulty
    usage = shutil.disk_usage(tmp_path)

    def nearly_full(path: Path) -> object:
        return usage._replace(free=LARGE - 1)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    with pytest.raises(NotWritten, match="bytes are to come and"):
        await comps.outputs.download(finished.simulation, "output/large.bin", tmp_path / "large")
    assert fetches(proxy, "large.bin") == []
    assert not (tmp_path / "large").exists()


async def test_a_folder_that_is_none_is_told(comps: Session, finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in ("output/small.bin", "output/middle.bin", "output/large.bin"):
        with pytest.raises(NotWritten, match=r"cannot write .*x: .*; check the folder"):
            await comps.outputs.download(finished.simulation, path, tmp_path / "file" / "x")
    assert left_in(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not read-only there")
async def test_a_folder_that_cannot_be_written_to_is_told(service: Service, finished: Finished) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "locked"
        folder.mkdir(mode=0o555)
        Path(name).chmod(0o755)
        for path in ("output/small.bin", "output/middle.bin", "output/large.bin"):
            # Root may write everywhere, so the child becomes somebody else.
            arguments = command(service.url, service, finished, path, folder / "x", user=65534)
            done = await anyio.run_process(arguments)
            assert b"Permission denied; check the folder and the free space" in done.stdout
        assert left_in(folder) == []

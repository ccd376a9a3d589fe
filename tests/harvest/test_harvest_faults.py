"""Harvests in trouble: what belongs to one file stays with it; what is lost for all ends with one error."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from harvest.conftest import COUNT, Swept, all_of, errors, fetched, names_in, run
from support.fault_proxy import PASS, RESET_BEFORE, STALL, Fault, Request, answer_cut, answered, fault_proxy
from support.faults import QUICK, through_faults

import acomps
from acomps.comps.child import Service, start_service
from acomps.comps.harvesting import Harvested
from acomps.events import Downloaded, Event

BOTH = ["output/a.json", "output/deep/b.bin"]
MIB = 1024 * 1024


def pass_all(request: Request) -> Fault:
    return PASS


async def collect(files: AsyncIterator[Harvested], seen: list[Harvested]) -> None:
    """What comes before the harvest ends, and its error."""
    async for file in files:
        seen.append(file)  # noqa: PERF401 - an error must not lose the ones before it


def where(part: str, fault: Fault, *, after: int = 0) -> Callable[[Request], Fault]:
    """This fault for every GET of a target with `part` in it, after so many good ones."""
    seen = 0

    def script(request: Request) -> Fault:
        nonlocal seen
        if request.method != "GET" or part not in request.target:
            return PASS
        seen += 1
        return fault if seen > after else PASS

    return script


@pytest.mark.parametrize("fault", [answered(500), answered(404), answered(403), RESET_BEFORE], ids=lambda one: one.name)
async def test_one_bad_simulation_is_one_error_among_many_files(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path, fault: Fault
) -> None:
    bad = swept.simulations[5]
    async with through_faults(service, settings) as (proxy, comps):
        proxy.script = where(f"{bad.id}/Output", fault)
        files = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
        assert [file.simulation.id for file in files if file.error is not None] == [bad.id]
        assert len(fetched(files)) == 2 * COUNT - 2
        proxy.script = pass_all
        proxy.ledger.clear()
        assert errors(await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))) == []
        assert len(proxy.ledger) == 1 + 1 + 2


async def test_a_file_that_always_breaks_off_never_stands_under_its_name(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path
) -> None:
    bad = swept.simulations[5]

    def script(request: Request) -> Fault:
        return answer_cut(1000) if str(bad.id) in request.target and "b.bin" in request.target else PASS

    async with through_faults(service, settings) as (proxy, comps):
        proxy.script = script
        files = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
        [broken] = [file for file in files if file.error is not None]
        assert (broken.simulation.id, broken.path) == (bad.id, "output/deep/b.bin")
        assert len(names_in(tmp_path)) == 2 * COUNT - 1
        as_bytes = await all_of(comps.harvest([bad.saved_id], BOTH))
        assert [file.path for file in as_bytes if file.error is None] == ["output/a.json"]


async def test_a_file_of_another_length_than_listed_is_an_error(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        proxy.edit = lambda data: data.replace(b'"Length":3000', b'"Length":3001')
        for into in (tmp_path, None):
            files = await all_of(comps.harvest(swept.simulations[:2], "output/deep/b.bin", into=into))
            assert [type(file.error) for file in files] == [acomps.ChecksumMismatch] * 2
        assert names_in(tmp_path) == set()


async def test_a_path_of_the_server_that_leaves_the_folder_is_an_error(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        proxy.edit = lambda data: data.replace(b'"PathFromRoot":"output"', b'"PathFromRoot":"../../"')
        files = await all_of(comps.harvest(swept.simulations[:2], "**/a.json", into=tmp_path / "into", layout="{path}"))
        assert [type(file.error) for file in files] == [acomps.MalformedAnswer] * 2
        assert names_in(tmp_path) == {"into/harvest.jsonl"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (answered(401), acomps.AuthenticationFailed),
        (answered(503), acomps.ServerFailed),
        (answered(429), acomps.RateLimited),
        (RESET_BEFORE, acomps.OutcomeUnknown),
        (answered(500), acomps.ServerFailed),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_a_lost_server_or_login_ends_the_harvest_with_one_error_and_the_next_goes_on(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path, fault: Fault, error: type[Exception]
) -> None:
    seen: list[Harvested] = []
    async with through_faults(service, settings) as (proxy, comps):
        proxy.script = where("/asset/outputs", fault, after=5)
        files = comps.harvest(swept.experiment, BOTH, into=tmp_path)
        with pytest.raises(error):
            await collect(files, seen)
        good = {file.local for file in seen if file.fetched}
        assert len(good) <= 5
        proxy.script = pass_all
        again = await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
        assert errors(again) == []
        assert good <= {file.local for file in again if not file.fetched}
        assert len(names_in(tmp_path)) == 2 * COUNT


async def test_a_source_that_fails_ends_the_harvest_with_its_own_error(comps: acomps.Session, swept: Swept) -> None:
    async def broken() -> AsyncIterator[acomps.Simulation]:
        yield swept.simulations[0]
        raise ValueError("the caller's own")

    seen: list[Harvested] = []
    files = comps.harvest(broken(), BOTH)
    with pytest.raises(ValueError, match="the caller's own"):
        await collect(files, seen)
    assert len(seen) <= 2


async def test_a_server_that_is_started_again_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    patient = dataclasses.replace(QUICK, attempts=10_000, budget_reserve=1_000_000)
    settings = acomps.Settings(token_cache_dir=tmp_path, retry=patient)
    count, seen = 12, 0
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        service = await first.enter_async_context(start_service(tmp_path / "data"))
        proxy = await second.enter_async_context(fault_proxy(service.url))
        comps = await second.enter_async_context(
            acomps.connect(proxy.url, username=service.username, password=service.password, settings=settings)
        )
        swept = await run(comps, "restart", *["mkdir -p output; echo {} > output/a.json"] * count)
        with anyio.fail_after(60):
            async for file in comps.harvest(swept.experiment, BOTH[0], into=tmp_path / "into", at_once=2):
                assert file.error is None
                seen += 1
                if seen == 3:
                    await first.aclose()
                    again = await second.enter_async_context(start_service(tmp_path / "data"))
                    proxy.upstream = ("127.0.0.1", int(again.url.rpartition(":")[2]))
    assert seen == count


async def test_a_full_disk_is_told_before_anything_is_fetched(
    comps: acomps.Session, swept: Swept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 2000

    def disk_usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    with pytest.raises(acomps.NotWritten, match=r"[\d,]+ bytes are needed next in .*, and of the 2,000 that are free"):
        await all_of(comps.harvest(swept.experiment, BOTH[1:], into=tmp_path))
    assert names_in(tmp_path) == set()
    free = 10_000
    with pytest.raises(acomps.NotWritten):
        await all_of(comps.harvest(swept.experiment, ["**/b.bin", "run.sh", "**/a.json"], into=tmp_path, at_once=24))
    monkeypatch.undo()
    assert errors(await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))) == []


async def test_a_folder_that_cannot_be_written_to_ends_it_at_once(
    service: Service, settings: acomps.Settings, swept: Swept
) -> None:
    async with through_faults(service, settings) as (proxy, comps):
        proxy.ledger.clear()
        with pytest.raises(acomps.NotWritten, match="cannot write to the folder /proc/harvest"):
            await all_of(comps.harvest(swept.experiment, BOTH, into="/proc/harvest"))
        assert proxy.ledger == []


async def test_a_folder_in_the_place_of_a_file_is_that_files_error(
    comps: acomps.Session, swept: Swept, tmp_path: Path
) -> None:
    (tmp_path / "3.json").mkdir()
    (tmp_path / "4").write_bytes(b"")
    layout = "{tags[Run_Number]}{suffix}"
    files = await all_of(comps.harvest(swept.experiment, BOTH[0], into=tmp_path, layout=layout))
    assert [type(file.error) for file in files if file.error is not None] == [acomps.NotWritten]
    files = await all_of(comps.harvest(swept.experiment, BOTH[0], into=tmp_path, layout="{tags[Run_Number]}/{name}"))
    assert [type(file.error) for file in files if file.error is not None] == [acomps.NotWritten]


async def test_a_cancelled_harvest_ends_within_2_seconds_and_the_next_goes_on_with_its_parts(
    service: Service, settings: acomps.Settings, comps: acomps.Session, tmp_path: Path
) -> None:
    large = await run(comps, "large", f"head -c {12 * MIB} /dev/urandom > large.bin")
    ranges = {"range_from_bytes": MIB, "range_bytes": MIB, "ranges_at_once": 2}
    before = len(asyncio.all_tasks())
    async with through_faults(service, settings, **ranges) as (proxy, session):
        proxy.script = where("/asset/outputs", STALL, after=6)
        arrived = 0

        def hear(event: Event) -> None:
            nonlocal arrived
            arrived += event.bytes if isinstance(event, Downloaded) else 0

        asked_at = 0.0
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(
                    all_of, session.harvest(large.experiment, "large.bin", into=tmp_path, on_progress=hear)
                )
                while arrived < 5 * MIB:
                    await anyio.sleep(0.01)
                asked_at = anyio.current_time()
                scope.cancel()
        assert anyio.current_time() - asked_at < 2
        assert {path.suffix for path in map(Path, names_in(tmp_path))} == {".part", ".ranges"}
        proxy.script = pass_all
        proxy.ledger.clear()
        [file] = await all_of(session.harvest(large.experiment, "large.bin", into=tmp_path))
        assert file.fetched
        assert file.length == 12 * MIB
        assert len(proxy.seen("GET", "/asset/outputs")) <= 12 - 4
        assert file.local is not None
        assert names_in(tmp_path) == {file.local.relative_to(tmp_path).as_posix()}
    assert len(asyncio.all_tasks()) <= before


async def test_no_more_connections_are_opened_than_requests_may_be_under_way(
    service: Service, settings: acomps.Settings, swept: Swept, tmp_path: Path
) -> None:
    async with through_faults(service, settings, reads_at_once=6) as (proxy, comps):
        proxy.connections = 0
        await all_of(comps.harvest(swept.experiment, BOTH, into=tmp_path))
        assert proxy.connections <= 6

"""Looking into outputs: lists, ranges, tails, streams, assets and earlier attempts."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from outputs.conftest import MIB, Finished, always, fetches, finished_simulation
from support.fault_proxy import PASS, RANGE_HIDDEN, FaultProxy, answer_cut
from support.runs import ended, script, shell_experiment

import acomps
from acomps import NotFound, Session, UsageError


async def paths(comps: Session, finished: Finished, *wanted: str) -> list[str]:
    return [file.path for file in await comps.outputs.list(finished.simulation, wanted)]


async def test_patterns_stay_within_a_folder_or_go_through_all(comps: Session, finished: Finished) -> None:
    assert await paths(comps, finished, "output/*.csv") == ["output/a.csv"]
    assert await paths(comps, finished, "**/*.CSV") == ["output/a.csv", "output/deep/b.csv"]
    assert await paths(comps, finished, "OUTPUT\\**\\c.json") == ["output/deep/c.json"]
    assert await paths(comps, finished, "output/[ab].csv", "output/deep/?.csv") == ["output/a.csv", "output/deep/b.csv"]


async def test_files_come_in_the_order_of_the_request_and_a_pattern_adds_only_new_ones(
    comps: Session, finished: Finished
) -> None:
    found = await paths(comps, finished, "output/ten.txt", "output/deep/b.csv", "**/*.csv")
    assert found == ["output/ten.txt", "output/deep/b.csv", "output/a.csv"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            ["stdout.txt", "output/tem.txt", "nothing"],
            r"no output file 'output/tem\.txt'; did you mean 'output/ten\.txt'",
        ),
        (["*.xyz", "nothing"], r"no output file that matches '\*\.xyz'; it has \d+ files"),
    ],
)
async def test_the_first_path_that_is_not_there_is_named(
    comps: Session, finished: Finished, wanted: list[str], message: str
) -> None:
    with pytest.raises(NotFound, match=message):
        await comps.outputs.list(finished.simulation, wanted)


async def test_a_text_in_the_place_of_paths_is_refused(comps: Session, finished: Finished) -> None:
    with pytest.raises(UsageError, match="give a list of paths"):
        await comps.outputs.list(finished.simulation, "stdout.txt")


@pytest.mark.parametrize(
    ("start", "end", "data", "first", "last"),
    [
        (2, 4, b"234", 2, 4),
        (7, None, b"789", 7, 9),
        (-3, None, b"789", 7, 9),
        (-100, None, b"0123456789", 0, 9),
        (8, 100, b"89", 8, 9),
        (0, 0, b"0", 0, 0),
        (0, None, b"0123456789", 0, 9),
    ],
)
async def test_a_range_tells_which_bytes_it_is(
    faulty: tuple[FaultProxy, Session],
    finished: Finished,
    start: int,
    end: int | None,
    data: bytes,
    first: int,
    last: int,
) -> None:
    proxy, comps = faulty
    for fault in (PASS, RANGE_HIDDEN):
        proxy.script = always(fault, "ten.txt")
        part = await comps.outputs.read_range(finished.simulation, "output/ten.txt", start=start, end=end)
        assert (part.data, part.first, part.last, part.total) == (data, first, last, 10)
        assert await comps.outputs.read(finished.simulation, "output/ten.txt", start=start, end=end) == data


async def test_a_range_of_an_empty_file_is_empty(comps: Session, finished: Finished) -> None:
    for start in (0, -5):
        part = await comps.outputs.read_range(finished.simulation, "output/empty", start=start)
        assert (part.data, part.first, part.last, part.total) == (b"", 0, -1, 0)
    assert await comps.outputs.read(finished.simulation, "output/empty") == b""
    assert await comps.outputs.tail(finished.simulation, "output/empty") == ""


@pytest.mark.parametrize(("start", "end"), [(-3, 5), (5, 4), (-3, -1)])
async def test_a_range_that_is_none_is_refused_before_anything_is_sent(
    comps: Session, finished: Finished, start: int, end: int
) -> None:
    with pytest.raises(UsageError, match="is no range"):
        await comps.outputs.read_range(finished.simulation, "nothing", start=start, end=end)


async def test_a_range_behind_the_end_says_how_long_the_file_is(comps: Session, finished: Finished) -> None:
    with pytest.raises(UsageError, match="has 10 bytes, and none at 10"):
        await comps.outputs.read_range(finished.simulation, "output/ten.txt", start=10)


async def test_a_tail_has_whole_characters_only(comps: Session) -> None:
    text = "aé€😀z" * 20
    made = await finished_simulation(comps, f"printf '{text}' > text")
    whole = text.encode()
    for count in range(1, 60):
        tail = await comps.outputs.tail(made.simulation, "text", bytes=count)
        assert text.endswith(tail)
        assert 0 <= count - len(tail.encode()) < 4
    assert await comps.outputs.tail(made.simulation, "text", bytes=len(whole) + 5) == text
    (made.folder / "text").write_bytes(whole + "é".encode()[:1])
    assert await comps.outputs.tail(made.simulation, "text", bytes=20) == whole[-19:].decode().lstrip("�")


@pytest.mark.parametrize("start", [0, 5, 2 * MIB, 3 * MIB, 4 * MIB])
async def test_a_stream_begins_anywhere_and_goes_on_where_it_broke(
    faulty: tuple[FaultProxy, Session], finished: Finished, start: int
) -> None:
    proxy, comps = faulty
    proxy.script = lambda request: answer_cut(100_000) if len(fetches(proxy, "middle.bin")) == 1 else PASS
    async with comps.outputs.stream(finished.simulation, "output/middle.bin", start=start) as pieces:
        data = b"".join([piece async for piece in pieces])
    assert data == finished.content("output/middle.bin")[start:]


async def test_a_stream_can_be_left_early(comps: Session, finished: Finished) -> None:
    async with comps.outputs.stream(finished.simulation, "output/large.bin") as pieces:
        first = await anext(pieces)
    assert finished.content("output/large.bin").startswith(first)
    assert len(await comps.outputs.list(finished.simulation)) > 5


async def test_a_stream_of_a_server_without_ranges_leaves_out_what_is_known(
    faulty: tuple[FaultProxy, Session], finished: Finished
) -> None:
    proxy, comps = faulty
    proxy.script = always(RANGE_HIDDEN, "middle.bin")
    async with comps.outputs.stream(finished.simulation, "output/middle.bin", start=MIB) as pieces:
        data = b"".join([piece async for piece in pieces])
    assert data == finished.content("output/middle.bin")[MIB:]


@pytest.mark.parametrize("level", ["simulation", "experiment", "suite"])
async def test_assets_are_found_in_the_collection_wherever_it_is_set(
    comps: Session, tmp_path: Path, level: str
) -> None:
    assets = (
        acomps.AssetCollectionFile(file_name="model.bin", relative_path="deep", content=b"model"),
        acomps.AssetCollectionFile(file_name="other.csv", content=b"1"),
    )
    collection = await comps.asset_collections.save(acomps.AssetCollection(assets=assets))
    wanted = acomps.Configuration(asset_collection_id=collection.id)

    def of(name: str) -> acomps.Configuration | None:
        return wanted if name == level else None

    suite = await comps.suites.save(acomps.Suite(name="s", configuration=of("suite")))
    experiment = await comps.experiments.save(
        acomps.Experiment(name="e", suite_id=suite.id, configuration=of("experiment"))
    )
    simulation = await comps.simulations.save(
        acomps.Simulation(name="x", experiment_id=experiment.id, configuration=of("simulation"))
    )
    assert await comps.outputs.read(simulation, "assets\\DEEP\\model.bin") == b"model"
    assert [file.path for file in await comps.outputs.list(simulation, ["Assets/**"])] == [
        "Assets/deep/model.bin",
        "Assets/other.csv",
    ]
    target = await comps.outputs.download(simulation, "Assets/deep/model.bin", tmp_path / "model.bin")
    assert target.read_bytes() == b"model"
    with pytest.raises(NotFound, match=r"Assets/modle\.bin"):
        await comps.outputs.read(simulation, "Assets/modle.bin")


async def test_an_earlier_attempt_is_read_by_its_job(comps: Session, tmp_path: Path) -> None:
    experiment = await shell_experiment(comps, "attempts", retries=1)
    simulation = await comps.simulations.save(script(experiment, "echo $$; exit 1"))
    await comps.experiments.commission(experiment)
    await ended(comps, experiment)
    first, last = (await comps.simulations.get(simulation, acomps.Query().children("hpc_jobs"))).hpc_jobs
    texts = [await comps.outputs.read(simulation, "stdout.txt", job=job) for job in (first, last)]
    assert texts[0] != texts[1]
    assert await comps.outputs.tail(simulation, "stdout.txt") == texts[1].decode()
    assert (await comps.outputs.download(simulation, "stdout.txt", tmp_path / "x", job=first)).read_bytes() == texts[0]
    zipped = await comps.outputs.zip(simulation, ["stdout.txt"], tmp_path / "x.zip", job=first)
    assert [path.name for path in zipped] == ["x.zip"]


async def test_a_job_of_a_work_item_is_refused(comps: Session) -> None:
    item = acomps.WorkItem(
        id=uuid.uuid4(),
        name="item",
        environment_name="Local",
        worker=acomps.Worker(name="w", version="1"),
    )
    with pytest.raises(UsageError, match="a work item has no jobs"):
        await comps.outputs.list(item, job=acomps.HpcJob())

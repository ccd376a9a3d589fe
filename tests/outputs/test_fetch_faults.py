"""Downloads through a service and a network that do whatever they can to spoil them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from blockbuster import blockbuster_ctx
from outputs.conftest import LARGE, MIB, SMALL, Finished, always, fetches, finished_simulation, left_in
from support.fault_proxy import (
    PASS,
    RANGE_HIDDEN,
    Fault,
    FaultProxy,
    Request,
    answer_cut,
    answered,
    bit_flipped,
    reheaded,
)
from support.runs import ended, script, shell_experiment

import acomps
from acomps import AcompsError, ChecksumMismatch, MalformedAnswer, OutcomeUnknown, Session
from acomps.events import Downloaded, Event

Faulty = tuple[FaultProxy, Session]

SHORTER = reheaded(rb"content-length: \d+", b"content-length: 17")
LONGER = reheaded(rb"content-length: \d+", b"content-length: 99999999")
OTHER_RANGE = reheaded(rb"content-range: bytes \d+", b"content-range: bytes 1")
OTHER_TOTAL = reheaded(rb"content-range: bytes (\d+-\d+)/\d+", rb"content-range: bytes \1/99999999")
NO_RANGE = reheaded(rb"content-range: [^\r]*\r\n", b"")


def once(fault: Fault, part: str = "/asset/outputs/") -> Callable[[Request], Fault]:
    """The first request for a file has the fault."""
    count = itertools.count()
    return lambda request: fault if part in request.target and next(count) == 0 else PASS


async def download(comps: Session, finished: Finished, path: str, to: Path) -> int:
    """Download a file, and compare it if it comes; what was reported is what is there."""
    seen: list[int] = []

    def note(event: Event) -> None:
        assert isinstance(event, Downloaded)
        seen.append(event.bytes)

    try:
        await comps.outputs.download(finished.simulation, path, to, on_progress=note)
    except AcompsError:
        assert sum(seen) == 0
        raise
    assert to.read_bytes() == finished.content(path)
    assert left_in(to.parent) == [to.name]
    return sum(seen)


@pytest.mark.parametrize("cut", [0, 1, 0.7, -1], ids=str)
@pytest.mark.parametrize(("path", "length"), [("small", SMALL), ("middle", 3 * MIB), ("large", MIB)])
async def test_a_body_that_breaks_off_is_completed(
    faulty: Faulty, finished: Finished, tmp_path: Path, path: str, length: int, cut: float
) -> None:
    proxy, comps = faulty
    at = length - 1 if cut < 0 else int(cut * length) if cut < 1 and cut else int(cut)
    proxy.script = once(answer_cut(at))
    name = f"output/{path}.bin"
    assert await download(comps, finished, name, tmp_path / "file") == len(finished.content(name))


@pytest.mark.parametrize("path", ["output/small.bin", "output/middle.bin", "output/large.bin"])
async def test_a_download_never_blocks_the_loop(faulty: Faulty, finished: Finished, tmp_path: Path, path: str) -> None:
    with blockbuster_ctx("acomps"):
        await faulty[1].outputs.download(finished.simulation, path, tmp_path / "deep" / "file")
    assert (tmp_path / "deep" / "file").read_bytes() == finished.content(path)


async def test_a_stream_goes_on_at_the_byte_where_it_broke(faulty: Faulty, finished: Finished, tmp_path: Path) -> None:
    proxy, comps = faulty
    proxy.script = once(answer_cut(2 * MIB + 7))
    await download(comps, finished, "output/middle.bin", tmp_path / "file")
    first, second = fetches(proxy, "middle.bin")
    assert first.answered == 2 * MIB + 7
    assert second.answered == 3 * MIB - first.answered
    assert b"range: bytes=%d-%d" % (first.answered, 3 * MIB - 1) in second.head.lower()


@pytest.mark.parametrize("fault", [SHORTER, LONGER, OTHER_RANGE, NO_RANGE, RANGE_HIDDEN], ids=lambda fault: fault.name)
@pytest.mark.parametrize("path", ["small", "middle", "large"])
async def test_an_answer_that_lies_once_does_no_harm(
    faulty: Faulty, finished: Finished, tmp_path: Path, path: str, fault: Fault
) -> None:
    proxy, comps = faulty
    proxy.script = once(fault)
    try:
        await download(comps, finished, f"output/{path}.bin", tmp_path / "file")
    except ChecksumMismatch:
        assert fault in {SHORTER, LONGER}
        assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (SHORTER, MalformedAnswer),
        (LONGER, MalformedAnswer),
        (OTHER_RANGE, MalformedAnswer),
        (NO_RANGE, MalformedAnswer),
        (OTHER_TOTAL, ChecksumMismatch),
        (answer_cut(0), OutcomeUnknown),
        (answer_cut(1), OutcomeUnknown),
        (answered(404), acomps.NotFound),
        (answered(416), ChecksumMismatch),
    ],
)
async def test_ranges_that_are_always_wrong_are_an_error_and_no_file(
    faulty: Faulty, finished: Finished, tmp_path: Path, fault: Fault, error: type[AcompsError]
) -> None:
    proxy, comps = faulty
    proxy.script = always(fault)
    with pytest.raises(error, match="large"):
        await download(comps, finished, "output/large.bin", tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert len(fetches(proxy, "large.bin")) <= 4 * 6, "attempts are bounded"


@pytest.mark.parametrize("path", ["output/small.bin", "output/middle.bin"])
@pytest.mark.parametrize("fault", [SHORTER, LONGER, answer_cut(1)], ids=lambda fault: fault.name)
async def test_whole_answers_that_are_always_wrong_leave_nothing(
    faulty: Faulty, finished: Finished, tmp_path: Path, path: str, fault: Fault
) -> None:
    proxy, comps = faulty
    proxy.script = always(fault)
    with pytest.raises((ChecksumMismatch, OutcomeUnknown)):
        await download(comps, finished, path, tmp_path / "file")
    assert left_in(tmp_path) == []
    assert len(fetches(proxy, path)) <= 6


async def test_a_server_that_knows_no_ranges_is_read_in_one_stream(
    faulty: Faulty, finished: Finished, tmp_path: Path
) -> None:
    proxy, comps = faulty
    proxy.script = always(RANGE_HIDDEN)
    assert await download(comps, finished, "output/large.bin", tmp_path / "file") == LARGE
    assert b"range:" not in fetches(proxy, "large.bin")[-1].head.lower()


async def test_a_final_file_that_is_longer_than_listed_is_an_error(
    faulty: Faulty, comps: Session, tmp_path: Path
) -> None:
    grown = await finished_simulation(comps, f"head -c {5 * MIB} /dev/zero > large; head -c 3000 /dev/zero > small")
    proxy, far = faulty
    for name in ("large", "small"):
        [file] = await far.outputs.list(grown.simulation, [name])
        with (grown.folder / name).open("ab") as handle:
            handle.write(b"more")
        with pytest.raises(ChecksumMismatch, match="promised"):
            await far.outputs.fetch_file(file, tmp_path / name)
        assert left_in(tmp_path) == []
        fetched = await far.outputs.fetch_file(file, tmp_path / name, growing=True)
        assert fetched.length == file.length
        assert (tmp_path / name).read_bytes() == grown.content(name)[: file.length]
        (tmp_path / name).unlink()
    assert proxy.ledger


@pytest.mark.parametrize("name", ["large", "small"])
async def test_of_a_file_that_is_still_written_to_comes_what_was_listed(
    faulty: Faulty, comps: Session, tmp_path: Path, name: str
) -> None:
    gate = tmp_path / "gate"
    lines = f"head -c {5 * MIB} /dev/urandom > large; printf hello > small; touch {tmp_path}/ready; "
    experiment = await shell_experiment(comps, "growing")
    simulation = await comps.simulations.save(
        script(experiment, f"{lines} while ! test -e {gate}; do sleep 0.01; done; pwd")
    )
    await comps.experiments.commission(experiment)
    with anyio.fail_after(30):
        while not (tmp_path / "ready").exists():
            await anyio.sleep(0.01)
    current = await comps.simulations.get(simulation, acomps.Query().children("hpc_jobs"))
    file = Path(str(current.hpc_jobs[-1].working_directory)) / name
    listed = file.read_bytes()
    proxy, far = faulty

    def grow(request: Request) -> Fault:
        if "/asset/outputs/" in request.target:
            with file.open("ab") as handle:
                handle.write(b"more")
        return PASS

    proxy.script = grow
    target = tmp_path / "here" / "file"
    await far.outputs.download(simulation, name, target)
    assert target.read_bytes() == listed
    assert file.stat().st_size > len(listed)
    assert left_in(target.parent) == ["file"]
    gate.touch()
    await ended(comps, experiment)


async def test_a_file_that_became_shorter_is_an_error_even_when_it_may_grow(
    faulty: Faulty, comps: Session, tmp_path: Path
) -> None:
    shrunk = await finished_simulation(comps, f"head -c {5 * MIB} /dev/zero > large; head -c 3000 /dev/zero > small")
    _, far = faulty
    for name in ("large", "small"):
        [file] = await far.outputs.list(shrunk.simulation, [name])
        (shrunk.folder / name).write_bytes(b"short")
        with pytest.raises(ChecksumMismatch):
            await far.outputs.fetch_file(file, tmp_path / name, growing=True)
        assert left_in(tmp_path) == []


@pytest.mark.parametrize("size", [SMALL, 2 * MIB, 6 * MIB])
async def test_a_flipped_bit_is_found_by_the_md5_that_was_promised(
    faulty: Faulty, comps: Session, tmp_path: Path, size: int
) -> None:
    asset = acomps.AssetCollectionFile(file_name="model.bin", content=b"x" * size)
    collection = await comps.asset_collections.save(acomps.AssetCollection(assets=(asset,)))
    experiment = await comps.experiments.save(acomps.Experiment(name="assets"))
    simulation = await comps.simulations.save(
        acomps.Simulation(
            name="assets",
            experiment_id=experiment.id,
            configuration=acomps.Configuration(asset_collection_id=collection.id),
        )
    )
    proxy, far = faulty
    proxy.script = once(bit_flipped(size // 10), "/asset/contents/")
    with pytest.raises(ChecksumMismatch, match="promised md5"):
        await far.outputs.download(simulation, "Assets/model.bin", tmp_path / "model.bin")
    assert left_in(tmp_path) == []
    await far.outputs.download(simulation, "Assets/model.bin", tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == b"x" * size

"""Disks that are full, folders that cannot be written to, and source files that change while they are sent."""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.bench import Bench, World, md5_of
from faults.operations import Harvest, SaveAll, Upload
from support.fault_proxy import PASS, Fault, Request
from support.faults import small_simulations

import acomps

KIB = 1024
LARGEST = 11 * 1024 * KIB


@contextmanager
def no_file_larger_than(size: int) -> Generator[None]:
    """The system refuses to let any file of this process grow beyond `size`, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


async def test_a_journal_that_cannot_grow_ends_the_save_with_a_sentence_and_the_next_one_goes_on(
    world: World, tmp_path: Path
) -> None:
    count = 400
    experiment = await world.comps.experiments.save(acomps.Experiment(name="full disk"))
    journal = tmp_path / "journal"
    async with Bench.of(world, tmp_path) as bench:
        save = bench.session.simulations.save_all
        with no_file_larger_than(4 * KIB), pytest.raises(acomps.NotWritten, match="journal") as caught:
            await save(small_simulations(experiment, count), journal=journal)
        report = acomps.report_of(caught.value)
        assert report is not None
        assert len(report.saved) < count
        report = await save(small_simulations(experiment, count), journal=journal)
        report.raise_for_failures()
    assert sorted(int(name) for name, _ in world.simulations(experiment)) == list(range(count))


async def test_a_journal_in_a_folder_that_cannot_be_made_is_told_before_anything_is_sent(
    world: World, tmp_path: Path
) -> None:
    async with Bench.of(world, tmp_path) as bench:
        (tmp_path / "file").write_bytes(b"")
        for journal in (tmp_path / "file" / "journal", Path("/proc/none/journal"), tmp_path):
            with pytest.raises(acomps.NotWritten, match="journal"):
                await bench.session.simulations.save_all([acomps.Simulation(name="x")], journal=journal)
        assert bench.proxy.ledger == []


async def test_a_harvest_that_meets_a_full_disk_leaves_nothing_wrong_and_the_next_one_goes_on(
    world: World, tmp_path: Path
) -> None:
    operation = Harvest(world, tmp_path)
    async with Bench.of(world, tmp_path) as bench:
        with no_file_larger_than(512 * KIB), pytest.raises(acomps.NotWritten, match=r"large\.bin"):
            await operation.run(bench)
        operation.verify_failed()
        files = bench.session.harvest(
            world.experiment, "output/*", into=tmp_path / "results", layout="{simulation.id}/{path}"
        )
        assert [file.path for file in [one async for one in files] if file.fetched] == ["output/large.bin"]
        assert operation.there() == operation.wanted()


async def test_caches_that_cannot_be_written_cost_nothing_but_themselves(world: World, tmp_path: Path) -> None:
    nowhere = Path("/proc/none")
    operation = Upload(world, tmp_path)
    await operation.prepare()
    source = tmp_path / "source"
    source.write_bytes(operation.data)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    async with Bench.of(world, tmp_path, token_cache_dir=nowhere, hash_cache_dir=nowhere) as bench:
        operation.verify(await bench.session.uploads.upload(source))


def rewritten(path: Path) -> None:
    path.write_bytes(uuid.uuid4().bytes * (path.stat().st_size // 16))


def shrunk(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grown(path: Path) -> None:
    with path.open("ab") as handle:
        handle.write(b"more")


CHANGES: list[Callable[[Path], None]] = [rewritten, shrunk, grown, Path.unlink]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("length", [64 * KIB, LARGEST], ids=["inline", "chunked"])
async def test_a_file_that_changes_between_hashing_and_sending_is_an_error_of_its_simulation_alone(
    world: World, tmp_path: Path, change: Callable[[Path], None], length: int
) -> None:
    path = tmp_path / "changes.bin"
    path.write_bytes(uuid.uuid4().bytes * (length // 16))
    was = path.read_bytes()
    operation = SaveAll(world, tmp_path)
    await operation.prepare()
    simulations = operation.simulations()
    file = acomps.SimulationFile.from_path(path)
    simulations[3] = dataclasses.replace(simulations[3], files=(*simulations[3].files, file))
    async with Bench.of(world, tmp_path) as bench:

        def script(request: Request) -> Fault:
            # The first request of a save comes when everything of its group is hashed.
            if path.exists() and path.read_bytes()[:4096] == was[:4096] and request.method != "PUT":
                change(path)
            return PASS

        bench.proxy.script = script
        report = await bench.session.simulations.save_all(simulations)
    assert [failure.index for failure in report.failures] in ([3], [])
    names = sorted(int(name) for name, _ in world.simulations(operation.experiment))
    left = [number for number in range(operation.count) if not report.failures or number != 3]
    assert names == left
    stored = world.content(md5_of(was))
    assert stored in {None, was}
    if report.failures:
        assert isinstance(report.failures[0].error, acomps.ContentError | acomps.ChecksumMismatch)
    # Whichever of the two was quicker: what a simulation refers to is what its md5 says.
    found = world.rows(
        "SELECT f.md5_checksum FROM files f JOIN simulations s ON s.id = f.entity_id "
        "WHERE s.experiment_id = ? AND f.file_name = 'changes.bin'",
        str(operation.experiment.id),
    )
    assert len(found) == (0 if report.failures else 1)
    for (md5,) in found:
        content = world.content(uuid.UUID(str(md5)))
        assert content is not None
        assert str(md5_of(content)) == md5

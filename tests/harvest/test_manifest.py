"""The manifest: what it tells after torn lines, nonsense, and other files in the same place."""

from __future__ import annotations

import uuid
from pathlib import Path

import orjson
import pytest

import acomps
from acomps.comps.harvesting.layout import place_key
from acomps.comps.harvesting.manifest import MANIFEST, Kept, Manifest, Whole, kept_line, whole_line

SIMULATION, OTHER, JOB = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)


def kept(local: str) -> Kept:
    return Kept(length=5, md5=uuid.UUID(int=9), job=JOB, file=OTHER, final=True, place=place_key(local))


def line(simulation: uuid.UUID, path: str, local: str) -> bytes:
    return kept_line(simulation, path, local, kept(local))


async def written(folder: Path, *lines: bytes) -> Manifest:
    """A manifest that was written, closed and read again."""
    first = await Manifest.open(folder)
    first.append(lines)
    first.close()
    return await Manifest.open(folder)


async def test_what_was_written_is_there_again_and_reads_as_json(tmp_path: Path) -> None:
    whole = Whole(("a.txt", "b.txt"), ("c.txt",))
    manifest = await written(tmp_path, line(SIMULATION, "a.txt", "x/a.txt"), whole_line(SIMULATION, JOB, ["*"], whole))
    assert manifest.kept(SIMULATION, "a.txt") == kept("x/a.txt")
    assert manifest.kept(OTHER, "a.txt") is None
    assert manifest.whole(SIMULATION, JOB, ["*"]) == whole
    assert manifest.whole(SIMULATION, OTHER, ["*"]) is None
    assert manifest.whole(SIMULATION, JOB, ["*.txt"]) is None
    assert not manifest.fresh
    manifest.close()
    first, _ = (tmp_path / MANIFEST).read_bytes().splitlines()
    record = orjson.loads(first)
    assert {"simulation", "path", "local", "length", "md5", "job", "file", "final", "time"} == set(record)


@pytest.mark.parametrize("cut", range(1, 60, 7))
async def test_a_torn_line_counts_as_not_there_and_hurts_no_other(tmp_path: Path, cut: int) -> None:
    manifest = await written(tmp_path, line(SIMULATION, "a.txt", "a.txt"), line(SIMULATION, "b.txt", "b.txt"))
    manifest.close()
    path = tmp_path / MANIFEST
    path.write_bytes(path.read_bytes()[:-cut])
    again = await written(tmp_path, line(SIMULATION, "c.txt", "c.txt"))
    assert again.kept(SIMULATION, "a.txt") is not None
    assert (again.kept(SIMULATION, "b.txt") is not None) == (cut == 1)
    assert again.kept(SIMULATION, "c.txt") is not None
    again.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff\xfe\n",
        b"[]\n",
        b"{}\n",
        b"\n",
        b'{"simulation": 7}\n',
        b'{"simulation": "x", "path": "a.txt"}\n',
        b"null\n",
    ],
)
async def test_lines_that_mean_nothing_are_passed_over(tmp_path: Path, nonsense: bytes) -> None:
    manifest = await written(tmp_path, nonsense, line(SIMULATION, "a.txt", "a.txt"), nonsense)
    assert manifest.kept(SIMULATION, "a.txt") == kept("a.txt")
    manifest.close()


async def test_a_line_with_an_impossible_length_is_passed_over(tmp_path: Path) -> None:
    bad = line(SIMULATION, "a.txt", "a.txt").replace(b'"length":5', b'"length":-5')
    manifest = await written(tmp_path, line(SIMULATION, "b.txt", "b.txt"), bad)
    assert manifest.kept(SIMULATION, "a.txt") is None
    assert manifest.kept(SIMULATION, "b.txt") is not None
    manifest.close()


async def test_the_last_file_in_a_place_is_the_one_that_is_there(tmp_path: Path) -> None:
    manifest = await written(tmp_path, line(SIMULATION, "a.txt", "run.txt"), line(OTHER, "a.txt", "Run.txt"))
    assert manifest.kept(SIMULATION, "a.txt") is None
    assert manifest.kept(OTHER, "a.txt") is not None
    manifest.close()


async def test_a_place_that_cannot_be_a_folder_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/harvest")):
        with pytest.raises(acomps.NotWritten, match="choose another one"):
            await Manifest.open(folder)


async def test_only_an_empty_folder_is_fresh(tmp_path: Path) -> None:
    for folder, fresh in ((tmp_path / "new" / "deep", True), (tmp_path, False)):
        manifest = await Manifest.open(folder)
        assert manifest.fresh is fresh
        manifest.close()

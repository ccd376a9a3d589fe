"""The cache of hashes is a hint: it saves reading, and is never believed about a file that may have changed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from uploads.conftest import MakeFile, age

from acomps.transfer import HashCache, measured

SIZE = 9 * 1024 * 1024


@pytest.fixture
def cache(tmp_path: Path) -> HashCache:
    return HashCache(tmp_path / "hashes")


def test_a_file_that_has_not_changed_is_not_hashed_again(cache: HashCache, make_file: MakeFile) -> None:
    path = make_file("data", SIZE)
    first, second = measured(path, cache), measured(path, cache)
    assert (first.recalled, second.recalled) == (False, True)
    assert (first.md5, first.length, first.content) == (second.md5, second.length, second.content)


def test_a_file_is_known_by_every_way_that_leads_to_it(
    cache: HashCache, make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file("data", SIZE)
    measured(path, cache)
    (tmp_path / "link").symlink_to(path)
    assert measured(tmp_path / "link", cache).recalled
    monkeypatch.chdir(tmp_path)
    assert measured(Path("data"), cache).recalled


def rewritten(path: Path) -> None:
    path.write_bytes(b"x" * SIZE)
    age(path, 30)


def grown(path: Path) -> None:
    status = path.stat()
    with path.open("ab") as handle:
        handle.write(b"more")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(path: Path) -> None:
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"x" * SIZE)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [rewritten, grown, replaced])
def test_a_file_that_changed_is_hashed_again(
    cache: HashCache, make_file: MakeFile, change: Callable[[Path], None]
) -> None:
    path = make_file("data", SIZE)
    before = measured(path, cache)
    change(path)
    after = measured(path, cache)
    assert not after.recalled
    assert after.md5 != before.md5


def test_a_file_that_was_changed_a_moment_ago_is_not_remembered(
    cache: HashCache, make_file: MakeFile, tmp_path: Path
) -> None:
    path = make_file("data", SIZE)
    os.utime(path)
    measured(path, cache)
    assert not measured(path, cache).recalled


def test_small_files_leave_no_trace(cache: HashCache, make_file: MakeFile, tmp_path: Path) -> None:
    measured(make_file("data", 100_000), cache)
    assert not (tmp_path / "hashes").exists()


@pytest.mark.parametrize("damage", [b"", b"\xff" * 300, b"1 2 3", b"not the facts", None])
def test_a_damaged_cache_is_no_cache(
    cache: HashCache, make_file: MakeFile, tmp_path: Path, damage: bytes | None
) -> None:
    path = make_file("data", SIZE)
    md5 = measured(path, cache).md5
    [entry] = (tmp_path / "hashes").iterdir()
    said = entry.read_bytes()
    entry.write_bytes(said[:-5] if damage is None else damage)
    again = measured(path, cache)
    assert (again.md5, again.recalled) == (md5, False)
    assert entry.read_bytes() == said


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(make_file: MakeFile, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = HashCache(tmp_path / "file" / "hashes")
    path = make_file("data", SIZE)
    assert measured(path, cache).md5 == measured(path, cache).md5
    cache.forget(path)


def test_what_turned_out_wrong_is_forgotten(cache: HashCache, make_file: MakeFile) -> None:
    path = make_file("data", SIZE)
    cache.remember(path, path.stat(), uuid.uuid4())
    assert measured(path, cache).recalled
    cache.forget(path)
    assert not measured(path, cache).recalled

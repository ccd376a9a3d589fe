"""The pieces that a download is made of, on their own."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acomps import ChecksumMismatch, OutputFile, Settings, UsageError
from acomps.comps.output_parts import PartialOutput, RangeForm, whole_characters
from acomps.comps.output_paths import by_path, selected
from acomps.comps.outputs import Polling
from acomps.transfer import Promise, notes, partfile
from acomps.transfer.partfile import PartFile, write_whole
from acomps.transfer.spans import Missing, joined, total
from acomps.wire.ranges import ContentRange, decode_content_range

MIB = 1024 * 1024
DATA = os.urandom(3 * MIB + 5)
MD5 = uuid.UUID(bytes=hashlib.md5(DATA).digest())


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes 0-9/10", ContentRange(0, 9, 10)),
        (" Bytes 5-5/* ", ContentRange(5, 5, None)),
        ("bytes 5-4/10", None),
        ("bytes 0-10/10", None),
        ("bytes */10", None),
        ("bytes 0-9", None),
        ("0-9/10", None),
        ("bytes -1-9/10", None),
        ("bytes 0-99999999999999999999/10", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_range_that_makes_sense_is_read(header: str | None, found: ContentRange | None) -> None:
    assert decode_content_range(header) == found


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))))


@given(spans, st.integers(1, 50), st.integers(1, 4))
def test_what_is_missing_is_handed_out_once_and_completely(
    done: list[tuple[int, int]], most: int, workers: int
) -> None:
    missing = Missing(done, 60)
    there = {at for first, end in joined(done) for at in range(first, end)}
    assert missing.bytes == 60 - len(there)
    while missing.bytes:
        first, end = missing.take(most, workers)
        assert 0 < end - first <= most
        new = set(range(first, end))
        assert not new & there
        there |= new
    assert there == set(range(60))


@given(st.text(max_size=40), st.data())
def test_the_text_of_a_part_is_the_characters_that_are_whole(text: str, data: st.DataObject) -> None:
    whole = text.encode("utf-8", "ignore")
    first = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(first, len(whole)))
    part = PartialOutput(data=whole[first:end], first=first, last=end - 1, total=len(whole))
    assert whole_characters(part) == whole[first:end].decode("utf-8", "ignore")


def test_text_that_is_not_utf_8_is_shown_as_well_as_it_can_be() -> None:
    part = PartialOutput(data=b"\xff\x80\x80\x80\x80ok", first=0, last=6, total=7)
    assert whole_characters(part).endswith("ok")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["a", "weird[1].txt"]),
        ("**", ["a", "b/c.txt", "b/d/e.txt", "weird[1].txt"]),
        ("**/*.txt", ["b/c.txt", "b/d/e.txt", "weird[1].txt"]),
        ("b/**", ["b/c.txt", "b/d/e.txt"]),
        ("b/**/e.txt", ["b/d/e.txt"]),
        ("b/*", ["b/c.txt"]),
        ("?/[!d].txt", ["b/c.txt"]),
        ("[a-c]/[b-d].txt", ["b/c.txt"]),
        ("weird[1].txt", ["weird[1].txt"]),
        ("weird[[]1].TXT", ["weird[1].txt"]),
    ],
)
def test_a_pattern_names_the_files_that_it_describes(pattern: str, expected: list[str]) -> None:
    files = by_path(_file(path) for path in ("a", "b/c.txt", "b/d/e.txt", "weird[1].txt"))
    assert [file.path for file in selected(files, [pattern], "x")] == expected


def _file(path: str) -> OutputFile:
    folder, _, name = path.rpartition("/")
    return OutputFile(id=uuid.uuid4(), file_name=name, path_from_root=folder or ".", length=0, url="/asset/x")


@pytest.mark.parametrize("positioned", [True, False])
@pytest.mark.parametrize("boot", [True, False])
def test_blocks_are_put_in_their_place_in_any_order_with_or_without_pwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, positioned: bool, boot: bool
) -> None:
    if not positioned:
        monkeypatch.setattr(partfile, "_pwrite", None)
    if not boot:
        monkeypatch.setattr(notes, "_BOOT", tmp_path / "none")
        monkeypatch.setattr(notes, "_FLUSH_BYTES", 2 * MIB)
    target = tmp_path / ("x" * 200 + "é" * 10)
    promise = Promise(length=len(DATA), md5=MD5)
    part = PartFile(target, promise, resumable=True, digest=False)
    assert part.open() == ()
    part.write(2 * MIB, [DATA[2 * MIB : 3 * MIB]])
    part.write(0, [DATA[:100], DATA[100:MIB]])
    part.leave(keep=True)
    part = PartFile(target, promise, resumable=True, digest=False)
    done = part.open()
    assert done == ((0, MIB), (2 * MIB, 3 * MIB))
    part.write(3 * MIB, [DATA[3 * MIB :]])
    part.write(MIB, [DATA[MIB : 2 * MIB]])
    while part.hash_some():
        pass
    fetched = part.publish()
    assert (fetched.length, fetched.md5, fetched.resumed) == (len(DATA), MD5, total(done))
    assert target.read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_another_promise_is_another_part(tmp_path: Path) -> None:
    target = tmp_path / "file"
    for promise in (
        Promise(length=len(DATA), identity="a"),
        Promise(length=len(DATA), identity="b"),
        Promise(length=len(DATA) + 1, identity="a"),
        Promise(length=len(DATA), md5=MD5),
    ):
        part = PartFile(target, promise, resumable=True, digest=False)
        assert part.open() == ()
        part.write(0, [DATA[:MIB]])
        part.leave(keep=True)
    assert len(list(tmp_path.glob("*.part"))) == 4


def test_a_part_that_nobody_could_recognise_is_not_kept(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "file", Promise(length=len(DATA)), resumable=True, digest=False)
    assert not part.resumable
    part.open()
    part.write(0, [DATA])
    part.leave(keep=True)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_not_whole_is_not_published(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "file", Promise(length=len(DATA), identity="a"), resumable=True, digest=False)
    part.open()
    part.write(0, [DATA[:-1]])
    with pytest.raises(ChecksumMismatch, match="bytes arrived where"):
        part.publish()
    part.leave(keep=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links")
def test_a_link_under_the_name_of_the_part_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"dear")
    promise = Promise(length=len(DATA), identity="a")
    (tmp_path / f".file.{promise.key('file')}.part").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        PartFile(tmp_path / "file", promise, resumable=True, digest=False).open()
    assert victim.read_bytes() == b"dear"


#: Ways to put a small file in its place: without a name until it is whole, and where a system or file system does not
#: know that, or forbids to give it one.
UNNAMED = pytest.param("unnamed", marks=pytest.mark.skipif(sys.platform != "linux", reason="no files without a name"))
WAYS = [UNNAMED, "named", "no links"]


def take(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small files written in this way."""

    def no_link(*_args: object, **_options: object) -> None:
        raise PermissionError

    if way == "named":
        monkeypatch.setattr(partfile, "_UNNAMED", 0)
    elif way == "no links":
        monkeypatch.setattr(os, "link", no_link)


@pytest.mark.parametrize("way", WAYS)
def test_a_small_file_is_put_into_a_folder_that_is_made_and_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    take(way, monkeypatch)
    target = tmp_path / "new" / "folder" / "file"
    for data in (b"first", b"", b"second, and longer"):
        fetched = write_whole(target, data, Promise(length=len(data), identity="a"))
        assert (fetched.length, fetched.md5) == (len(data), uuid.UUID(bytes=hashlib.md5(data).digest()))
        assert [(path.name, path.read_bytes()) for path in target.parent.iterdir()] == [("file", data)]


@pytest.mark.parametrize("way", WAYS)
def test_a_small_file_can_be_put_into_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    take(way, monkeypatch)
    monkeypatch.chdir(tmp_path)
    write_whole(Path("file"), b"data", Promise(length=4, identity="a"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"data")]


@pytest.mark.parametrize(("way", "names"), [pytest.param(*UNNAMED.values, 0, marks=UNNAMED.marks), ("named", 1)])
def test_a_small_file_that_is_not_whole_never_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, names: int
) -> None:
    take(way, monkeypatch)
    seen: list[list[str]] = []

    def full(_handle: int, _data: object) -> int:
        seen.append([path.name for path in tmp_path.iterdir()])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="full"):
        write_whole(tmp_path / "file", b"data", Promise(length=4, identity="a"))
    assert len(seen[0]) == names
    assert not any("file" in found for found in seen)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (3, 2), (-5, -2)])
def test_forms_that_are_no_range_are_refused(start: int, end: int) -> None:
    with pytest.raises(UsageError, match="is no range"):
        RangeForm(start, end)


def test_settings_of_downloads_are_checked() -> None:
    with pytest.raises(UsageError, match="range_bytes"):
        Settings(range_bytes=10)
    with pytest.raises(UsageError, match="range_from_bytes"):
        Settings(range_from_bytes=10)
    with pytest.raises(UsageError, match="ranges_at_once"):
        Settings(ranges_at_once=0)
    for least_s, most_s in ((0, 1), (2, 1)):
        with pytest.raises(UsageError, match="Polling"):
            Polling(least_s=least_s, most_s=most_s)

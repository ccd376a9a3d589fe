"""Bytes in and out: exact, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from acomps import ChecksumMismatch, ContentError, NotWritten
from acomps.transfer import FileContent, Promise, fetch_to_file, measured

DATA = os.urandom(3 * 1024 * 1024 + 7)
MD5 = uuid.UUID(bytes=hashlib.md5(DATA, usedforsecurity=False).digest())


async def in_pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(content: FileContent) -> bytes:
    return b"".join([block async for block in content])


def test_bytes_and_files_measure_the_same(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    of_bytes, of_file = measured(DATA), measured(path)
    assert (of_bytes.md5, of_bytes.length) == (of_file.md5, of_file.length) == (MD5, len(DATA))


async def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    content = measured(path).content
    assert isinstance(content, FileContent)
    assert await read(content) == await read(content) == DATA


async def test_a_file_that_grew_or_shrank_or_changed_since_it_was_hashed_is_not_sent_whole(tmp_path: Path) -> None:
    for change in (b"short", DATA + b"more", DATA[:-1] + bytes([DATA[-1] ^ 1])):
        path = tmp_path / "data"
        path.write_bytes(DATA)
        os.utime(path, ns=(0, 1_000_000_000))
        content = measured(path).content
        assert isinstance(content, FileContent)
        path.write_bytes(change)
        with pytest.raises(ContentError, match="changed while it was being sent"):
            await read(content)


@pytest.mark.parametrize("name", ["gone", "folder"])
def test_a_source_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ContentError, match=name):
        measured(tmp_path / name)


async def test_a_file_is_published_whole_in_folders_that_are_made(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "data"
    seen: list[int] = []
    promise = Promise(length=len(DATA), md5=MD5)
    assert await fetch_to_file(in_pieces(DATA), target, promise, seen.append) == len(DATA)
    assert target.read_bytes() == DATA
    assert sum(seen) == len(DATA)
    assert os.listdir(target.parent) == ["data"]


async def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    await fetch_to_file(in_pieces(b""), tmp_path / "empty", Promise(length=0))
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize(
    ("promise", "message"),
    [
        (Promise(length=len(DATA) + 1), "bytes arrived where"),
        (Promise(length=len(DATA) - 1), "bytes arrived where"),
        (Promise(md5=uuid.UUID(int=0)), "promised md5"),
    ],
)
async def test_a_broken_promise_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, promise: Promise, message: str
) -> None:
    target = tmp_path / "data"
    target.write_bytes(b"old")
    seen: list[int] = []
    with pytest.raises(ChecksumMismatch, match=message):
        await fetch_to_file(in_pieces(DATA), target, promise, seen.append)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["data"]
    assert sum(seen) == 0, "progress goes back when the bytes do not count"


async def test_cancelling_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    arrived = anyio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield DATA
        arrived.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch_to_file, endless(), tmp_path / "data", Promise())
        await arrived.wait()
        tasks.cancel_scope.cancel()
    assert os.listdir(tmp_path) == []


async def test_a_folder_that_cannot_be_written_to_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotWritten, match=r"cannot write .*data: .*; check the folder"):
        await fetch_to_file(in_pieces(DATA), tmp_path / "file" / "data", Promise())

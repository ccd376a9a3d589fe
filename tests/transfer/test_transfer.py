"""What is sent: measured once, and sent only as it was then."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

import pytest

from acomps import ContentError
from acomps.transfer import FileContent, measured

DATA = os.urandom(3 * 1024 * 1024 + 7)
MD5 = uuid.UUID(bytes=hashlib.md5(DATA, usedforsecurity=False).digest())


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

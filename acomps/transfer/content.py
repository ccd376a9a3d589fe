"""What is to be sent: bytes, or files that are hashed once and then streamed from disk."""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

import anyio.to_thread

from acomps.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from acomps.transfer.hashing import HashCache

__all__ = ["FileContent", "Measured", "Source", "measured"]

_BLOCK_BYTES: Final = 512 * 1024

Source: TypeAlias = bytes | Path


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file on disk as it was when it was hashed; iterating reads it, in blocks of 512 KiB.

    A file that changed since then raises ContentError before its last block: no request with other bytes than were
    announced is ever completed.
    """

    path: Path
    length: int
    mtime_ns: int

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.blocks(0, self.length)

    async def blocks(self, first: int, length: int) -> AsyncGenerator[bytes]:
        """The `length` bytes from `first` on, under the same promise."""
        reader = _Reader(self)
        left = length
        try:
            while left:
                block = await anyio.to_thread.run_sync(reader.read, first, left)
                first += len(block)
                left -= len(block)
                yield block
        finally:
            reader.close()

    def changed(self) -> ContentError:
        """The error of a file that is not what was hashed."""
        return ContentError(f"{self.path} changed while it was being sent: save again when nobody writes to it")


class _Reader:
    """An open file, which is closed at once even when its reading is cancelled. Its methods block."""

    def __init__(self, content: FileContent) -> None:
        self._content = content
        self._handle: BinaryIO | None = None

    def read(self, first: int, left: int) -> bytes:
        """The next block of the `left` bytes from `first` on. This blocks."""
        path = self._content.path
        try:
            if self._handle is None:
                self._handle = path.open("rb", buffering=0)
                self._require_same(self._handle)
                self._handle.seek(first)
            block = self._handle.read(min(_BLOCK_BYTES, left))
            if len(block) == left:
                self._require_same(self._handle)
        except OSError as exc:
            raise _unreadable(path, exc) from exc
        if not block:
            raise self._content.changed()
        return block

    def _require_same(self, handle: BinaryIO) -> None:
        now = os.fstat(handle.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._content.length, self._content.mtime_ns):
            raise self._content.changed()

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            self._handle.close()


@dataclass(frozen=True, slots=True)
class Measured:
    """Content with its md5 and its length in bytes, ready to be sent.

    `recalled` says that the md5 comes from the cache of hashes, and was not computed now.
    """

    md5: uuid.UUID
    length: int
    content: bytes | FileContent
    recalled: bool = False

    @property
    def name(self) -> str:
        """What messages call it: the path of a file, the md5 of bytes."""
        return str(self.content.path) if isinstance(self.content, FileContent) else str(self.md5)


def measured(source: Source, cache: HashCache | None = None) -> Measured:
    """`source` with its md5 and length. Reads the whole of a file, unless `cache` knows it: call it in a thread."""
    if isinstance(source, bytes):
        return Measured(_as_uuid(hashlib.md5(source, usedforsecurity=False)), len(source), source)
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with source.open("rb", buffering=0) as handle:
            before = os.fstat(handle.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise ContentError(f"{source} is no regular file: name a file, or pack the folder first")
            known = None if cache is None else cache.recall(source, before)
            if known is not None:
                content = FileContent(source, before.st_size, before.st_mtime_ns)
                return Measured(known, before.st_size, content, recalled=True)
            length = 0
            while block := handle.read(_BLOCK_BYTES):
                digest.update(block)
                length += len(block)
            after = os.fstat(handle.fileno())
    except OSError as exc:
        raise _unreadable(source, exc) from exc
    if length != after.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise ContentError(f"{source} changed while it was being hashed: save again when nobody writes to it")
    md5 = _as_uuid(digest)
    if cache is not None:
        cache.remember(source, after, md5)
    return Measured(md5, length, FileContent(source, length, after.st_mtime_ns))


def _as_uuid(digest: hashlib._Hash) -> uuid.UUID:  # pyright: ignore[reportPrivateUsage] - hashlib has no public name
    return uuid.UUID(bytes=digest.digest())


def _unreadable(path: Path, exc: OSError) -> ContentError:
    reason = exc.strerror or str(exc)
    return ContentError(f"cannot read {path}: {reason}; check the path and its permissions")

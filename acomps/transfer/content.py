"""What is to be sent: bytes, or files that are hashed once and then streamed from disk."""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import aiofiles

from acomps.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["FileContent", "Measured", "Source", "measured"]

_BLOCK_BYTES: Final = 1024 * 1024

Source: TypeAlias = bytes | Path


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file on disk as it was when it was hashed; iterating reads it, in blocks of 1 MiB.

    A file that changed since then raises ContentError before its last block: no request with other bytes than were
    announced is ever completed.
    """

    path: Path
    length: int
    mtime_ns: int

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self.length
        try:
            async with aiofiles.open(self.path, "rb") as handle:
                if os.fstat(handle.fileno()).st_mtime_ns != self.mtime_ns:
                    raise self._changed()
                while left:
                    block = await handle.read(min(_BLOCK_BYTES, left))
                    if not block:
                        raise self._changed()
                    left -= len(block)
                    if not left and os.fstat(handle.fileno()).st_mtime_ns != self.mtime_ns:
                        raise self._changed()
                    yield block
        except OSError as exc:
            raise _unreadable(self.path, exc) from exc

    def _changed(self) -> ContentError:
        return ContentError(f"{self.path} changed while it was being sent: save again when nobody writes to it")


@dataclass(frozen=True, slots=True)
class Measured:
    """Content with its md5 and its length in bytes, ready to be sent."""

    md5: uuid.UUID
    length: int
    content: bytes | FileContent


def measured(source: Source) -> Measured:
    """`source` with its md5 and length. Reads the whole of a file, block by block: call it in a thread."""
    if isinstance(source, bytes):
        return Measured(_as_uuid(hashlib.md5(source, usedforsecurity=False)), len(source), source)
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with source.open("rb", buffering=0) as handle:
            before = os.fstat(handle.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise ContentError(f"{source} is no regular file: name a file, or pack the folder first")
            length = 0
            while block := handle.read(_BLOCK_BYTES):
                digest.update(block)
                length += len(block)
            after = os.fstat(handle.fileno())
    except OSError as exc:
        raise _unreadable(source, exc) from exc
    if length != after.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise ContentError(f"{source} changed while it was being hashed: save again when nobody writes to it")
    return Measured(_as_uuid(digest), length, FileContent(source, length, after.st_mtime_ns))


def _as_uuid(digest: hashlib._Hash) -> uuid.UUID:  # pyright: ignore[reportPrivateUsage] - hashlib has no public name
    return uuid.UUID(bytes=digest.digest())


def _unreadable(path: Path, exc: OSError) -> ContentError:
    reason = exc.strerror or str(exc)
    return ContentError(f"cannot read {path}: {reason}; check the path and its permissions")

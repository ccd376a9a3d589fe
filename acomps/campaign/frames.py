"""Records in a file that only grows: each with its length and checksum, so that a torn end is seen and left out."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["framed", "frames", "sync_folder"]

_HEAD: Final = struct.Struct("<QI")


def framed(payload: bytes) -> bytes:
    """The payload as a record."""
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def frames(data: memoryview, start: int = 0) -> Iterator[tuple[memoryview, int]]:
    """The payloads from `start` on, each with the place where its record ends; stops at the first that is not whole."""
    while start + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, start)
        begin, end = start + _HEAD.size, start + _HEAD.size + length
        if not length or end > len(data):
            return
        payload = data[begin:end]
        if zlib.crc32(payload) != checksum:
            return
        yield payload, end
        start = end


def sync_folder(folder: Path) -> None:
    """Bring new and renamed names in a folder to the disk, where the system can do that."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Parts of contents on the disk until they are whole. Everything here blocks.

The bytes lie where they belong in a sparse file, and beside it is a list to which every range that was written is
added afterwards; so whatever ends the service, the list never claims what is not there. Nothing is flushed to the
disk: after a crash of the machine the md5 tells.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from typing import TYPE_CHECKING, Final

from acomps.local.files.spans import Spans, spans_in

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from acomps.local.files.contents import Contents

__all__ = ["PartFile", "open_part", "remove_abandoned"]

_DATA: Final = ".part"
_LIST: Final = ".ranges"
_MODE: Final = 0o600
_HASH_BYTES: Final = 4 * 1024 * 1024
#: What POSIX systems take in one call.
_MOST_VECTORS: Final = 1024


class PartFile:
    """The part of one content that has arrived, of `total` bytes when it is whole."""

    def __init__(self, folder: Path, md5: str, total: int, spans: Spans) -> None:
        self.md5 = md5
        self.total = total
        #: Belongs to whoever opened the part: what is written is added by them.
        self.spans = spans
        self._data_path, self._list_path = folder / f"{md5}{_DATA}", folder / f"{md5}{_LIST}"
        self._data = self._list = -1
        self._hash = hashlib.md5(usedforsecurity=False)
        self.hashed = 0

    def open(self) -> None:
        """Open the files; FileNotFoundError when somebody has removed them."""
        self._data = os.open(self._data_path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._list = os.open(self._list_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except BaseException:
            os.close(self._data)
            raise

    def begin(self) -> None:
        """Make the files, with a list of what there is; a damaged line of an older one is not in it."""
        os.close(os.open(self._data_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE))
        lines = [b"total %d\n" % self.total, *(b"%d %d\n" % span for span in self.spans)]
        written = self._list_path.with_suffix(".new")
        written.write_bytes(b"".join(lines))
        written.chmod(_MODE)
        written.replace(self._list_path)

    def write(self, at: int, pieces: Sequence[bytes]) -> None:
        """Put bytes where they belong, and into the list. May run in several threads."""
        first = at
        left = [memoryview(piece) for piece in pieces]
        while left:
            written = os.pwritev(self._data, left[:_MOST_VECTORS], at)
            at += written
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
        os.write(self._list, b"%d %d\n" % (first, at))

    def hash_to(self, end: int) -> None:
        """Hash on up to `end`, before which everything must be there. One thread at a time."""
        # One large block after another: each return from hashing has to wait for the interpreter.
        buffer = memoryview(bytearray(min(_HASH_BYTES, end - self.hashed)))
        while self.hashed < end:
            count = os.preadv(self._data, [buffer[: end - self.hashed]], self.hashed)
            if not count:
                raise EOFError(f"{self._data_path} is shorter than its list says")
            self._hash.update(buffer[:count])
            self.hashed += count

    def keep(self, contents: Contents) -> str | None:
        """Give what is complete to the content store; where its md5 is another, drop it and return that one."""
        self.hash_to(self.total)
        found = self._hash.hexdigest()
        if found != self.md5.replace("-", ""):
            self.discard()
            return found
        contents.adopt(self.md5, self._data_path)
        self._list_path.unlink(missing_ok=True)
        return None

    def discard(self) -> None:
        """Remove what has arrived."""
        self._list_path.unlink(missing_ok=True)
        self._data_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        os.close(self._data)
        os.close(self._list)


def open_part(folder: Path, md5: str, total: int | None) -> PartFile | None:
    """The part of a content that has arrived so far, or a new one of `total` bytes; without `total` perhaps None."""
    part = _read(folder, md5)
    if part is None:
        if total is None:
            return None
        part = PartFile(folder, md5, total, Spans())
    part.begin()
    part.open()
    return part


def remove_abandoned(folder: Path, older_than_s: float, in_use: Collection[str]) -> None:
    """Remove the parts to which nothing was added for so long."""
    oldest = time.time() - older_than_s
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.partition(".")[0] not in in_use and entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)


def _read(folder: Path, md5: str) -> PartFile | None:
    """The part that an earlier run of the service has left, not open yet."""
    try:
        said = (folder / f"{md5}{_LIST}").read_bytes()
        there = (folder / f"{md5}{_DATA}").stat().st_size
    except FileNotFoundError:
        return None
    head, *lines = said[: said.rfind(b"\n") + 1].splitlines() or [b""]
    name, _, total = head.partition(b" ")
    if name != b"total" or not total.isdigit():
        return None
    return PartFile(folder, md5, int(total), spans_in(lines, min(there, int(total))))

"""Which blocks of a file that is arriving are on the disk: a text file beside it, read when a fetch is resumed.

It is believed only if each block in the file begins and ends with the bytes that were noted of it. Where the system
tells one boot from another, a block counts as soon as it is written, and none counts after the next boot; elsewhere a
block counts once it was flushed.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from acomps.transfer.spans import joined

if TYPE_CHECKING:
    from acomps.transfer.spans import Span

__all__ = ["Notes"]

_VERSION: Final = "acomps-ranges-1"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_MARK_BYTES: Final = 4096
#: So much is flushed at once where nothing counts before.
_FLUSH_BYTES: Final = 8 * 1024 * 1024


class Notes:
    """The notes at `path` about the open file `handle`, of which `length` bytes are wanted. Its methods block."""

    def __init__(self, path: Path, handle: int, length: int) -> None:
        self._path, self._file, self._length = path, handle, length
        self._boot = _boot()
        self._head = f"{_VERSION} {length} {self._boot or '-'}"
        self._handle = -1
        self._waiting: list[_Note] = []
        self._kept: list[_Note] = []

    def read(self) -> tuple[Span, ...]:
        """What is there, by notes that belong to this file; nothing, if they are damaged."""
        try:
            lines = self._path.read_text("ascii").split("\n")
        except (OSError, ValueError):
            return ()
        if lines[0] != self._head:
            return ()
        most = min(os.fstat(self._file).st_size, self._length)
        # The last line is what a killed process had begun to write, or empty.
        for line in lines[1:-1]:
            note = _Note.parse(line)
            if note is None or note.end > most or note.mark != self._mark(note.first, note.end):
                self._kept.clear()
                return ()
            self._kept.append(note)
        return joined([(note.first, note.end) for note in self._kept])

    def begin(self) -> None:
        """Write the notes anew, with what was read."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        self.close()
        self._handle = os.open(self._path, flags, 0o666)
        os.write(self._handle, "".join([f"{self._head}\n", *map(str, self._kept)]).encode())
        self._kept.clear()

    def forget(self) -> None:
        """Nothing of what was read counts."""
        self._kept.clear()
        self._waiting.clear()

    def add(self, first: int, data: bytes) -> None:
        """These bytes are written."""
        self._waiting.append(_Note(first, first + len(data), _mark(data[:_MARK_BYTES], data[-_MARK_BYTES:])))
        if self._boot is None:
            if sum(note.end - note.first for note in self._waiting) < _FLUSH_BYTES:
                return
            os.fsync(self._file)
        noted, self._waiting = self._waiting, []
        os.write(self._handle, "".join(map(str, noted)).encode())

    def _mark(self, first: int, end: int) -> int:
        """The mark of a block as it is on the disk."""
        count = min(_MARK_BYTES, end - first)
        os.lseek(self._file, first, os.SEEK_SET)
        start = os.read(self._file, count)
        os.lseek(self._file, end - count, os.SEEK_SET)
        return _mark(start, os.read(self._file, count))

    def close(self) -> None:
        """Leave the notes for another run."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def remove(self) -> None:
        """There is nothing more to note."""
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


class _Note(NamedTuple):
    """One block: where it is, and a checksum of its beginning and end."""

    first: int
    end: int
    mark: int

    @classmethod
    def parse(cls, line: str) -> Self | None:
        words = line.split(" ")
        if len(words) != len(cls._fields) or not all(word.isdecimal() for word in words):
            return None
        note = cls(*map(int, words))
        return note if note.first < note.end else None

    def __str__(self) -> str:
        return f"{self.first} {self.end} {self.mark}\n"


def _mark(start: bytes, end: bytes) -> int:
    return zlib.crc32(end, zlib.crc32(start))


def _boot() -> str | None:
    try:
        return _BOOT.read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None

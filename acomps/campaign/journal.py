"""A file of commits that only grows; commits that come together share one trip to the disk.

A commit is one record, so it is there whole or not at all. When a write fails nothing can be added any more: what is
in memory by then is not on the disk.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from acomps.campaign.change import Change, pack, unpack
from acomps.campaign.errors import StoreFailed
from acomps.campaign.frames import framed, frames, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Journal", "replayed"]


def replayed(data: bytes, start: int = 0) -> Iterator[tuple[list[Change], int]]:
    """The commits in a journal's bytes, each with the place where it ends; a torn end is left out."""
    for payload, end in frames(memoryview(data), start):
        yield unpack(payload), end


class _Waiting:
    """A commit, or the wish to go on in another file, on its way to the disk."""

    __slots__ = ("changes", "next_file", "woken", "written")

    def __init__(self, changes: Sequence[Change], next_file: Path | None = None) -> None:
        self.changes = changes
        self.next_file = next_file
        self.written = False
        self.woken = anyio.Event()


class Journal:
    """An open journal."""

    def __init__(self, path: Path, good: int = 0) -> None:
        """Open or begin the file (which blocks); what stands in it after `good` bytes is cut off."""
        self._waiting: list[_Waiting] = []
        self._writing = False
        self._failed: OSError | None = None
        self._open(path, good)

    @property
    def path(self) -> Path:
        """The file that is written to."""
        return self._path

    @property
    def size(self) -> int:
        """How many bytes of this file are on the disk."""
        return self._size

    @property
    def failed(self) -> bool:
        """Whether a write has failed."""
        return self._failed is not None

    async def append(self, changes: Sequence[Change]) -> None:
        """Returns when the commit is on the disk; a cancellation waits until then, for the outcome is known soon."""
        await self._put(_Waiting(changes))

    async def go_on_in(self, path: Path) -> None:
        """Write what was given before to the old file, and what is given from now on to another one."""
        await self._put(_Waiting((), path))

    def close(self) -> None:
        """Close the file; nothing may be on its way."""
        self._handle.close()

    async def _put(self, item: _Waiting) -> None:
        if self._failed is not None:
            raise self._failure()
        with anyio.CancelScope(shield=True):
            self._waiting.append(item)
            if self._writing:
                await item.woken.wait()
            if not item.written:
                self._writing = True
                group, self._waiting = self._waiting, []
                await anyio.to_thread.run_sync(self._write, group)
                for one in group:
                    one.written = True
                    one.woken.set()
                if self._waiting:
                    self._waiting[0].woken.set()
                else:
                    self._writing = False
        if self._failed is not None:
            raise self._failure()

    def _failure(self) -> StoreFailed:
        failure = StoreFailed(
            f"{self._path} cannot be written ({self._failed}): close the store and open it again, "
            "it has what was confirmed"
        )
        failure.__cause__ = self._failed
        return failure

    def _write(self, group: list[_Waiting]) -> None:
        if self._failed is not None:
            return
        try:
            records: list[bytes] = []
            for item in group:
                if item.next_file is None:
                    records.append(framed(pack(item.changes)))
                    continue
                self._flush(records)
                records = []
                self._handle.close()
                self._open(item.next_file, 0)
            self._flush(records)
        except OSError as exc:
            self._failed = exc
            try:
                self._handle.truncate(self._size)
            except (OSError, ValueError):
                # The end is torn then, and left out when the journal is read.
                return

    def _flush(self, records: list[bytes]) -> None:
        if records:
            data = b"".join(records)
            view = memoryview(data)
            while view:
                view = view[self._handle.write(view) :]
            os.fsync(self._handle.fileno())
            self._size += len(data)

    def _open(self, path: Path, good: int) -> None:
        self._path = path
        self._handle = path.open("ab", buffering=0)
        self._size = good
        self._handle.truncate(good)
        os.fsync(self._handle.fileno())
        sync_folder(path.parent)

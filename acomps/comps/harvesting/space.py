"""Free space on the disk, measured now and then, and promised to files before they are fetched."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.errors import NotWritten

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Space"]

#: After promising so much it is measured again: others write to the disk too.
_MEASURE_AGAIN_BYTES: Final = 256 * 1024 * 1024
#: So much of a file's name is in the name of its part.
_STEM: Final = 80
_STAT_BLOCK_BYTES: Final = 512


class Space:
    """What is free in a folder, less what is promised and not written yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = 0
        self._promised = 0

    async def promise(self, length: int, places: Iterable[Path]) -> None:
        """Set `length` bytes aside for files at `places`; NotWritten says how many are needed and how many are free."""
        if length > self._left:
            free = (await anyio.to_thread.run_sync(shutil.disk_usage, self._folder)).free
            left = free - self._promised
            if length > left and length - await anyio.to_thread.run_sync(_begun, places) > left:
                raise NotWritten(
                    f"{length:,} bytes are needed next in {self._folder}, and of the {free:,} that are free "
                    f"{self._promised:,} are promised to other files: make room, and harvest again for the rest"
                ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._left = max(length, min(left, _MEASURE_AGAIN_BYTES))
        self._left -= length
        self._promised += length

    def settle(self, length: int) -> None:
        """A promise is over: the bytes are written, or will never be."""
        self._promised -= length


def _begun(places: Iterable[Path]) -> int:
    """How many bytes of these files an interrupted fetch has left beside their places; they need no new room."""
    found = 0
    for place in places:
        for part in glob.glob(f"{glob.escape(str(place.parent / f'.{place.name[:_STEM]}'))}*.part"):
            with contextlib.suppress(OSError):
                # Parts have holes, so only their blocks count, where the system tells of them.
                found += getattr(os.stat(part), "st_blocks", 0) * _STAT_BLOCK_BYTES
    return found

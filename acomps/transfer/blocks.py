"""Bytes of one range on their way to the disk, gathered to blocks of about 1 MiB: one job in a thread for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio import to_thread

if TYPE_CHECKING:
    from acomps.transfer.partfile import PartFile

__all__ = ["BLOCK_BYTES", "Blocks"]

BLOCK_BYTES: Final = 1024 * 1024


class Blocks:
    """What arrives from byte `at` on; `at` moves with it."""

    def __init__(self, part: PartFile, at: int) -> None:
        self._part, self.at = part, at
        self._pieces: list[bytes] = []
        self._gathered = 0

    async def add(self, piece: bytes) -> None:
        """The next bytes."""
        self._pieces.append(piece)
        self._gathered += len(piece)
        self.at += len(piece)
        if self._gathered >= BLOCK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Write what has been gathered."""
        if self._gathered:
            pieces, first = self._pieces, self.at - self._gathered
            self._pieces, self._gathered = [], 0
            await to_thread.run_sync(self._part.write, first, pieces)

"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time
from typing import Final

__all__ = ["Ids"]

#: So many ids fit into one millisecond; what is more borrows from the next one.
PER_MILLISECOND: Final = 4096


class Ids:
    """Makes UUIDs (version 7): milliseconds, a counter, 62 random bits. Each is greater than all before it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def take(self, count: int) -> list[str]:
        """`count` new ids in ascending order."""
        now = time.time_ns() // 1_000_000 * PER_MILLISECOND
        with self._lock:
            first = max(now, self._last + 1)
            self._last = first + count - 1
        noise = os.urandom(8 * count)
        return [
            self._text(number, int.from_bytes(noise[at : at + 8], "big"))
            for number, at in zip(range(first, first + count), range(0, 8 * count, 8), strict=True)
        ]

    def one(self) -> str:
        """One new id."""
        return self.take(1)[0]

    @staticmethod
    def _text(number: int, noise: int) -> str:
        head = f"{number // PER_MILLISECOND:012x}"
        tail = f"{noise & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000:016x}"
        return f"{head[:8]}-{head[8:]}-7{number % PER_MILLISECOND:03x}-{tail[:4]}-{tail[4:]}"

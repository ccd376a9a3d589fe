"""How many requests of a save are on their way at once: more while the server keeps up, fewer when it does not."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from acomps.events import Event, Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["Pace"]

#: A request that takes this many times as long as the quickest one, and at least so many seconds, is slow.
_SLOW_TIMES: Final = 5.0
_SLOW_S: Final = 2.0


class Pace:
    """Slots for requests. `first` are open at the beginning; there are never more than `most`, nor less than one.

    Until the first trouble each good request opens one more, after it only a whole round of good ones does.
    """

    def __init__(self, first: int, most: int) -> None:
        self._limiter = anyio.CapacityLimiter(first)
        self._most = most
        self._good = 0
        self._trouble = False
        self._quickest_s = float("inf")

    @property
    def slots(self) -> int:
        """How many requests may be on their way now."""
        return int(self._limiter.total_tokens)

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for a slot and hold it for the length of one request."""
        async with self._limiter:
            started = time.monotonic()
            yield
            self._ended(time.monotonic() - started)

    def notice(self, event: Event) -> None:
        """A sink for the events of the requests: a repeat is a sign of trouble."""
        if isinstance(event, Retrying):
            self._slower()

    def _ended(self, took_s: float) -> None:
        self._quickest_s = min(self._quickest_s, took_s)
        if took_s > _SLOW_S and took_s > _SLOW_TIMES * self._quickest_s:
            self._slower()
            return
        self._good += 1
        needed = self.slots if self._trouble else 1
        if self._good >= needed and self.slots < self._most:
            self._good = 0
            self._limiter.total_tokens = self.slots + 1

    def _slower(self) -> None:
        self._good = 0
        self._trouble = True
        self._limiter.total_tokens = max(1, self.slots // 2)

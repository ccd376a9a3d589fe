"""When a watch looks again, and how it waits for a server that is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from acomps.errors import Refused, TransportError
from acomps.events import Waiting
from acomps.transport.retry import Replay, repeatable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from acomps.events import Sink
    from acomps.settings import WatchSettings
    from acomps.transport.clock import Clock

__all__ = ["Interval", "Patience"]

T = TypeVar("T")

#: How much longer the next wait is when nothing moved.
_SLOWER: Final = 1.5
#: A look that takes long is a load on the server: the wait is at least this many times as long.
_CALM: Final = 4.0


class Interval:
    """The time between looks: short at first and while things move, longer when nothing does; see WatchSettings."""

    def __init__(self, settings: WatchSettings) -> None:
        self._settings = settings
        self._wait_s = settings.first_s

    def next_s(self, *, moved: bool, elapsed_s: float, took_s: float) -> float:
        """How long to wait after a look that took `took_s`."""
        settings = self._settings
        least = min(settings.longest_s, max(settings.first_s, elapsed_s / settings.looks))
        self._wait_s = least if moved else min(settings.longest_s, max(least, self._wait_s * _SLOWER))
        return max(self._wait_s, min(settings.longest_s, _CALM * took_s))


class Patience:
    """Asks again while the server is away, as long as the settings allow; every wait is an event."""

    def __init__(self, settings: WatchSettings, clock: Clock, sink: Sink) -> None:
        self._settings, self._clock, self._sink = settings, clock, sink

    async def around(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` answers. An error that says something about the question, not about the way, is raised at once."""
        started = self._clock.monotonic()
        wait_s = self._settings.first_s
        while True:
            try:
                return await ask()
            except (TransportError, Refused) as error:
                lasted_s = self._clock.monotonic() - started
                if not repeatable(error, Replay.SAFE):
                    raise
                if lasted_s >= self._settings.outage_s:
                    error.args = (f"{error} (waited {lasted_s:.0f} s for the server: WatchSettings.outage_s)",)
                    raise
                asked_s = (error.retry_after_s or 0.0) if isinstance(error, Refused) else 0.0
                wait_s = min(max(wait_s, asked_s), self._settings.outage_s - lasted_s)
                self._sink(Waiting(lasted_s=lasted_s, wait_s=wait_s, reason=str(error)))
            await self._clock.sleep(wait_s)
            wait_s = min(2 * wait_s, self._settings.longest_s)

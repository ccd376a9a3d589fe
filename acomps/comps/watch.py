"""Following what runs: how far it is, and which simulations are at their end, from few small requests."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from acomps.comps.finished import Gatherer
from acomps.comps.progress import Progress, ProgressMaker, is_final, same
from acomps.comps.watched import Watching, settled
from acomps.errors import UsageError
from acomps.events import Sink, ignore
from acomps.transport.patience import Interval, Patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from acomps.comps.progress import Counts
    from acomps.comps.resource import Resource
    from acomps.comps.watched import Watchable, Watched
    from acomps.entities import Simulation, WorkItem
    from acomps.query import Query
    from acomps.settings import Settings
    from acomps.transport import Channel, Clock

__all__ = ["Watch"]


class Watch:
    """The watches of one session."""

    def __init__(
        self,
        channel: Channel,
        settings: Settings,
        simulations: Resource[Simulation],
        work_items: Resource[WorkItem],
        clock: Clock | None = None,
    ) -> None:
        self._simulations = simulations
        self._watching = Watching(channel, settings, simulations, work_items)
        self._clock = clock or channel.clock
        self._page_size = settings.page_size
        self._settings = settings.watch

    async def progress(
        self, source: Watchable, *, errors: bool = False, on_progress: Sink = ignore
    ) -> AsyncIterator[Progress]:
        """How far `source` is; see `Session.watch`."""
        maker = ProgressMaker(self._clock.monotonic())
        failures = self._settings.failures_at_most if errors else 0
        looks = await self._looks(source, on_progress, failures)
        shown: Progress | None = None
        due = 0.0
        while True:
            counts, now = await looks.next(), self._clock.monotonic()
            progress = maker.at(counts, looks.watched.failures, now=now, wall=self._clock.wall())
            over = progress.final and not looks.watched.missing(failures)
            if over or now >= due or not same(shown, progress):
                shown, due = progress, now + self._settings.heartbeat_s
                yield progress
            if over:
                return

    async def last(self, source: Watchable, *, errors: bool = False, on_progress: Sink = ignore) -> Progress:
        """The progress when all is at its end; see `Session.wait`."""
        last = [progress async for progress in self.progress(source, errors=errors, on_progress=on_progress)][-1:]
        return last[0]

    async def finished(
        self, source: Watchable, query: Query | None = None, *, on_progress: Sink = ignore
    ) -> AsyncIterator[Simulation]:
        """Simulations as they come to an end; see `Session.finished`."""
        gatherer = Gatherer(self._simulations, self._page_size, source, query)
        looks = await self._looks(source, on_progress)
        while True:
            counts = await looks.next()
            for part in looks.watched.parts or ():
                while gatherer.wants(part):
                    for simulation in await looks.patience.around(partial(gatherer.page, part)):
                        yield simulation
            if is_final(counts):
                return

    async def _looks(self, source: Watchable, sink: Sink, failures: int = 0) -> _Looks:
        patience = Patience(self._settings, self._clock, sink)
        watched = await patience.around(partial(self._watching.watched, settled(source)))
        return _Looks(watched, patience, Interval(self._settings), self._clock, failures)


class _Looks:
    """Polls with the time between them that there has to be."""

    def __init__(self, watched: Watched, patience: Patience, interval: Interval, clock: Clock, failures: int) -> None:
        self.watched, self.patience = watched, patience
        self._interval, self._clock, self._failures = interval, clock, failures
        self._started = clock.monotonic()
        self._wait_s = 0.0
        self._before: tuple[Counts | None, int] | None = None

    async def next(self) -> Counts:
        """What all things together look like, from as many polls as it takes to see all of them once."""
        while True:
            if self._wait_s:
                await self._clock.sleep(self._wait_s)
            took_s = await self.patience.around(self._poll)
            now, counts = self._clock.monotonic(), self.watched.counts
            before, self._before = self._before, (counts, len(self.watched.failures))
            self._wait_s = self._interval.next_s(
                moved=counts is None or self._before != before, elapsed_s=now - self._started, took_s=took_s
            )
            if counts is None:
                continue
            if (before is None or before[0] is None) and not sum(counts.values()):
                raise UsageError("there are no simulations to watch: save them first, then watch")
            return counts

    async def _poll(self) -> float:
        """One poll; returns how long it took, without the waits for a server that was away."""
        began = self._clock.monotonic()
        await self.watched.poll(self._failures)
        return self._clock.monotonic() - began

"""How far a count is, with its rate and the time left: a bar on a terminal, a line every 30 s elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from acomps.cli.progress import PLAIN_EVERY_S, duration
from acomps.cli.values import size
from acomps.events import Downloaded, Harvesting, Listed, Saved, Uploaded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from acomps.cli.output import Out
    from acomps.events import Event

__all__ = ["Count", "Meter", "metering"]

#: The unit of counts of bytes, which are written in KiB, MiB and so on.
BYTES: Final = "bytes"
#: Before so much time a rate is a guess.
_GUESS_S: Final = 1.0


class Face(Protocol):
    """Where a count is shown."""

    def __call__(self, done: float, words: str) -> None: ...


class Count:
    """A count in words: how many of how many, how fast, how long still."""

    def __init__(self, unit: str, total: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.unit, self.total, self.done = unit, total, 0.0
        self._clock, self._began = clock, clock()

    def words(self) -> str:
        """The count as it is now."""
        bytes_ = self.unit == BYTES
        done = size(self.done) if bytes_ else f"{self.done:,.0f}"
        whole = "" if self.total is None else f" of {size(self.total) if bytes_ else f'{self.total:,.0f}'}"
        passed = self._clock() - self._began
        if passed < _GUESS_S or self.done <= 0:
            return f"{done}{whole}{'' if bytes_ else f' {self.unit}'}"
        rate = self.done / passed
        pace = f"{size(rate)}/s" if bytes_ else f"{rate:,.1f}/s"
        left = (
            "" if not self.total or self.done >= self.total else f", {duration((self.total - self.done) / rate)} left"
        )
        return f"{done}{whole}{'' if bytes_ else f' {self.unit}'}, {pace}{left}"


class Meter:
    """A count that is shown as it grows. Its `sink` understands the events of saves, uploads and harvests."""

    def __init__(self, count: Count, show: Face) -> None:
        self._count, self._show = count, show

    def advance(self, by: float = 1) -> None:
        """So many more are done; negative when some do not count any more."""
        self._count.done += by
        self._show(self._count.done, self._count.words())

    def sink(self, event: Event) -> None:
        """Count what an event tells, if it is in the unit of the count."""
        if self._count.unit == BYTES:
            if isinstance(event, Uploaded | Downloaded):
                self.advance(event.bytes)
        elif isinstance(event, Saved | Listed):
            self.advance(event.entities)
        elif isinstance(event, Harvesting):
            self.advance(event.files + event.skipped + event.errors - self._count.done)


@contextmanager
def metering(
    out: Out, what: str, unit: str, total: float | None = None, clock: Callable[[], float] = time.monotonic
) -> Generator[Meter]:
    """A meter for a count of `unit` ("bytes" are written as such) that goes to `total`, if that is known."""
    count = Count(unit, total, clock)
    if not out.lively:
        last = clock()

        def line(done: float, words: str) -> None:
            nonlocal last
            if clock() - last >= PLAIN_EVERY_S:
                last = clock()
                out.note(f"{what}: {words}")

        yield Meter(count, line)
        return
    with Progress(
        SpinnerColumn(), TextColumn(what), BarColumn(30), TextColumn("{task.fields[words]}"), console=out.console
    ) as bar:
        task: TaskID = bar.add_task("", total=total, words="")
        yield Meter(count, lambda done, words: bar.update(task, completed=done, words=words))

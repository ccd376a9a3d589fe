"""How far simulations are: a live line on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from acomps.comps import Counts
from acomps.entities import SimulationState

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from acomps.cli.output import Out
    from acomps.comps import Progress as Seen
    from acomps.comps import State

__all__ = ["Counts", "PlainLines", "ahead", "duration", "following"]


class Show(Protocol):
    """Is told the counts per state, and in words what is ahead, as often as they are known."""

    def __call__(self, counts: Counts, ahead: str = "") -> None: ...


#: Without a terminal there is a line when so much more of the whole is done, ...
PLAIN_SHARE: Final = 0.25
#: ... and at the latest after this time.
PLAIN_EVERY_S: Final = 30.0

STYLES: Final[Mapping[State, str]] = {
    SimulationState.RUNNING: "cyan",
    SimulationState.SUCCEEDED: "green",
    SimulationState.FAILED: "bold red",
    SimulationState.CANCELED: "yellow",
    SimulationState.CANCEL_REQUESTED: "yellow",
}


@contextmanager
def following(out: Out, total: int) -> Generator[Show]:
    """A function that is told the counts per state, as often as they are known."""
    if not out.lively:
        yield PlainLines(out.note, total).show
        return
    columns = (
        SpinnerColumn(),
        BarColumn(30, complete_style="cyan", finished_style="green"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[states]}"),
        TextColumn("[dim]{task.fields[ahead]}"),
    )
    with Progress(*columns, console=out.console) as bar:
        task = bar.add_task("", total=total, states="", ahead="")

        def show(counts: Counts, ahead: str = "") -> None:
            bar.update(task, completed=finished(counts), states=coloured(counts), ahead=ahead)

        yield show


class PlainLines:
    """Lines for a log: the first counts, every quarter of the whole, the last; and a sign of life in between."""

    def __init__(self, write: Callable[[str], None], total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._total = total
        self._clock = clock
        self._next_done = 0.0
        self._next_time = clock()
        self._last = ""

    def show(self, counts: Counts, ahead: str = "") -> None:
        """Write a line if there is something to say."""
        done, now = finished(counts), self._clock()
        if done < self._next_done and now < self._next_time:
            return
        line = f"{done} of {self._total} done: {described(counts)}"
        if line != self._last:
            self._write(f"{line} ({ahead})" if ahead else line)
            self._last = line
        step = self._total * PLAIN_SHARE
        self._next_done = (done // step + 1) * step if done < self._total else float("inf")
        self._next_time = now + PLAIN_EVERY_S


def ahead(progress: Seen) -> str:
    """How fast it goes and how long it will take, as far as that is known."""
    if progress.final or not progress.rate_per_s:
        return ""
    rate = f"{progress.rate_per_s:.1f}/s" if progress.rate_per_s >= 1 else f"{progress.rate_per_s * 60:.1f}/min"
    end = progress.estimated_end
    return rate if end is None else f"{rate}, {duration((end - datetime.now(UTC)).total_seconds())} left"


def duration(seconds: float) -> str:
    """A time for people, in its two largest units."""
    left = max(0, round(seconds))
    hours, minutes = divmod(left // 60, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left % 60} s" if minutes else f"{left} s"


def finished(counts: Counts) -> int:
    """How many will not change any more."""
    return sum(count for state, count in counts.items() if state.final)


def described(counts: Counts) -> str:
    """The counts in words, in the order of a simulation's life."""
    return ", ".join(f"{count} {state}" for state, count in in_order(counts))


def coloured(counts: Counts) -> str:
    """The counts in words, in rich's markup."""
    return ", ".join(
        f"[{STYLES.get(state, 'dim')}]{count} {escape(str(state))}[/]" for state, count in in_order(counts)
    )


def in_order(counts: Counts) -> list[tuple[State, int]]:
    """The states that occur, in the order of a simulation's life."""
    return sorted(((state, count) for state, count in counts.items() if count), key=lambda item: item[0].code)

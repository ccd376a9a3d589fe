"""How far simulations are: a live line on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from acomps.comps import Counts
from acomps.entities import SimulationState

if TYPE_CHECKING:
    from acomps.cli.output import Out
    from acomps.comps import State

__all__ = ["Counts", "PlainLines", "following"]

Show: TypeAlias = Callable[[Counts], None]

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
    )
    with Progress(*columns, console=out.console) as bar:
        task = bar.add_task("", total=total, states="")
        yield lambda counts: bar.update(task, completed=finished(counts), states=coloured(counts))


class PlainLines:
    """Lines for a log: the first counts, every quarter of the whole, the last; and a sign of life in between."""

    def __init__(self, write: Callable[[str], None], total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._total = total
        self._clock = clock
        self._next_done = 0.0
        self._next_time = clock()
        self._last = ""

    def show(self, counts: Counts) -> None:
        """Write a line if there is something to say."""
        done, now = finished(counts), self._clock()
        if done < self._next_done and now < self._next_time:
            return
        line = f"{done} of {self._total} done: {described(counts)}"
        if line != self._last:
            self._write(line)
            self._last = line
        step = self._total * PLAIN_SHARE
        self._next_done = (done // step + 1) * step if done < self._total else float("inf")
        self._next_time = now + PLAIN_EVERY_S


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

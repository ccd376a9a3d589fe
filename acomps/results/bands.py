"""Runs grouped by a tag: their values, the median and the quartiles of channels at every time step."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from acomps.entities import TagValue
    from acomps.results.insetchart import InsetChart
    from acomps.results.outcome import Outcome

__all__ = ["Band", "Bands", "banded", "banded_each"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The runs of one group; `value` is the group's tag as a number, where it is one.

    `table` has a row per run, which ends in NaN where a run ended early.
    """

    label: str
    value: float | None
    table: NDArray[np.float64]
    lower: NDArray[np.float64]
    median: NDArray[np.float64]
    upper: NDArray[np.float64]

    @property
    def runs(self) -> int:
        """How many runs are in the group."""
        return len(self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """All groups of a channel on one time axis: sorted if their tags are numbers, else in the order of appearance."""

    channel: str
    units: str
    start_days: float
    step_days: float
    bands: tuple[Band, ...]

    def days(self, band: Band) -> NDArray[np.float64]:
        """The days of a band's values."""
        return np.linspace(
            self.start_days, self.start_days + self.step_days * len(band.median), len(band.median), endpoint=False
        )

    @property
    def numbers(self) -> tuple[float, ...]:
        """The groups' tags as numbers; empty when one of them is no number."""
        numbers = tuple(band.value for band in self.bands if band.value is not None)
        return numbers if len(numbers) == len(self.bands) else ()


def banded(outcomes: Iterable[Outcome], *, channel: str, by: str | None) -> Bands:
    """The bands of `channel`, one for each value of the tag `by`. Only this channel is kept of each outcome."""
    return banded_each(outcomes, channels=[channel], by=by)[0]


def banded_each(outcomes: Iterable[Outcome], *, channels: Sequence[str] | None, by: str | None) -> list[Bands]:
    """The bands of several channels, in one pass; of all that the first chart has for None.

    Without `by` all runs are one group.
    """
    axis: tuple[float, float] | None = None
    units: dict[str, str] = {}
    groups: dict[str | float, list[tuple[tuple[float, ...], ...]]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.chart is None:
            continue
        if by is not None and by not in outcome.simulation.tags:
            raise UsageError(f"{outcome.simulation.described} has no tag {by!r} to group by")
        if axis is None:
            channels = [*outcome.chart.channels] if channels is None else channels
            units = {name: outcome.chart[name].units for name in channels}
        axis = _same_axis(axis, outcome.chart)
        key = "" if by is None else _key(outcome.simulation.tags[by])
        run = tuple(outcome.chart[name].data for name in units)
        if any(run):
            groups[key].append(run)
    if axis is None or not groups:
        raise UsageError(
            f"there is nothing to draw: no outcome has a chart with {', '.join(map(repr, channels or ['a channel']))}"
        )
    numbers = sorted(key for key in groups if isinstance(key, float))
    keys = numbers if len(numbers) == len(groups) else list(groups)
    return [
        Bands(
            channel=name,
            units=units[name],
            start_days=axis[0],
            step_days=axis[1],
            bands=tuple(_band(key, [run[place] for run in groups[key]]) for key in keys),
        )
        for place, name in enumerate(units)
    ]


def _key(tag: TagValue) -> str | float:
    """A tag as a number if it is one, for servers give all tags back as texts: "0.30" and 0.3 are one group."""
    try:
        number = float(tag) if isinstance(tag, str | int | float) and not isinstance(tag, bool) else math.nan
    except ValueError:
        return str(tag)
    return number if math.isfinite(number) else str(tag)


def _same_axis(axis: tuple[float, float] | None, chart: InsetChart) -> tuple[float, float]:
    here = (chart.start_days, chart.step_days)
    if axis is not None and here != axis:
        raise UsageError(
            f"{chart.source} starts at day {here[0]:g} in steps of {here[1]:g} days, others at day {axis[0]:g} in "
            f"steps of {axis[1]:g}: draw them apart"
        )
    return here


def _band(key: str | float, runs: Sequence[tuple[float, ...]]) -> Band:
    """Runs that ended early count for as long as they went."""
    table = np.full((len(runs), max(map(len, runs))), np.nan)
    for row, data in zip(table, runs, strict=True):
        row[: len(data)] = data
    lower, median, upper = np.nanquantile(table, (0.25, 0.5, 0.75), axis=0)
    return Band(
        label=key if isinstance(key, str) else f"{key:g}",
        value=None if isinstance(key, str) else key,
        table=table,
        lower=lower,
        median=median,
        upper=upper,
    )

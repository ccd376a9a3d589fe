"""Points that are no product of values: side by side, from a table, or spread by a latin hypercube."""

from __future__ import annotations

import csv
import importlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast

import orjson

from acomps.errors import ContentError, ExtraMissing, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from acomps.sweep.values import JsonValue

__all__ = ["Crossed", "Range", "Row", "latin_hypercube", "side_by_side", "table"]

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a parameter may be: from `low` to `high`, evenly or by its logarithm, perhaps only whole numbers."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    whole: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UsageError(f"a range goes from a low to a higher number, not from {self.low} to {self.high}")
        if self.scale not in {"linear", "log"}:
            raise UsageError(f"the scale of a range is 'linear' or 'log', not {self.scale!r}")
        if self.scale == "log" and self.low <= 0:
            raise UsageError(f"a range with a logarithmic scale begins above 0, not at {self.low}")

    def at(self, share: float) -> float | int:
        """The value at a share of the range, from 0 to below 1."""
        if self.scale == "log":
            value = self.low * math.pow(self.high / self.low, share)
        elif self.whole:
            # Both ends are as likely as the numbers between them.
            value = math.floor(self.low + share * (self.high - self.low + 1))
        else:
            value = self.low + share * (self.high - self.low)
        return min(round(value), math.floor(self.high)) if self.whole else value


class Crossed(Iterable[Row]):
    """Every row with every combination of further values; made when asked for, so it takes no memory."""

    def __init__(self, rows: Sequence[Row], axes: Mapping[str, Sequence[object]]) -> None:
        for name, values in axes.items():
            if not values:
                raise UsageError(f"{name!r} has no values, which makes a sweep of no simulations")
        self._rows, self._axes = rows, axes

    def __len__(self) -> int:
        return len(self._rows) * math.prod(map(len, self._axes.values()))

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            for values in itertools.product(*self._axes.values()):
                yield {**row, **dict(zip(self._axes, values, strict=True))}


def side_by_side(parameters: Mapping[str, Sequence[object]]) -> list[Row]:
    """The first values of all parameters, the second ones, and so on; all have as many."""
    lengths = {name: len(values) for name, values in parameters.items()}
    if len(set(lengths.values())) != 1:
        counts = ", ".join(f"{name} {length}" for name, length in lengths.items()) or "none"
        raise UsageError(f"values side by side must be as many for each parameter: {counts}")
    return [dict(zip(parameters, values, strict=True)) for values in zip(*parameters.values(), strict=True)]


def table(path: Path) -> list[Row]:
    """The rows of a CSV file with a header; cells are numbers, true, false or JSON where they read so, else texts.

    An empty cell leaves the parameter as it is in the base configuration.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [_row(path, reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ContentError(f"the table {path} cannot be read: {error}") from error
    if not rows:
        raise UsageError(f"the table {path} has no rows below its header")
    return rows


def latin_hypercube(ranges: Mapping[str, Range], *, samples: int, seed: int) -> list[Row]:
    """`samples` points that cover every range evenly, the same for the same seed. Needs the extra "sampling"."""
    if not ranges or samples < 1:
        raise UsageError("a latin hypercube needs at least one parameter and one sample")
    try:
        module = importlib.import_module("scipy.stats.qmc")
    except ImportError as error:
        raise ExtraMissing("a latin hypercube", "sampling") from error
    shares = cast("_Sampling", module).LatinHypercube(d=len(ranges), rng=seed).random(samples).tolist()
    return [
        {name: wanted.at(share) for (name, wanted), share in zip(ranges.items(), point, strict=True)}
        for point in shares
    ]


class _Array(Protocol):
    def tolist(self) -> list[list[float]]: ...


class _Sampler(Protocol):
    def random(self, n: int) -> _Array: ...


class _Sampling(Protocol):
    """What is used of scipy, which has no types."""

    def LatinHypercube(self, d: int, *, rng: int) -> _Sampler: ...


def _row(path: Path, line: int, cells: Mapping[str | None, str | list[str] | None]) -> Row:
    if None in cells or None in cells.values():
        raise UsageError(f"line {line} of {path} has another number of cells than the header")
    return {str(name): _value(str(text)) for name, text in cells.items() if text}


def _value(text: str) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value

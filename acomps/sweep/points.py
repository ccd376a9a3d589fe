"""The points of a sweep: all combinations of values, or given rows; walked through one by one, never collected."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Protocol, TypeAlias

from acomps.errors import UsageError

__all__ = ["Names", "Point", "Points", "points_of"]

Names: TypeAlias = tuple[str, ...]
Point: TypeAlias = tuple[Names, Sequence[object]]


class Points(Protocol):
    """The parameter points of a sweep."""

    def walk(self) -> Iterator[Point]:
        """All points, in order, made one by one."""
        ...

    def count(self) -> int:
        """How many there are; TypeError where that is not known."""
        ...

    def known_names(self) -> Iterable[Names]:
        """The sets of parameters that can be looked at without using anything up."""
        ...

    def known_values(self) -> Iterable[tuple[str, object]]:
        """The values that can be looked at without using anything up."""
        ...


def points_of(parameters: Mapping[str, Iterable[object]] | None, rows: Iterable[Mapping[str, object]] | None) -> Points:
    if parameters is not None and rows is None:
        return Product(parameters)
    if rows is not None and parameters is None:
        return Rows(rows)
    raise UsageError("a sweep needs either parameters (name -> values) or rows (mappings), and not both")


class Product:
    """All combinations of values."""

    def __init__(self, parameters: Mapping[str, Iterable[object]]) -> None:
        for name, values in parameters.items():
            _check_values(name, values)
        self._names: Names = tuple(parameters)
        self._axes = tuple(parameters.values())

    def walk(self) -> Iterator[Point]:
        return ((self._names, values) for values in _combinations(self._axes))

    def count(self) -> int:
        return math.prod(len(axis) if isinstance(axis, Sized) else _unsized() for axis in self._axes)

    def known_names(self) -> Iterable[Names]:
        return (self._names,)

    def known_values(self) -> Iterable[tuple[str, object]]:
        for name, axis in zip(self._names, self._axes, strict=True):
            if isinstance(axis, Sized) and not isinstance(axis, range):
                yield from ((name, value) for value in axis)


class Rows:
    """Points given one by one; a row that leaves a parameter out keeps the base's value."""

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        self._rows = rows
        self._spent = False

    def walk(self) -> Iterator[Point]:
        if self._spent:
            raise UsageError("the rows were an iterator and are used up: give a list, or make the sweep again")
        self._spent = isinstance(self._rows, Iterator)
        return ((tuple(row), tuple(row.values())) for row in self._rows)

    def count(self) -> int:
        return len(self._rows) if isinstance(self._rows, Sized) else _unsized()

    def known_names(self) -> Iterable[Names]:
        return {tuple(row) for row in self._rows} if isinstance(self._rows, Sized) else ()

    def known_values(self) -> Iterable[tuple[str, object]]:
        return (item for row in self._rows for item in row.items()) if isinstance(self._rows, Sized) else ()


def _combinations(axes: Sequence[Iterable[object]]) -> Iterator[tuple[object, ...]]:
    """The product of the axes; unlike `itertools.product` it does not copy them first."""
    if not axes:
        yield ()
        return
    *outer, last = axes
    for head in _combinations(outer):
        for value in last:
            yield (*head, value)


def _check_values(name: str, values: object) -> None:
    """Refuse what would silently be another sweep than the one that was meant."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise UsageError(f"the values of {name!r} are {values!r}; give a list, even of one value")
    if isinstance(values, Iterator):
        raise UsageError(f"the values of {name!r} can be walked through only once: give list(...) of them")
    if isinstance(values, set | frozenset):
        raise UsageError(f"the values of {name!r} have no order: give sorted(...) of them")
    if isinstance(values, Sized) and len(values) == 0:
        raise UsageError(f"{name!r} has no values, which makes a sweep of no simulations")


def _unsized() -> int:
    raise TypeError("the length of this sweep is not known before it is walked through")

"""The tags of simulations as columns: numbers where all values read as numbers, else texts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from acomps.errors import UsageError

if TYPE_CHECKING:
    from acomps.entities import Simulation, TagValue

__all__ = ["TagColumns", "TagTypes", "TagsWanted", "own_tag"]

#: The tags to have; a mapping says of what type they are, too.
TagsWanted: TypeAlias = "Collection[str] | TagTypes | None"
TagTypes: TypeAlias = Mapping[str, type[str] | type[float] | type[int]]

_NO_TYPES: Final[TagTypes] = {}
#: Tags that acomps itself puts on simulations begin with this; they say nothing about the model.
_OWN: Final = "acomps_"
#: Whole numbers from here on are not exact as floating-point numbers: they stay texts, unless told otherwise.
_EXACT: Final = 2**53


def own_tag(name: str) -> bool:
    """Whether acomps itself has put the tag on."""
    return name.startswith(_OWN)


@dataclass(frozen=True, slots=True)
class TagColumns:
    """Names and types of the tags to have. With `closed`, a simulation with a tag of another name is an error."""

    types: TagTypes
    closed: bool

    @classmethod
    def of(cls, simulations: Iterable[Simulation], wanted: TagsWanted, *, whole: bool) -> TagColumns:
        """The columns that fit these simulations; with `whole`, numbers that are all whole numbers stay so."""
        simulations = [*simulations]
        if wanted is None:
            names = dict.fromkeys(name for item in simulations for name in item.tags if not own_tag(name))
        else:
            names = dict.fromkeys(wanted)
        given: TagTypes = cast("TagTypes", wanted) if isinstance(wanted, Mapping) else _NO_TYPES
        return cls(
            {
                name: given.get(name) or _type([item.tags.get(name) for item in simulations], whole=whole)
                for name in names
            },
            closed=wanted is None,
        )

    def values(self, simulation: Simulation) -> dict[str, str | float | int | None]:
        """The tags of a simulation, by name and of their types."""
        if self.closed:
            for name in simulation.tags:
                if name not in self.types and not own_tag(name):
                    raise UsageError(
                        f"{simulation.described} has a tag {name!r} that the simulations before it had not: "
                        "say with tags=[...] which tags become columns"
                    )
        return {
            name: None if simulation.tags.get(name) is None else self._value(simulation, name, kind)
            for name, kind in self.types.items()
        }

    def _value(self, simulation: Simulation, name: str, kind: type[str] | type[float] | type[int]) -> str | float | int:
        value = simulation.tags[name]
        if kind is str:
            return _text(value)
        number = _number(value)
        if number is None or (kind is int and not number.is_integer()):
            raise UsageError(
                f"the tag {name!r} of {simulation.described} is {value!r}, which is no "
                f"{'whole number' if kind is int else 'number'} as those before it: "
                f"say of what type it is, as in tags={{{name!r}: str}}"
            )
        return int(str(value)) if kind is int and _is_whole(value) else kind(number)


def _type(values: Collection[TagValue], *, whole: bool) -> type[str] | type[float] | type[int]:
    given = [value for value in values if value is not None]
    numbers = [_number(value) for value in given]
    if not given or any(number is None or abs(number) >= _EXACT for number in numbers):
        return str
    return int if whole and all(map(_is_whole, given)) else float


def _text(value: TagValue) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: TagValue) -> float | None:
    """A tag as a number, if it is one: servers give all tags back as texts."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_whole(value: TagValue) -> bool:
    return str(value).strip().removeprefix("-").isdecimal()

"""JSON objects read key by key: keys that are missing, new or of another type break nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

from acomps.errors import MalformedAnswer
from acomps.wire.dates import parse_time

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["NOTHING", "Fields", "JsonObject", "is_list", "is_object", "is_sequence"]

#: A JSON object whose values nobody has looked at yet.
JsonObject: TypeAlias = Mapping[str, object]


class Values(Mapping[str, object]):
    """A JSON object that does not change, and can be pickled."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, object]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> object:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[Values], tuple[dict[str, object]]]:
        return Values, (self._items,)


NOTHING: Final[JsonObject] = Values({})


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Whether a decoded JSON value is an object."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether a decoded JSON value is an array."""
    return isinstance(value, list)


def is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    """Whether a value is a list or a tuple."""
    return isinstance(value, list | tuple)


class Fields:
    """One JSON object, named in errors as `what`."""

    __slots__ = ("_what", "values")

    def __init__(self, value: object, what: str) -> None:
        if not is_object(value):
            raise MalformedAnswer(f"{what}: the server sent {type(value).__name__} where an object belongs")
        self.values, self._what = value, what

    def required(self, key: str) -> str:
        """A text or number that must be there, as text. Raises MalformedAnswer."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise MalformedAnswer(f"{self._what}: the server sent no {key!r}")
        return str(value)

    def text(self, key: str, default: str = "") -> str:
        """A text; numbers are taken as texts."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return default
        return str(value)

    def optional(self, key: str) -> str | None:
        """A text, or None."""
        return self.text(key) or None

    def whole(self, key: str) -> int | None:
        """An integer, also one that is written as a text."""
        value = self.values.get(key)
        if isinstance(value, bool):
            return None
        if isinstance(value, str):
            value = int(value) if value.removeprefix("-").isdecimal() else None
        return int(value) if isinstance(value, int | float) else None

    def number(self, key: str) -> float | None:
        """A number, also one that is written as a text."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            return float(value)
        except ValueError:
            return None

    def flag(self, key: str) -> bool:
        """Whether a key is there and true."""
        return self.values.get(key) is True

    def time(self, key: str) -> datetime | None:
        """A time in UTC, or None."""
        value = self.values.get(key)
        return parse_time(value) if isinstance(value, str) and value else None

    def inner(self, key: str) -> JsonObject:
        """An object; an empty one for anything else."""
        value = self.values.get(key)
        return Values(value) if is_object(value) else NOTHING

    def items(self, key: str) -> Iterator[object]:
        """The elements of an array; none for anything else."""
        value = self.values.get(key)
        return iter(value if is_list(value) else ())

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of an array."""
        return tuple(item for item in self.items(key) if isinstance(item, str))

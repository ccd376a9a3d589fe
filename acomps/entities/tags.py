"""Tags: small immutable mappings from text to a scalar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Self, TypeAlias

from acomps.errors import UsageError

__all__ = ["NO_TAGS", "TagValue", "Tags"]

#: What a client may send; the server keeps text and always answers with text.
TagValue: TypeAlias = str | int | float | bool | None


class Tags(Mapping[str, TagValue]):
    """An immutable, hashable mapping; `tags | {"a": 1}` makes a new one."""

    __slots__ = ("_items",)

    _items: dict[str, TagValue]

    def __init__(self, items: Mapping[str, TagValue] | None = None) -> None:
        checked = dict(items or {})
        for key, value in checked.items():
            _check(key, value)
        self._items = checked

    @classmethod
    def trusted(cls, items: dict[str, TagValue]) -> Self:
        """Tags around a dictionary that is known to be good and is given away by the caller."""
        tags = object.__new__(cls)
        tags._items = items
        return tags

    def __getitem__(self, key: str) -> TagValue:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __or__(self, other: Mapping[str, TagValue]) -> Tags:
        return Tags({**self._items, **other})

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[Tags], tuple[dict[str, TagValue]]]:
        return Tags, (self._items,)


def _check(key: object, value: object) -> None:
    if not isinstance(key, str) or not key:
        raise UsageError(f"a tag's name must be a non-empty text, not {key!r}")
    if value is not None and not isinstance(value, str | int | float | bool):
        raise UsageError(
            f"tag {key!r} has a value of type {type(value).__name__}; "
            "a tag holds a text, a number, a boolean or None: convert it first"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"tag {key!r} is {value!r}, which JSON cannot hold: send it as a text")


NO_TAGS = Tags()

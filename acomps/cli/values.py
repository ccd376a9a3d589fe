"""Values as people and programs read them: in a cell of a table, and as JSON."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Json", "in_cell", "in_json", "size"]

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

#: What a record keeps for itself.
_INNER: Final = frozenset({"origin", "content"})
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")


def in_cell(value: object) -> str:
    """A value in a table; times are in UTC."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return ", ".join(f"{name}={in_cell(inner)}" for name, inner in items)
    if isinstance(value, list | tuple):
        return ", ".join(in_cell(item) for item in cast("list[object]", value))
    return str(value)


def in_json(value: object) -> Json:
    """A value as JSON has it; of a record, what it does not hold is left out."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        return {str(name): in_json(inner) for name, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [in_json(item) for item in cast("list[object]", value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    return str(value)


def size(count: float) -> str:
    """A number of bytes for people."""
    if abs(count) < 1024:
        return f"{count:.0f} bytes"
    for unit in _UNITS:
        count /= 1024
        if abs(count) < 1024 or unit == _UNITS[-1]:
            return f"{count:.1f} {unit}"
    return f"{count:.0f} bytes"


def _record(record: DataclassInstance) -> dict[str, Json]:
    held = {item.name: cast("object", getattr(record, item.name)) for item in dataclasses.fields(record)}
    return {
        name: in_json(value)
        for name, value in held.items()
        if name not in _INNER and value is not None and value != () and value != {}
    }

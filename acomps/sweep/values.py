"""One value of a parameter: as JSON and as a tag."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import orjson

from acomps.errors import UsageError

if TYPE_CHECKING:
    from acomps.entities import TagValue

__all__ = ["Cell", "JsonValue", "cell", "require_finite"]

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


class Cell(NamedTuple):
    """One value of one point: as JSON for the configuration, and as a tag."""

    json: bytes
    tag: TagValue


def cell(name: str, value: object) -> Cell:
    """A scalar is its own tag, a numpy scalar becomes Python's; the tag of anything else is its JSON."""
    try:
        encoded = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise UsageError(f"{name!r} cannot be {value!r}: {error}") from error
    if value is None or type(value) is str or type(value) is int or type(value) is bool:
        return Cell(encoded, value)
    if type(value) is float and math.isfinite(value):
        return Cell(encoded, value)
    require_finite(f"{name!r} = {value!r}", value)
    plain: JsonValue = orjson.loads(encoded)
    return Cell(encoded, encoded.decode() if isinstance(plain, list | dict) else plain)


def require_finite(what: str, value: object) -> None:
    """Refuse a NaN or infinity, also deep inside: orjson would silently write null."""
    try:
        json.dumps(value, allow_nan=False, default=_plain)
    except ValueError as error:
        raise UsageError(f"{what} has a NaN or an infinity in it, which JSON cannot hold") from error


def _plain(leaf: object) -> JsonValue:
    """What orjson makes of a value that the standard library does not know, such as a numpy array."""
    encoded = orjson.dumps(leaf, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in encoded:
        raise ValueError("a NaN became null")
    plain: JsonValue = orjson.loads(encoded)
    return plain

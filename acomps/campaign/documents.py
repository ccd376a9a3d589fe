"""Documents that the store keeps as they are: JSON texts, which nobody can change by changing what was read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

import orjson

from acomps.campaign.errors import StoreDamaged
from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["as_dict", "as_int", "as_list", "dump", "dump_other", "load", "load_dict", "load_foreign"]

#: What may be an integer over 64 bits, which orjson would make a float.
_LONG: Final = re.compile(rb"[0-9]{19}")
_STRICT: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def dump(thing: object, what: str, other: Callable[[object], object] | None = None) -> bytes:
    """The JSON text of `thing`, with NaN, infinities and integers of any size; UsageError when it has none.

    Keys that are not texts become texts and tuples become lists, as in every JSON file; `other` says what stands for
    what JSON does not know.
    """
    try:
        text = orjson.dumps(thing, other, _STRICT)
        if b"null" not in text:
            return text
        # A null may be a NaN.
        return json.dumps(thing, separators=(",", ":"), default=other).encode()
    except TypeError:
        return dump_other(thing, what, other)


def dump_other(thing: object, what: str, other: Callable[[object], object] | None = None) -> bytes:
    """The JSON text of what may be no JSON for orjson: marked by a space if it is not to be read by it either."""
    try:
        text = json.dumps(thing, separators=(",", ":"), default=other).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise UsageError(f"{what} cannot be stored as JSON: {exc}") from exc
    return b" " + text if _LONG.search(text) else text


def load(text: bytes) -> object:
    """The thing behind a text of `dump`, made anew each time."""
    if text[:1] != b" ":
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            # NaN, infinities and lone surrogates are no JSON for orjson.
            pass
    return json.loads(text)


def load_foreign(text: bytes) -> object:
    """The thing behind a JSON text that anybody may have written."""
    return json.loads(text) if _LONG.search(text) else load(text)


def load_dict(text: bytes) -> dict[str, object]:
    """The object behind a JSON text."""
    return as_dict(load(text), "a document")


def as_dict(thing: object, what: str) -> dict[str, object]:
    """`thing`, which must be an object of JSON."""
    if not isinstance(thing, dict):
        raise StoreDamaged(f"{what} is no JSON object: {str(thing)[:80]}")
    return cast("dict[str, object]", thing)


def as_list(thing: object, what: str) -> list[object]:
    """`thing`, which must be a list of JSON."""
    if not isinstance(thing, list):
        raise StoreDamaged(f"{what} is no JSON list: {str(thing)[:80]}")
    return cast("list[object]", thing)


def as_int(where: Mapping[str, object], key: str, what: str) -> int:
    """The integer under `key`."""
    found = where.get(key)
    if not isinstance(found, int):
        raise UsageError(f"{what} needs the integer {key!r}, not {found!r}")
    return found

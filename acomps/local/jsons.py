"""JSON documents that strangers send: decoding them, and reading values with an error that names the key."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "JSON",
    "decode",
    "dumps",
    "guid",
    "integer",
    "literal",
    "objects",
    "own_object",
    "renamed",
    "text",
]

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"

#: Longer texts are a mistake of the sender.
MAX_TEXT: Final = 1_000_000
#: A GUID that is in the protocol's form already.
_GUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def decode(data: bytes, what: str = "the request's body") -> JSON:
    """The JSON document in `data`."""
    try:
        document: JSON = orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        raise Refused(400, f"{what} is not JSON: {exc}") from exc
    return document


def dumps(document: object) -> str:
    """Compact JSON text."""
    return orjson.dumps(document).decode()


def own_object(document: JSON, what: str) -> dict[str, JSON]:
    """`document`, which must be a JSON object."""
    if not isinstance(document, dict):
        raise Refused(400, f"{what} must be a JSON object")
    return document


def objects(document: JSON, what: str) -> list[dict[str, JSON]]:
    """`document`, which must be a list of JSON objects."""
    if not isinstance(document, list):
        raise Refused(400, f"{what} must be a JSON list")
    found = [item for item in document if isinstance(item, dict)]
    if len(found) < len(document):
        raise Refused(400, f"each element of {what} must be a JSON object")
    return found


def renamed(document: Mapping[str, JSON], names: Mapping[str, str]) -> dict[str, JSON]:
    """What `document` says, under the names that `names` gives to its keys; nulls and strangers are left out.

    A key that is not in `names` as it is written counts as written in lower case.
    """
    found: dict[str, JSON] = {}
    for key, value in document.items():
        name = names.get(key) or names.get(key.lower())
        if name is not None and value is not None:
            found[name] = value
    return found


def text(value: JSON, what: str) -> str:
    """`value`, which must be a text."""
    if not isinstance(value, str):
        raise Refused(400, f"{what} must be a text")
    if len(value) > MAX_TEXT:
        raise Refused(400, f"{what} is longer than {MAX_TEXT} characters")
    if "\0" in value:
        raise Refused(400, f"{what} must not contain a NUL character")
    return value


def integer(value: JSON, what: str, *, least: int = 0, most: int = 2**31 - 1) -> int:
    """`value`, which must be a whole number in the range; a number in a text will do."""
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(400, f"{what} must be a whole number")
    if not least <= value <= most:
        raise Refused(400, f"{what} must be from {least} to {most}, not {value}")
    return value


def guid(value: JSON, what: str) -> str:
    """`value` as a GUID in the protocol's form: lower case, 8-4-4-4-12."""
    if isinstance(value, str) and len(value) <= 64:
        if _GUID.fullmatch(value):
            return value
        try:
            return str(uuid.UUID(value))
        except ValueError:
            pass
    raise Refused(400, f"{what} must be a GUID, not {value!r}"[:300])


def literal(value: JSON) -> str:
    """A tag's value as the text that is kept: a text as it is, null as nothing, anything else as its JSON text."""
    if isinstance(value, str):
        return value
    if type(value) is int or type(value) is float:
        return repr(value)  # What json writes for it, at a fraction of the price.
    return "" if value is None else json.dumps(value, ensure_ascii=False)

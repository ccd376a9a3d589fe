"""Entities of both sides in one form, so that they can be compared field by field."""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from collections.abc import Mapping
from typing import cast

from acomps.entities.states import Spelled

__all__ = ["empty_left_out", "listed", "ours"]

#: What only acomps's values have: it is not on the wire.
_OWN = {"content", "origin"}


def ours(value: object) -> object:
    """An acomps value in the form in which the peer reports its own."""
    if isinstance(value, Spelled):
        return value.text
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [ours(item) for item in cast("tuple[object, ...]", value)]
    if isinstance(value, Mapping):
        return {key: ours(item) for key, item in cast("Mapping[str, object]", value).items()}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.name not in _OWN]
        return {name: ours(getattr(value, name)) for name in names}
    return value


def empty_left_out(value: object) -> object:
    """`value` without what is not there: one side says None where the other says nothing, or an empty text or list.

    A collection's folders are written with `/`; of links, which are signed anew for every answer, the path is kept.
    """
    if isinstance(value, list):
        return [empty_left_out(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        kept = {key: empty_left_out(item) for key, item in items if item not in (None, "", [], {}, ())}
        if "relative_path" in kept:
            kept["relative_path"] = str(kept["relative_path"]).replace("\\", "/")
        if "uri" in kept:
            kept["uri"] = str(kept["uri"]).partition("?")[0]
        return kept
    return value


def listed(value: object) -> list[object]:
    """A list."""
    assert isinstance(value, list)
    return cast("list[object]", value)

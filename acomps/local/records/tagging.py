"""Tags: texts by key on any entity (protocol 4 and 6.8)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from acomps.entities.states import TagOperation
from acomps.local.errors import Refused
from acomps.local.jsons import JSON, literal, own_object
from acomps.local.records import schema
from acomps.local.records.database import insert_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from acomps.local.records.database import Row

__all__ = ["COLUMNS", "change", "number", "operation", "read_tags", "rows", "tags_of"]

MAX_KEY: Final = 500
MAX_VALUE: Final = 100_000

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


#: The columns of `rows`.
COLUMNS: Final = ("entity_id", "key", "value", "number")


def number(value: str) -> float | None:
    """The number that `value` reads as, if it does."""
    if len(value) > 60 or _NUMBER.fullmatch(value) is None:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def read_tags(value: JSON, what: str = "Tags") -> dict[str, str]:
    """The tags that a client sends, as they are kept."""
    found = {key: literal(given) for key, given in own_object(value, what).items()}
    for key, kept in found.items():
        if not key or len(key) > MAX_KEY or "\0" in key:
            raise Refused(400, f"a tag's key must be a text of 1 to {MAX_KEY} characters, not {key!r}"[:400])
        if len(kept) > MAX_VALUE or "\0" in kept:
            raise Refused(400, f"the value of tag {key!r} is longer than {MAX_VALUE} characters or holds a NUL")
    return found


def rows(entity_id: str, tags: Mapping[str, str]) -> list[Row]:
    """The rows that keep `tags`."""
    return [(entity_id, key, value, number(value)) for key, value in tags.items()]


def operation(value: JSON) -> TagOperation:
    """What a tag call asks for."""
    for member in TagOperation:
        if value == member.code or (isinstance(value, str) and value.lower() == member.text.lower()):
            return member
    raise Refused(400, f"OperationMode must be Merge, Replace or Delete, not {value!r}"[:400])


def change(connection: Connection, entity_id: str, what: TagOperation, tags: Mapping[str, str]) -> None:
    """Do what a tag call asks for."""
    table = schema.tags
    gone = delete(table).where(table.c.entity_id == entity_id)
    if what is not TagOperation.REPLACE:
        gone = gone.where(table.c.key.in_(list(tags)))
    connection.execute(gone)
    if what is not TagOperation.DELETE and tags:
        insert_rows(connection, table, COLUMNS, rows(entity_id, tags))


def tags_of(connection: Connection, entity_id: str) -> dict[str, str]:
    """The tags of one entity."""
    table = schema.tags
    found = connection.execute(select(table.c.key, table.c.value).where(table.c.entity_id == entity_id))
    return {str(key): str(value) for key, value in found}

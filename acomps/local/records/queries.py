"""What a list request asks for: fields, children, conditions, order and page (protocol 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement

from acomps.entities.states import EntityKind
from acomps.local.errors import Refused
from acomps.local.jsons import guid, integer
from acomps.local.records import filters, schema
from acomps.local.records.visibility import sees
from acomps.wire.spelling import SPELLINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from acomps.local.accounts.viewers import Viewer

__all__ = ["DEFAULT_PAGE", "Listing", "keys", "read_listing"]

#: Suites and experiments come in pages of this size when no count is given.
DEFAULT_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A checked list request."""

    kind: EntityKind
    #: Column name and wire name of every basic property to send.
    fields: tuple[tuple[str, str], ...]
    #: Wire names of the child objects to send.
    children: frozenset[str]
    conditions: tuple[ColumnElement[bool], ...]
    order: tuple[ColumnElement[object], ...]
    offset: int
    count: int
    #: Configurations are merged up the chain suite, experiment, simulation.
    coalesced: bool


def keys(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Query keys in lower case; of a repeated key the last one counts."""
    return {key.lower(): value for key, value in query}


def _named(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def read_listing(kind: EntityKind, query: Mapping[str, str], viewer: Viewer, max_page: int) -> Listing:
    """The request in `query` for what the viewer sees, or a refusal that names what is unknown in it."""
    spelling = SPELLINGS[kind]
    table = schema.TABLES[kind]
    try:
        fields = [spelling.basic(name) for name in _named(query.get("fields", ""))]
        children = frozenset(spelling.child(name) for name in _named(query.get("children", "")))
        conditions = [filters.condition(kind, element, viewer) for element in _named(query.get("filters", ""))]
        order = _order(kind, query.get("orderby", ""))
    except ValueError as exc:
        raise Refused(400, str(exc)) from exc
    conditions += [filters.tag_condition(kind, element) for element in _named(query.get("tagfilters", ""))]
    if "id" in query:
        conditions.append(table.c.id == guid(query["id"], "Id"))
    wanted = set(fields) | {"Id"}
    default = DEFAULT_PAGE if kind in {EntityKind.SUITE, EntityKind.EXPERIMENT} else max_page
    count = integer(query.get("count") or 0, "count") or default
    return Listing(
        kind=kind,
        fields=tuple((name, wire) for name, wire in spelling.basics.items() if not fields or wire in wanted),
        children=children,
        conditions=(table.c.removed_at.is_(None), *sees(viewer, kind), *conditions),
        order=order,
        offset=integer(query.get("offset") or 0, "offset"),
        count=min(count, max_page),
        coalesced=query.get("coalesceconfig", "").lower() in {"true", "1"},
    )


def _order(kind: EntityKind, text: str) -> tuple[ColumnElement[object], ...]:
    """The order asked for; what is equal in it, and what has none, is in the order of creation."""
    table = schema.TABLES[kind]
    if not text.strip():
        return (table.c.id,)
    name, _, direction = text.strip().partition(" ")
    column = table.c[filters.column_name(kind, name)]
    if direction.strip().lower() not in {"", "asc", "desc"}:
        raise Refused(400, f"orderby must be a field and asc or desc, not {text!r}"[:400])
    # To name the id twice would have the database sort what its index has in order.
    columns = (column,) if column is table.c.id else (column, table.c.id)
    descending = direction.strip().lower() == "desc"
    return tuple(column.desc() for column in columns) if descending else columns

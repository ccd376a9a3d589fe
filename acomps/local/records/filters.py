"""Filters and tag filters, compiled to SQL with bound values (protocol 5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import String, and_, column, false, func, literal, or_, select, true, type_coerce

from acomps.entities.states import EntityKind, Priority, SimulationState, WorkItemState
from acomps.local.errors import Refused
from acomps.local.jsons import dumps, guid
from acomps.local.records import schema
from acomps.local.records.tagging import number
from acomps.wire.dates import format_time
from acomps.wire.spelling import SPELLINGS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from acomps.local.accounts.viewers import Viewer

__all__ = ["column_name", "condition", "tag_condition"]

T = TypeVar("T")

_FILTER: Final = re.compile(r"(\w+)\s*(!=|<=|>=|=|~|<|>)(.*)", re.DOTALL)
_TAG_FILTER: Final = re.compile(r"(.+?)(!=|<=|>=|=|~|<|>)(.*)", re.DOTALL)

_DATES: Final = frozenset({"date_created", "last_modified"})
_IDS: Final = frozenset({"id", "suite_id", "experiment_id", "asset_collection_id", "worker_instance_id"})
_NUMBERS: Final = frozenset({"working_directory_size"})

#: Tags whose values begin with the id of a batch. `~` compares their beginning, which the index can find; anywhere
#: else it has to look at every value.
_PREFIX_KEYS: Final = frozenset({"acomps_key"})
#: Whole numbers above this are not exact as REAL: they are compared as texts.
_EXACT: Final = 2.0**53


def column_name(kind: EntityKind, name: str) -> str:
    """The column of a basic property, which may be named in either spelling; ValueError for a stranger."""
    spelling = SPELLINGS[kind]
    wire = spelling.basic(name)
    return next(column for column, spelled in spelling.basics.items() if spelled == wire)


def condition(kind: EntityKind, element: str, viewer: Viewer) -> ColumnElement[bool]:
    """One element of `filters`: field, operator, value."""
    found = _FILTER.fullmatch(element)
    if found is None:
        raise Refused(400, f"filter {element!r} is not a field, an operator (= != ~ < > <= >=) and a value"[:400])
    name, operator, value = found[1], found[2], found[3].strip()
    wire = SPELLINGS[kind].filterable(name)
    if wire == "GroupName":
        return _in_group(kind, operator, value, viewer)
    if wire == "EnvironmentName" and kind is EntityKind.SIMULATION:
        return _text(_environment_of_simulation(), operator, value)
    if wire == "isTopLevel":
        # No work item is started by another one, so all are at the top.
        return true() if (value.lower() in {"1", "true"}) == (operator == "=") else false()
    return _property(kind, column_name(kind, wire), operator, value)


def _in_group(kind: EntityKind, operator: str, value: str, viewer: Viewer) -> ColumnElement[bool]:
    """An entity is in the groups of its owner."""
    if viewer.peers is None:
        return _text(literal(viewer.groups[0], String(collation="NOCASE")), operator, value)
    listed = literal(dumps(viewer.memberships), String)
    member = func.json_each(listed).table_valued(column("value", String)).c.value
    group = type_coerce(func.json_extract(member, "$[0]"), String(collation="NOCASE")).collate("NOCASE")
    name = type_coerce(func.json_extract(member, "$[1]"), String)
    return schema.TABLES[kind].c.owner.in_(select(name).where(_text(group, operator, value)))


def _property(kind: EntityKind, name: str, operator: str, value: str) -> ColumnElement[bool]:
    column = schema.TABLES[kind].c[name]
    if operator != "~":
        if name in _DATES:
            value = _moment(name, value)
        elif name in _IDS:
            value = guid(value, f"the value of filter {name}")
        elif name in {"state", "priority"}:
            value = _spelled(kind, name, value)
        elif name in _NUMBERS:
            size = number(value)
            if size is None:
                raise Refused(400, f"filter {name} needs a number, not {value!r}"[:400])
            return _compare(column, operator, literal(size))
    return _text(column, operator, value)


def _environment_of_simulation() -> ColumnElement[str]:
    """The environment that a simulation inherits or names; configurations are stored level by level."""
    simulations, experiments, suites = (
        schema.TABLES[kind] for kind in (EntityKind.SIMULATION, EntityKind.EXPERIMENT, EntityKind.SUITE)
    )

    def said(column: ColumnElement[str | None]) -> ColumnElement[str]:
        return type_coerce(func.json_extract(column, "$.EnvironmentName"), String(collation="NOCASE"))

    above = (
        select(func.coalesce(said(experiments.c.configuration), said(suites.c.configuration)))
        .select_from(experiments.outerjoin(suites, suites.c.id == experiments.c.suite_id))
        .where(experiments.c.id == simulations.c.experiment_id)
        .scalar_subquery()
    )
    return func.coalesce(said(simulations.c.configuration), above).collate("NOCASE")


def tag_condition(kind: EntityKind, element: str) -> ColumnElement[bool]:
    """One element of `tagfilters`: a key alone, or key, operator, value."""
    tags = schema.tags
    found = _TAG_FILTER.fullmatch(element)
    key = (found[1] if found else element).strip()
    wanted = tags.c.key.collate("NOCASE") == key
    if found is not None:
        wanted = and_(wanted, _tag_value(key, found[2], found[3].strip()))
    return schema.TABLES[kind].c.id.in_(select(tags.c.entity_id).where(wanted))


def _tag_value(key: str, operator: str, value: str) -> ColumnElement[bool]:
    folded = schema.tags.c.value.collate("NOCASE")
    if operator == "~":
        if key.lower() in _PREFIX_KEYS and "%" not in value:
            return and_(folded >= value, folded < value + "\U0010ffff")
        return _text(folded, operator, value)
    amount = number(value)
    if amount is None or abs(amount) >= _EXACT:
        return _text(folded, operator, value)
    as_number = schema.tags.c.number
    if operator == "!=":
        return or_(as_number.is_(None), as_number != amount)
    return _compare(as_number, operator, literal(amount))


def _compare(column: ColumnElement[T], operator: str, value: ColumnElement[T]) -> ColumnElement[bool]:
    match operator:
        case "=":
            return column == value
        case "!=":
            return or_(column != value, column.is_(None))
        case "<":
            return column < value
        case ">":
            return column > value
        case "<=":
            return column <= value
        case _:
            return column >= value


def _text(column: ColumnElement[T], operator: str, value: str) -> ColumnElement[bool]:
    if operator == "~":
        pattern = value.replace("\\", "\\\\").replace("_", "\\_")
        return column.like(pattern if "%" in value else f"%{pattern}%", escape="\\")
    return _compare(column, operator, literal(value, column.type))


def _spelled(kind: EntityKind, name: str, value: str) -> str:
    """The wire's text of a state or priority that is given by its name in any case or by its number."""
    members = Priority if name == "priority" else SimulationState if kind is EntityKind.SIMULATION else WorkItemState
    for member in members:
        if member.code >= 0 and value.lower() in {member.text.lower(), str(member.code)}:
            return member.text
    names = ", ".join(member.text for member in members if member.code >= 0)
    raise Refused(400, f"{value!r} is no {name}; it is one of {names}"[:500])


def _moment(name: str, value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
        return format_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as exc:
        raise Refused(
            400, f"filter {name} needs a date like 2020-01-31 or 2020-01-31T12:00:00Z, not {value!r}"[:400]
        ) from exc

"""Whose work a viewer sees, as conditions of queries: the one place that decides it (protocol 10.9).

Where there is one user only, there is no condition at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String, column, func, literal, or_, select

from acomps.entities.states import EntityKind
from acomps.local.jsons import dumps
from acomps.local.records import schema

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Select

    from acomps.local.accounts.viewers import Viewer

__all__ = ["sees"]


def sees(viewer: Viewer, kind: EntityKind) -> tuple[ColumnElement[bool], ...]:
    """What entities of a kind must fulfil to be visible: they belong to a member of one of the viewer's groups.

    Asset collections may have been saved for named groups; then members of those see them, and their owner.
    """
    if viewer.peers is None:
        return ()
    owner = schema.TABLES[kind].c.owner
    of_peers = owner.in_(_each(viewer.peers))
    if kind is not EntityKind.ASSET_COLLECTION:
        return (of_peers,)
    shown_to = schema.asset_collections.c.shown_to
    named = func.json_each(shown_to).table_valued(column("value", String)).c.value
    groups = [group.lower() for group in viewer.groups]
    for_groups = select(named).where(named.in_(_each(groups))).correlate(schema.asset_collections).exists()
    return (or_(owner == viewer.name, of_peers & shown_to.is_(None), for_groups),)


def _each(texts: Collection[str]) -> Select[str]:
    """The texts as rows out of one bound value: the statement is the same for any number of them."""
    listed = literal(dumps(sorted(texts)), String)
    return select(func.json_each(listed).table_valued(column("value", String)).c.value)

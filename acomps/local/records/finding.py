"""Finding one entity by its id, and saying in the protocol's words that it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from acomps.local.errors import Refused
from acomps.local.records import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from acomps.entities.states import EntityKind

__all__ = ["require_entity", "unknown"]


def unknown(kind: EntityKind, entity_id: str) -> Refused:
    """The refusal for an id that nobody has; clients match the beginning of its text."""
    return Refused(404, f"Failed to retrieve {kind.text.lower()} for given id {entity_id}")


def require_entity(connection: Connection, kind: EntityKind, entity_id: str) -> None:
    """Refuse with 404 when the entity does not exist or was deleted."""
    table = schema.TABLES[kind]
    if connection.scalar(select(table.c.id).where(table.c.id == entity_id, table.c.removed_at.is_(None))) is None:
        raise unknown(kind, entity_id)

"""Finding one entity by its id, and saying in the protocol's words that it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from acomps.local.errors import Refused
from acomps.local.records import schema
from acomps.local.records.database import Look
from acomps.local.records.visibility import sees

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from acomps.entities.states import EntityKind
    from acomps.local.accounts.viewers import Viewer
    from acomps.local.records.database import Database

__all__ = ["not_own", "require_entity", "require_own", "require_seen", "unknown"]

#: Made once: to make one takes as long as to run it.
_OWNER: Final = {
    kind: select(table.c.owner).where(table.c.id == bindparam("one"), table.c.removed_at.is_(None))
    for kind, table in schema.TABLES.items()
}
_LOOK_FOR_OWNER: Final = {kind: Look(statement) for kind, statement in _OWNER.items()}


def unknown(kind: EntityKind, entity_id: str) -> Refused:
    """The refusal for an id that nobody has; clients match the beginning of its text."""
    return Refused(404, f"Failed to retrieve {kind.text.lower()} for given id {entity_id}")


def not_own(kind: EntityKind, entity_id: str, owner: object) -> Refused:
    """The refusal for what belongs to somebody else."""
    return Refused(403, f"{kind.text} {entity_id} belongs to {owner or 'somebody else'}: only its owner can change it")


def require_entity(connection: Connection, kind: EntityKind, entity_id: str, viewer: Viewer) -> None:
    """Refuse with 404 when the entity does not exist, was deleted, or is not the viewer's to see."""
    _owner(connection, kind, entity_id, viewer)


def require_seen(database: Database, kind: EntityKind, entity_id: str, viewer: Viewer) -> None:
    """The same for a job that has no connection open."""
    if sees(viewer, kind):
        with database.reading() as connection:
            require_entity(connection, kind, entity_id, viewer)
    elif database.first(_LOOK_FOR_OWNER[kind], one=entity_id) is None:
        raise unknown(kind, entity_id)


def require_own(connection: Connection, kind: EntityKind, entity_id: str, viewer: Viewer) -> None:
    """The same, and with 403 when it belongs to somebody else."""
    owner = _owner(connection, kind, entity_id, viewer)
    if not viewer.owns(owner):
        raise not_own(kind, entity_id, owner)


def _owner(connection: Connection, kind: EntityKind, entity_id: str, viewer: Viewer) -> object:
    visible = sees(viewer, kind)
    statement = _OWNER[kind].where(*visible) if visible else _OWNER[kind]
    found = connection.execute(statement, {"one": entity_id}).first()
    if found is None:
        raise unknown(kind, entity_id)
    return found[0]

"""Creating asset collections; one that exists already is found instead (protocol 6.6)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import orjson
from sqlalchemy import insert, select

from acomps.entities.states import EntityKind
from acomps.local.errors import Refused
from acomps.local.jsons import dumps
from acomps.local.records import schema, tagging
from acomps.local.records.database import insert_rows
from acomps.local.records.saving import lengths_of
from acomps.local.records.visibility import sees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core
    from acomps.local.records.database import Row
    from acomps.local.records.drafts import CollectionDraft

__all__ = ["save_collections"]

_ASSET_COLUMNS: Final = tuple(column.name for column in schema.assets.c)


def save_collections(
    core: Core, viewer: Viewer, drafts: Sequence[CollectionDraft], arrived: Mapping[str, int], group: str | None = None
) -> list[str]:
    """The ids of the collections, in the order of the drafts. No draft at all stores the contents and that is all.

    `group` is the one whose members see them; without it those of all groups of the viewer do.
    """
    shown_to = _shown_to(viewer, group)
    md5s = [asset.md5_checksum for draft in drafts for asset in draft.assets]
    with core.contents.leaving.held(md5s):
        return _save(core, viewer, drafts, lengths_of(md5s, arrived, core.contents), shown_to)


def _save(
    core: Core, viewer: Viewer, drafts: Sequence[CollectionDraft], lengths: Mapping[str, int], shown_to: str | None
) -> list[str]:
    with core.database.writing() as connection:
        return [
            _find(connection, viewer, draft, shown_to) or _create(connection, core, viewer, draft, lengths, shown_to)
            for draft in drafts
        ]


def _shown_to(viewer: Viewer, group: str | None) -> str | None:
    if viewer.peers is None or not group:
        return None
    if not viewer.belongs_to(group):
        raise Refused(403, f"{viewer.name} is not in group {group!r} and cannot save assets for it"[:400])
    return dumps([group.lower()])


def _fingerprint(draft: CollectionDraft) -> str:
    parts = sorted(
        [asset.relative_path, asset.file_name, asset.md5_checksum, asset.tags or ""] for asset in draft.assets
    )
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def _find(connection: Connection, viewer: Viewer, draft: CollectionDraft, shown_to: str | None) -> str | None:
    """The id of a collection with the same assets, the same groups and, now, the same tags."""
    table = schema.asset_collections
    same = connection.scalars(
        select(table.c.id).where(
            table.c.fingerprint == _fingerprint(draft),
            table.c.removed_at.is_(None),
            table.c.shown_to.is_(shown_to),
            *sees(viewer, EntityKind.ASSET_COLLECTION),
        )
    ).all()
    return next((found for found in same if tagging.tags_of(connection, found) == draft.tags), None)


def _create(
    connection: Connection,
    core: Core,
    viewer: Viewer,
    draft: CollectionDraft,
    lengths: Mapping[str, int],
    shown_to: str | None,
) -> str:
    collection_id = core.ids.one()
    connection.execute(
        insert(schema.asset_collections).values(
            id=collection_id,
            date_created=core.now(),
            owner=viewer.name,
            shown_to=shown_to,
            fingerprint=_fingerprint(draft),
        )
    )
    if draft.assets:
        rows: list[Row] = [
            (
                collection_id,
                position,
                asset.file_name,
                asset.relative_path,
                asset.tags,
                asset.md5_checksum,
                lengths[asset.md5_checksum],
            )
            for position, asset in enumerate(draft.assets)
        ]
        insert_rows(connection, schema.assets, _ASSET_COLUMNS, rows)
    if draft.tags:
        insert_rows(connection, schema.tags, tagging.COLUMNS, tagging.rows(collection_id, draft.tags))
    return collection_id

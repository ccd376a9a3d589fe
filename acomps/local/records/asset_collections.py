"""Creating asset collections; one that exists already is found instead (protocol 6.6)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import insert, select

from acomps.local.records import schema, tagging
from acomps.local.records.saving import lengths_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from acomps.local.core import Core
    from acomps.local.records.drafts import CollectionDraft

__all__ = ["save_collections"]


def save_collections(core: Core, drafts: Sequence[CollectionDraft], arrived: Mapping[str, int]) -> list[str]:
    """The ids of the collections, in the order of the drafts. No draft at all stores the contents and that is all."""
    md5s = (asset.md5_checksum for draft in drafts for asset in draft.assets)
    lengths = lengths_of(md5s, arrived, core.contents)
    with core.database.writing() as connection:
        return [_find(connection, draft) or _create(connection, core, draft, lengths) for draft in drafts]


def _fingerprint(draft: CollectionDraft) -> str:
    parts = sorted(
        [asset.relative_path, asset.file_name, asset.md5_checksum, asset.tags or ""] for asset in draft.assets
    )
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def _find(connection: Connection, draft: CollectionDraft) -> str | None:
    """The id of a collection with the same assets and, now, the same tags."""
    table = schema.asset_collections
    same = connection.scalars(
        select(table.c.id).where(table.c.fingerprint == _fingerprint(draft), table.c.removed_at.is_(None))
    ).all()
    return next((found for found in same if tagging.tags_of(connection, found) == draft.tags), None)


def _create(connection: Connection, core: Core, draft: CollectionDraft, lengths: Mapping[str, int]) -> str:
    collection_id = core.ids.one()
    connection.execute(
        insert(schema.asset_collections).values(
            id=collection_id, date_created=core.now(), fingerprint=_fingerprint(draft)
        )
    )
    if draft.assets:
        connection.execute(
            insert(schema.assets),
            [
                {
                    "entity_id": collection_id,
                    "position": position,
                    "file_name": asset.file_name,
                    "relative_path": asset.relative_path,
                    "tags": asset.tags,
                    "md5_checksum": asset.md5_checksum,
                    "length": lengths[asset.md5_checksum],
                }
                for position, asset in enumerate(draft.assets)
            ],
        )
    if draft.tags:
        connection.execute(insert(schema.tags), tagging.rows(collection_id, draft.tags))
    return collection_id

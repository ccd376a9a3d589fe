"""Creating and updating suites, experiments, simulations and work items: all of a request or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from acomps.entities.states import EntityKind, SimulationState
from acomps.local.errors import Refused, UntrackedContents
from acomps.local.records import schema, tagging
from acomps.local.records.configurations import merged
from acomps.local.records.finding import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from acomps.local.core import Core
    from acomps.local.files.contents import Contents
    from acomps.local.records.drafts import Draft
    from acomps.local.records.tagging import TagRow

__all__ = ["lengths_of", "require", "save"]

_HAS_STATE = {EntityKind.SIMULATION, EntityKind.WORK_ITEM}
_REFERENCES = {"suite_id": EntityKind.SUITE, "experiment_id": EntityKind.EXPERIMENT}


def lengths_of(md5s: Iterable[str], arrived: Mapping[str, int], contents: Contents) -> dict[str, int]:
    """How long each content is; when some are neither in this request nor stored, all of those are named."""
    wanted = dict.fromkeys(md5s)
    lengths = {md5: arrived[md5] for md5 in wanted if md5 in arrived}
    lengths |= contents.lengths([md5 for md5 in wanted if md5 not in lengths])
    missing = [md5 for md5 in wanted if md5 not in lengths]
    if missing:
        raise UntrackedContents(missing)
    return lengths


def require(connection: Connection, kind: EntityKind, ids: Iterable[object], what: str) -> None:
    """Refuse the request when one of `ids` is not the id of an entity of that kind."""
    wanted = {str(entity_id) for entity_id in ids}
    if not wanted:
        return
    table = schema.TABLES[kind]
    found = connection.scalars(select(table.c.id).where(table.c.id.in_(wanted), table.c.removed_at.is_(None)))
    lost = wanted - set(found)
    if lost:
        raise Refused(400, f"{what} {min(lost)} is not the id of a known {kind.text}")


def save(core: Core, kind: EntityKind, user: str, drafts: Sequence[Draft], arrived: Mapping[str, int]) -> list[str]:
    """Create and update what the drafts say; the ids are in their order."""
    lengths = lengths_of((file.md5_checksum for draft in drafts for file in draft.files), arrived, core.contents)
    fresh = iter(core.ids.take(sum(draft.id is None for draft in drafts)))
    ids = [draft.id or next(fresh) for draft in drafts]
    updates = [draft.id for draft in drafts if draft.id is not None]
    if len(set(updates)) != len(updates):
        raise Refused(400, "an Id occurs twice in the request")
    with core.database.writing() as connection:
        _check_references(connection, drafts)
        _create(connection, core, kind, user, ids, drafts)
        for draft in drafts:
            if draft.id is not None:
                _update(connection, core, kind, draft.id, draft)
        _add_files(connection, ids, drafts, lengths)
    return ids


def _check_references(connection: Connection, drafts: Sequence[Draft]) -> None:
    for column, kind in _REFERENCES.items():
        given = [draft.values[column] for draft in drafts if column in draft.values]
        require(connection, kind, given, "".join(word.capitalize() for word in column.split("_")))
    collections = [draft.values["asset_collection_id"] for draft in drafts if "asset_collection_id" in draft.values]
    collections += [
        str(draft.configuration["AssetCollectionId"])
        for draft in drafts
        if draft.configuration is not None and "AssetCollectionId" in draft.configuration
    ]
    require(connection, EntityKind.ASSET_COLLECTION, collections, "AssetCollectionId")


def _create(
    connection: Connection, core: Core, kind: EntityKind, user: str, ids: Sequence[str], drafts: Sequence[Draft]
) -> None:
    table = schema.TABLES[kind]
    now = core.now()
    settable = [
        name
        for name in (
            "name",
            "description",
            *_REFERENCES,
            "worker",
            "environment_name",
            "priority",
            "asset_collection_id",
        )
        if name in table.c
    ]
    rows: list[dict[str, object]] = []
    tag_rows: list[TagRow] = []
    for entity_id, draft in zip(ids, drafts, strict=True):
        if draft.id is not None:
            continue
        row: dict[str, object] = {name: draft.values.get(name) for name in settable}
        row.update(id=entity_id, owner=user, date_created=now, last_modified=now)
        if "configuration" in table.c:
            row["configuration"] = None if draft.configuration is None else merged(None, draft.configuration)
        if kind in _HAS_STATE:
            row["state"] = SimulationState.CREATED.text
        rows.append(row)
        tag_rows += tagging.rows(entity_id, draft.tags)
    if rows:
        connection.execute(insert(table), rows)
    if tag_rows:
        connection.execute(insert(schema.tags), tag_rows)


def _update(connection: Connection, core: Core, kind: EntityKind, entity_id: str, draft: Draft) -> None:
    table = schema.TABLES[kind]
    found = (
        connection.execute(select(table).where(table.c.id == entity_id, table.c.removed_at.is_(None)))
        .mappings()
        .first()
    )
    if found is None:
        raise unknown(kind, entity_id)
    values: dict[str, object] = {**draft.values, "last_modified": core.now()}
    if draft.configuration is not None and "configuration" in table.c:
        values["configuration"] = merged(found["configuration"], draft.configuration)
    connection.execute(update(table).where(table.c.id == entity_id).values(values))


def _add_files(connection: Connection, ids: Sequence[str], drafts: Sequence[Draft], lengths: Mapping[str, int]) -> None:
    files = schema.files
    rows: list[dict[str, object]] = []
    for entity_id, draft in zip(ids, drafts, strict=True):
        if not draft.files:
            continue
        first = 0
        if draft.id is not None:
            first = _make_room(connection, entity_id, [file.file_name for file in draft.files])
        for position, file in enumerate(draft.files, first):
            rows.append(
                {
                    "entity_id": entity_id,
                    "position": position,
                    "file_name": file.file_name,
                    "file_type": file.file_type,
                    "description": file.description,
                    "md5_checksum": file.md5_checksum,
                    "length": lengths[file.md5_checksum],
                }
            )
    if rows:
        connection.execute(insert(files), rows)


def _make_room(connection: Connection, entity_id: str, names: Sequence[str]) -> int:
    """The first free position of an entity's files, after those that are replaced have gone."""
    files = schema.files
    connection.execute(delete(files).where(files.c.entity_id == entity_id, files.c.file_name.in_(names)))
    last: int | None = connection.scalar(select(func.max(files.c.position)).where(files.c.entity_id == entity_id))
    return 0 if last is None else last + 1

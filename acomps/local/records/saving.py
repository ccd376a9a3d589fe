"""Creating and updating suites, experiments, simulations and work items: all of a request or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select, update

from acomps.entities.states import EntityKind, SimulationState
from acomps.local.errors import Refused, UntrackedContents
from acomps.local.jsons import dumps
from acomps.local.records import schema, tagging
from acomps.local.records.configurations import merged
from acomps.local.records.database import given_ids, insert_rows
from acomps.local.records.finding import not_own, unknown
from acomps.local.records.visibility import sees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core
    from acomps.local.files.contents import Contents
    from acomps.local.records.database import Row
    from acomps.local.records.drafts import Draft

__all__ = ["lengths_of", "require", "save"]

_REFERENCES: Final = {"suite_id": EntityKind.SUITE, "experiment_id": EntityKind.EXPERIMENT}
#: What a new entity may begin with, in the order of its table.
_GIVEN: Final = frozenset(
    {
        *("id", "date_created", "name", "description", "owner", "last_modified", "configuration", "state", "worker"),
        *("environment_name", "priority", "asset_collection_id", *_REFERENCES),
    }
)
_SETTABLE: Final = {
    kind: tuple(column.name for column in table.c if column.name in _GIVEN) for kind, table in schema.TABLES.items()
}
_FILE_COLUMNS: Final = tuple(column.name for column in schema.files.c)
#: Those of the given ids that entities have, and their owners.
_KNOWN: Final = {
    kind: select(table.c.id, table.c.owner).where(table.c.id.in_(given_ids()), table.c.removed_at.is_(None))
    for kind, table in schema.TABLES.items()
}


def lengths_of(md5s: Iterable[str], arrived: Mapping[str, int], contents: Contents) -> dict[str, int]:
    """How long each content is; when some are neither in this request nor stored, all of those are named."""
    wanted = dict.fromkeys(md5s)
    lengths = {md5: arrived[md5] for md5 in wanted if md5 in arrived}
    lengths |= contents.lengths([md5 for md5 in wanted if md5 not in lengths])
    missing = [md5 for md5 in wanted if md5 not in lengths]
    if missing:
        raise UntrackedContents(missing)
    return lengths


def require(connection: Connection, viewer: Viewer, kind: EntityKind, ids: Iterable[object], what: str) -> None:
    """Refuse the request when one of `ids` is not the id of an entity of that kind that the viewer sees.

    What other entities belong to must be the viewer's own.
    """
    wanted = {str(entity_id) for entity_id in ids}
    if not wanted:
        return
    visible = sees(viewer, kind)
    statement = _KNOWN[kind].where(*visible) if visible else _KNOWN[kind]
    found = {str(entity_id): owner for entity_id, owner in connection.execute(statement, {"ids": dumps([*wanted])})}
    lost = wanted - found.keys()
    if lost:
        raise Refused(400, f"{what} {min(lost)} is not the id of a known {kind.text}")
    if kind in _REFERENCES.values():
        for entity_id, owner in found.items():
            if not viewer.owns(owner):
                raise not_own(kind, entity_id, owner)


def save(
    core: Core,
    kind: EntityKind,
    viewer: Viewer,
    drafts: Sequence[Draft],
    arrived: Mapping[str, int],
    finish: Callable[[Connection, Sequence[str]], None] | None = None,
) -> list[str]:
    """Create and update what the drafts say, as the viewer's own; the ids are in their order.

    `finish` is called with them in the same transaction: what it records and the entities come together or not at all.
    """
    md5s = [file.md5_checksum for draft in drafts for file in draft.files]
    with core.contents.leaving.held(md5s):
        return _saved(core, kind, viewer, drafts, lengths_of(md5s, arrived, core.contents), finish)


def _saved(
    core: Core,
    kind: EntityKind,
    viewer: Viewer,
    drafts: Sequence[Draft],
    lengths: Mapping[str, int],
    finish: Callable[[Connection, Sequence[str]], None] | None,
) -> list[str]:
    fresh = iter(core.ids.take(sum(draft.id is None for draft in drafts)))
    ids = [draft.id or next(fresh) for draft in drafts]
    updates = [draft.id for draft in drafts if draft.id is not None]
    if len(set(updates)) != len(updates):
        raise Refused(400, "an Id occurs twice in the request")
    # Whatever takes no connection is done before: nobody else can write meanwhile.
    entity_rows, tag_rows = _new(core, kind, viewer.name, ids, drafts)
    with core.database.writing() as connection:
        _check_references(connection, viewer, drafts)
        insert_rows(connection, schema.TABLES[kind], _SETTABLE[kind], entity_rows)
        insert_rows(connection, schema.tags, tagging.COLUMNS, tag_rows)
        for draft in drafts:
            if draft.id is not None:
                _update(connection, core, kind, viewer, draft.id, draft)
        _add_files(connection, ids, drafts, lengths)
        if finish is not None:
            finish(connection, ids)
    return ids


def _check_references(connection: Connection, viewer: Viewer, drafts: Sequence[Draft]) -> None:
    for column, kind in _REFERENCES.items():
        given = [draft.values[column] for draft in drafts if column in draft.values]
        require(connection, viewer, kind, given, "".join(word.capitalize() for word in column.split("_")))
    collections = [draft.values["asset_collection_id"] for draft in drafts if "asset_collection_id" in draft.values]
    collections += [
        str(draft.configuration["AssetCollectionId"])
        for draft in drafts
        if draft.configuration is not None and "AssetCollectionId" in draft.configuration
    ]
    require(connection, viewer, EntityKind.ASSET_COLLECTION, collections, "AssetCollectionId")


def _new(
    core: Core, kind: EntityKind, user: str, ids: Sequence[str], drafts: Sequence[Draft]
) -> tuple[list[Row], list[Row]]:
    """The rows of the entities that do not exist yet, and of their tags."""
    now = core.now()
    fixed = {"owner": user, "date_created": now, "last_modified": now, "state": SimulationState.CREATED.text}
    columns = _SETTABLE[kind]
    entity_rows: list[Row] = []
    tag_rows: list[Row] = []
    for entity_id, draft in zip(ids, drafts, strict=True):
        if draft.id is None:
            values = {**fixed, **draft.values, "id": entity_id}
            if draft.configuration is not None:
                values["configuration"] = merged(None, draft.configuration)
            entity_rows.append(tuple(values.get(column) for column in columns))
            tag_rows += tagging.rows(entity_id, draft.tags)
    return entity_rows, tag_rows


def _update(connection: Connection, core: Core, kind: EntityKind, viewer: Viewer, entity_id: str, draft: Draft) -> None:
    table = schema.TABLES[kind]
    known = select(table).where(table.c.id == entity_id, table.c.removed_at.is_(None), *sees(viewer, kind))
    found = connection.execute(known).mappings().first()
    if found is None:
        raise unknown(kind, entity_id)
    if not viewer.owns(found["owner"]):
        raise not_own(kind, entity_id, found["owner"])
    values: dict[str, object] = {**draft.values, "last_modified": core.now()}
    if draft.configuration is not None and "configuration" in table.c:
        values["configuration"] = merged(found["configuration"], draft.configuration)
    connection.execute(update(table).where(table.c.id == entity_id).values(values))


def _add_files(connection: Connection, ids: Sequence[str], drafts: Sequence[Draft], lengths: Mapping[str, int]) -> None:
    rows: list[Row] = []
    for entity_id, draft in zip(ids, drafts, strict=True):
        if not draft.files:
            continue
        first = 0
        if draft.id is not None:
            first = _make_room(connection, entity_id, [file.file_name for file in draft.files])
        rows += [
            (
                entity_id,
                position,
                file.file_name,
                file.file_type,
                file.description,
                file.md5_checksum,
                lengths[file.md5_checksum],
            )
            for position, file in enumerate(draft.files, first)
        ]
    insert_rows(connection, schema.files, _FILE_COLUMNS, rows)


def _make_room(connection: Connection, entity_id: str, names: Sequence[str]) -> int:
    """The first free position of an entity's files, after those that are replaced have gone."""
    files = schema.files
    connection.execute(delete(files).where(files.c.entity_id == entity_id, files.c.file_name.in_(names)))
    last: int | None = connection.scalar(select(func.max(files.c.position)).where(files.c.entity_id == entity_id))
    return 0 if last is None else last + 1

"""What work items have to do with other entities, seen from both sides (protocol 6.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from acomps.entities.states import EntityKind, RelationType
from acomps.local.errors import Refused
from acomps.local.gate import viewer_of
from acomps.local.jsons import guid
from acomps.local.records import schema
from acomps.local.records.finding import require_entity, require_own
from acomps.local.records.queries import keys
from acomps.local.records.visibility import sees
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route
from acomps.local.workers.dependencies import refuse_circle

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core

__all__ = ["routes"]


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    async def relate(request: Request) -> Response:
        asked = {name: str(value) for name, value in request.path_params.items()}
        row = {
            "work_item_id": guid(asked["id"], "the id of a WorkItem"),
            "relation": _relation(asked["relation"]).text,
            "object_type": _kind(asked["kind"]).text,
            "object_id": guid(asked["object"], "the id of the related entity"),
        }
        await core.job(_relate, core, viewer_of(request), row, _kind(asked["kind"]))
        return json_answer({})

    async def related(request: Request) -> Response:
        item = guid(str(request.path_params["id"]), "the id of a WorkItem")
        query = keys(request.query_params.multi_items())
        kind = _kind(query["relatedobject"]) if query.get("relatedobject") else None
        relation = _relation(query["relationtype"]) if query.get("relationtype") else None
        found = await core.job(_related, core, viewer_of(request), item, kind, relation)
        return json_answer({"Id": item, "Ancestors": [], "Related": found})

    async def parents(request: Request) -> Response:
        entity_id = guid(str(request.path_params["id"]), "the id of the related entity")
        kind = _kind(str(request.path_params["kind"]))
        named = request.path_params.get("relation")
        relation = _relation(str(named)) if named else None
        found = await core.job(_parents, core, viewer_of(request), entity_id, kind, relation)
        return json_answer({"Parents": found})

    reverse = "/api/workitems/relatedentityid/{id}/type/{kind}"
    return [
        Route("/api/workitems/{id}/related/{relation}/{kind}/{object}", relate, methods=["POST"]),
        Route("/api/workitems/{id}/related", related, methods=["GET"]),
        Route(reverse, parents, methods=["GET"]),
        Route(f"{reverse}/relation/{{relation}}", parents, methods=["GET"]),
    ]


def _relation(name: str) -> RelationType:
    for member in RelationType:
        if member.code >= 0 and name.lower() in {member.text.lower(), str(member.code)}:
            return member
    raise Refused(400, f"a relation is DependsOn or Created, not {name!r}"[:400])


def _kind(name: str) -> EntityKind:
    for kind in EntityKind:
        if kind.code >= 0 and name.lower() == kind.text.lower():
            return kind
    names = ", ".join(kind.text for kind in EntityKind if kind.code >= 0)
    raise Refused(400, f"a related entity is one of {names}, not {name!r}"[:400])


def _relate(core: Core, viewer: Viewer, row: dict[str, str], kind: EntityKind) -> None:
    with core.database.writing() as connection:
        require_own(connection, EntityKind.WORK_ITEM, row["work_item_id"], viewer)
        require_entity(connection, kind, row["object_id"], viewer)
        if kind is EntityKind.WORK_ITEM and row["relation"] == RelationType.DEPENDS_ON.text:
            refuse_circle(connection, row["work_item_id"], row["object_id"])
        connection.execute(insert(schema.relations).values(row).on_conflict_do_nothing())


def _related(
    core: Core, viewer: Viewer, item: str, kind: EntityKind | None, relation: RelationType | None
) -> list[dict[str, str]]:
    table = schema.relations
    wanted = select(table.c.object_id, table.c.object_type, table.c.relation).where(table.c.work_item_id == item)
    if kind is not None:
        wanted = wanted.where(table.c.object_type == kind.text)
    if relation is not None:
        wanted = wanted.where(table.c.relation == relation.text)
    with core.database.reading() as connection:
        require_entity(connection, EntityKind.WORK_ITEM, item, viewer)
        return [
            {"Id": str(found), "ObjectType": str(what), "Relationship": str(how)}
            for found, what, how in connection.execute(wanted)
        ]


def _parents(
    core: Core, viewer: Viewer, entity_id: str, kind: EntityKind, relation: RelationType | None
) -> list[dict[str, str]]:
    table, items = schema.relations, schema.work_items
    wanted = (
        select(table.c.work_item_id)
        .join(items, items.c.id == table.c.work_item_id)
        .where(table.c.object_id == entity_id, table.c.object_type == kind.text, items.c.removed_at.is_(None))
        .where(*sees(viewer, EntityKind.WORK_ITEM))
        .distinct()
    )
    if relation is not None:
        wanted = wanted.where(table.c.relation == relation.text)
    with core.database.reading() as connection:
        return [{"Id": str(found)} for found in connection.scalars(wanted)]

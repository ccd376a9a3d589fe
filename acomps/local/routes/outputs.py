"""The files that simulations and work items leave behind (protocol 6.14 and 6.16)."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select
from starlette.responses import PlainTextResponse, Response

from acomps.entities.states import EntityKind
from acomps.local.accounts.viewers import EVERYBODY
from acomps.local.errors import Refused
from acomps.local.files.outputs import open_inside, tree, walk
from acomps.local.files.ranges import serve_file
from acomps.local.gate import links_for, require_link, viewer_of
from acomps.local.jsons import guid
from acomps.local.records import schema
from acomps.local.records.database import Look
from acomps.local.records.finding import require_seen
from acomps.local.records.queries import keys
from acomps.local.records.visibility import sees
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core
    from acomps.local.files.links import Links
    from acomps.local.files.outputs import Entry
    from acomps.local.records.places import Place

__all__ = ["directory_of", "kind_of", "routes"]

_KINDS: Final = {"simulations": EntityKind.SIMULATION, "workitems": EntityKind.WORK_ITEM}

_OF_WORK_ITEM: Final = Look(
    select(schema.work_items.c.id, schema.work_items.c.working_directory).where(
        schema.work_items.c.id == bindparam("owner"),
        schema.work_items.c.removed_at.is_(None),
        schema.work_items.c.working_directory.is_not(None),
    )
)
_JOBS: Final = (
    select(schema.jobs.c.id, schema.jobs.c.working_directory)
    .join(schema.simulations, schema.simulations.c.id == schema.jobs.c.simulation_id)
    .where(schema.jobs.c.simulation_id == bindparam("owner"), schema.simulations.c.removed_at.is_(None))
)
_NEWEST: Final = Look(_JOBS.order_by(schema.jobs.c.job_id.desc()).limit(1))
_NAMED: Final = Look(_JOBS.where(schema.jobs.c.id == bindparam("job")))


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    def remembered(viewer: Viewer | None, collection: str, entity_id: str, job_id: str | None) -> Place | None:
        """The same as `directory_of`; whoever lists a directory asks for its files next."""

        def look() -> Place | None:
            return directory_of(core, viewer, kind_of(collection), entity_id, job_id)

        everything = viewer is None or viewer.peers is None
        return core.places.find(collection, entity_id, job_id, look) if everything else look()

    async def listing(request: Request) -> Response:
        collection = str(request.path_params["collection"])
        entity_id = guid(str(request.path_params["id"]), "the id in the path")
        query = keys(request.query_params.multi_items())
        job = query.get("hpcjobid")
        job_id = guid(job, "hpcjobid") if job else None
        links, viewer = links_for(request, core), viewer_of(request)
        found = walk if query.get("flatten", "0").lower() in {"1", "true"} else tree

        def answer() -> Response:
            place = remembered(viewer, collection, entity_id, job_id)
            if place is None:
                # Clients know this answer by its having no ResponseMessage.
                return PlainTextResponse("no job has been submitted yet", 404)
            owner, folder = uuid.UUID(place[0]), place[1]
            return json_answer(
                {"Resources": [_document(entry, links, collection, entity_id, owner) for entry in found(folder)]}
            )

        return await core.job(answer)

    async def resource(request: Request) -> Response:
        collection = str(request.path_params["collection"])
        entity_id = guid(str(request.path_params["id"]), "the id in the path")
        job_id = guid(str(request.path_params["job"]), "the job in the path")
        path = str(request.path_params["path"])
        viewer = require_link(request, core, f"{job_id}/{path}")

        def opening() -> int:
            place = remembered(viewer, collection, entity_id, job_id)
            if place is None:
                raise Refused(404, f"there is no job {job_id}")
            return open_inside(place[1], path)

        return await serve_file(core, request, opening, path)

    return [
        Route("/asset/outputs/{collection}/{id}/{job}/{path:path}", resource, methods=["GET"]),
        Route("/asset/{collection}/{id}/output", listing, methods=["GET"]),
    ]


def kind_of(collection: str) -> EntityKind:
    """The kind of entity that a path names."""
    kind = _KINDS.get(collection)
    if kind is None:
        raise Refused(404, f"outputs belong to Simulations and WorkItems, not to {collection!r}"[:400])
    return kind


def directory_of(
    core: Core, viewer: Viewer | None, kind: EntityKind, entity_id: str, job_id: str | None
) -> Place | None:
    """The job and its working directory, the newest one where none is named; None when there is no such job.

    Without a `viewer` a signed link asks, which has been given to somebody who may see it.
    """
    viewer = viewer or EVERYBODY
    if kind is EntityKind.WORK_ITEM:
        # A work item has no jobs: its own id stands for its one directory.
        found = core.database.first(_OF_WORK_ITEM, owner=entity_id) if job_id in {None, entity_id} else None
    elif job_id is None:
        found = core.database.first(_NEWEST, owner=entity_id)
    else:
        found = core.database.first(_NAMED, owner=entity_id, job=job_id)
    # What is found is there; whether it is theirs to see is no question for who sees everything.
    if found is None or sees(viewer, kind):
        require_seen(core.database, kind, entity_id, viewer)
    if found is None:
        return None
    owner, directory = found
    return str(owner), _inside(core, str(directory))


def _inside(core: Core, directory: str) -> Path:
    """A working directory, which must really lie where the service has made it: programs can move and link folders."""
    if not core.environments.hold(directory):
        raise Refused(404, "the working directory is not where it was made")
    return Path(directory)


def _document(entry: Entry, links: Links, collection: str, entity_id: str, owner: uuid.UUID) -> dict[str, object]:
    is_file = entry.type in {"File", "SymLinkFile"}
    url = links.output(collection, entity_id, str(owner), entry.path) if is_file else None
    document = entry.document(owner, url)
    if entry.type == "Directory":
        document["Items"] = [_document(child, links, collection, entity_id, owner) for child in entry.children]
    return document

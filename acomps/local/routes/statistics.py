"""Experiments with statistics about their simulations (protocol 6.12), for whoever asks for `statsoperations`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from sqlalchemy import func, select
from starlette.responses import Response
from starlette.routing import Match

from acomps.entities.states import EntityKind
from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body
from acomps.local.gate import links_for, viewer_of
from acomps.local.jsons import decode, dumps, guid, renamed
from acomps.local.records import schema
from acomps.local.records.database import given_ids
from acomps.local.records.documents import page_columns, page_documents
from acomps.local.records.finding import unknown
from acomps.local.records.queries import keys, read_listing
from acomps.local.records.statistics import OPERATIONS, statistics_of
from acomps.local.records.visibility import sees
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import Scope

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core
    from acomps.local.files.links import Links
    from acomps.local.records.queries import Listing

__all__ = ["routes"]

_PATH: Final = "/api/experiments"
_WANTED: Final = "statsoperations"
#: What a request for one experiment may say about its answer; anything else is for lists.
_SHAPING: Final = {"fields", "children", "coalesceconfig"}
_MOST_EXPERIMENTS: Final = 10_000


class _WithStatistics(Route):
    """A route for requests that ask for statistics; any other one goes on to the next route of the same path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if _WANTED.encode() in scope.get("query_string", b"").lower():
            return super().matches(scope)
        return Match.NONE, {}


def routes(core: Core) -> list[Route]:
    """The routes of this module; they come before those of the experiments themselves."""

    def listing_of(request: Request, query: Mapping[str, str]) -> Listing:
        return read_listing(EntityKind.EXPERIMENT, query, viewer_of(request), core.settings.max_page)

    async def list_all(request: Request) -> Response:
        query = keys(request.query_params.multi_items())
        listing, links = listing_of(request, query), links_for(request, core)
        body, headers = await core.job(_listed, core, listing, links, _operations(query))
        return Response(body, media_type="application/json", headers=headers)

    async def get(request: Request) -> Response:
        query = keys(request.query_params.multi_items())
        wanted = guid(str(request.path_params["id"]), "the id of an Experiment")
        shaping = {name: value for name, value in query.items() if name in _SHAPING}
        listing, links = listing_of(request, {**shaping, "id": wanted}), links_for(request, core)
        body, _ = await core.job(_listed, core, listing, links, _operations(query), wanted)
        return Response(body, media_type="application/json")

    async def post(request: Request) -> Response:
        operations = _operations(keys(request.query_params.multi_items()))
        body = await read_body(request, core.settings.max_json_bytes)
        return json_answer(await core.job(_summed, core, viewer_of(request), _ids(body), operations))

    return [
        Route(f"{_PATH}/stats", post, methods=["POST"]),
        _WithStatistics(_PATH, list_all, methods=["GET"]),
        _WithStatistics(f"{_PATH}/{{id}}", get, methods=["GET"]),
    ]


def _operations(query: Mapping[str, str]) -> Sequence[str]:
    """The statistics that are asked for; all of them when none is named."""
    named = [name.strip().lower() for name in query.get(_WANTED, "").split(",") if name.strip()]
    strange = [name for name in named if name not in OPERATIONS]
    if strange:
        raise Refused(400, f"statsoperations has {strange[0]!r}; there are {', '.join(OPERATIONS)}"[:400])
    return named or [*OPERATIONS]


def _ids(body: bytes) -> list[str]:
    """The experiments that a request names: a list of ids, or an object that holds one."""
    document = decode(body)
    given = document
    if isinstance(document, dict):
        given = renamed(document, {"ids": "ids", "experimentids": "ids", "experiments": "ids"}).get("ids")
    if not isinstance(given, list):
        raise Refused(400, 'the request\'s body must be {"Ids": [...]}')
    if len(given) > _MOST_EXPERIMENTS:
        raise Refused(400, f"{len(given)} experiments are more than the {_MOST_EXPERIMENTS} of one request")
    return [guid(item, "each of the Ids") for item in given]


def _summed(core: Core, viewer: Viewer, ids: Sequence[str], operations: Sequence[str]) -> dict[str, object]:
    visible = sees(viewer, EntityKind.EXPERIMENT)
    with core.database.reading() as connection:
        if visible:
            known = select(schema.experiments.c.id).where(schema.experiments.c.id.in_(given_ids()), *visible)
            ids = list(connection.scalars(known, {"ids": dumps(ids)}))
        return {"Stats": statistics_of(connection, ids, operations)}


def _listed(
    core: Core, listing: Listing, links: Links, operations: Sequence[str], wanted: str | None = None
) -> tuple[bytes, dict[str, str]]:
    """The body of an answer, and Content-Range when it is not all; 404 when the one that is `wanted` is not there."""
    table = schema.experiments
    columns = [table.c[name] for name in page_columns(listing)]
    statement = select(*columns).where(*listing.conditions).order_by(*listing.order)
    with core.database.reading() as connection:
        total = connection.scalar(select(func.count()).select_from(table).where(*listing.conditions)) or 0
        if wanted is not None and not total:
            raise unknown(EntityKind.EXPERIMENT, wanted)
        rows = connection.execute(statement.limit(listing.count).offset(listing.offset)).all()
        documents = page_documents(connection, listing, rows, links)
        place = page_columns(listing).index("id")
        stats = statistics_of(connection, [str(row[place]) for row in rows], operations)
    headers: dict[str, str] = {}
    if 0 < len(rows) < total:
        headers["Content-Range"] = f"{listing.offset}-{listing.offset + len(rows) - 1}/{total}"
    return orjson.dumps({"Experiments": documents, "Stats": stats}), headers

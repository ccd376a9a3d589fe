"""The routes that all five kinds of entities share (protocol 6.2 to 6.10)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from acomps.entities.states import EntityKind, SimulationState
from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body, with_form
from acomps.local.gate import links_for, viewer_of
from acomps.local.jsons import decode, guid, objects, own_object, renamed
from acomps.local.records import tagging, transitions
from acomps.local.records.asset_collections import save_collections
from acomps.local.records.drafts import DraftReader, read_collection
from acomps.local.records.finding import require_own
from acomps.local.records.listing import answer_list, answer_one
from acomps.local.records.queries import keys, read_listing
from acomps.local.records.saving import save
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route
from acomps.wire.spelling import SPELLINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core
    from acomps.local.files.forms import Form
    from acomps.local.jsons import JSON
    from acomps.local.records.queries import Listing

__all__ = ["EntityRoutes"]

_WITH_FILES: Final = {EntityKind.SIMULATION, EntityKind.WORK_ITEM, EntityKind.ASSET_COLLECTION}
#: What a request for one entity may say about its answer; anything else is for lists.
_SHAPING: Final = {"fields", "children", "coalesceconfig"}


class EntityRoutes:
    """List, get, save, tag, commission, cancel and delete for one kind."""

    def __init__(self, core: Core, kind: EntityKind, wake: Callable[[], None]) -> None:
        self._core = core
        self._kind = kind
        self._wake = wake
        self._plural = SPELLINGS[kind].plural

    def routes(self) -> list[Route]:
        """The routes of this kind; asset collections never change and are never deleted by clients."""
        path = f"/api/{self._plural.lower()}"
        save_them = self.save_form if self._kind in _WITH_FILES else self.save_json
        found = [
            Route(path, self.list_all, methods=["GET"]),
            Route(path, save_them, methods=["POST"]),
            Route(f"{path}/{{id}}", self.get, methods=["GET"]),
            Route(f"{path}/{{id}}/tags", self.tag, methods=["POST"]),
        ]
        if self._kind is not EntityKind.ASSET_COLLECTION:
            found.append(Route(f"{path}/{{id}}/state/{{state}}", self.change_state, methods=["PUT"]))
            found.append(Route(f"{path}/{{id}}", self.delete, methods=["DELETE"]))
        return found

    def _id(self, request: Request) -> str:
        return guid(str(request.path_params["id"]), f"the id of a {self._kind.text}")

    def _listing(self, request: Request, query: Mapping[str, str]) -> Listing:
        return read_listing(self._kind, query, viewer_of(request), self._core.settings.max_page)

    async def list_all(self, request: Request) -> Response:
        """A page of entities."""
        listing = self._listing(request, keys(request.query_params.multi_items()))
        return await answer_list(self._core, listing, links_for(request, self._core))

    async def get(self, request: Request) -> Response:
        """One entity, in the shape of a list."""
        entity_id = self._id(request)
        query = keys(request.query_params.multi_items())
        shaping = {name: value for name, value in query.items() if name in _SHAPING}
        listing = self._listing(request, shaping)
        return await answer_one(self._core, listing, entity_id, links_for(request, self._core))

    async def save_json(self, request: Request) -> Response:
        """Create or update suites or experiments."""
        viewer = viewer_of(request)
        body = await read_body(request, self._core.settings.max_json_bytes)
        return json_answer({"Ids": await self._core.job(self._save_json, body, viewer)})

    def _save_json(self, body: bytes, viewer: Viewer) -> list[str]:
        given = renamed(own_object(decode(body), "the request's body"), {self._plural.lower(): "list"})
        if "list" not in given:
            raise Refused(400, f'the request\'s body must be {{"{self._plural}": [...]}}')
        return self._save(given["list"], viewer, {})

    async def save_form(self, request: Request) -> Response:
        """Create or update entities with files; the contents come along."""
        group = keys(request.query_params.multi_items()).get("groupnames")
        use = partial(self._save_form, viewer_of(request), group)
        return json_answer({"Ids": await with_form(self._core, request, use)})

    def _save_form(self, viewer: Viewer, group: str | None, form: Form) -> list[str]:
        return self._save(decode(form.document, "the first part"), viewer, form.contents, group)

    def _save(self, documents: JSON, viewer: Viewer, arrived: Mapping[str, int], group: str | None = None) -> list[str]:
        entities = objects(documents, f"the list of {self._plural}")
        most = self._core.settings.max_entities_per_request
        if len(entities) > most:
            raise Refused(400, f"{len(entities)} entities are more than the {most} that one request may hold")
        if self._kind is EntityKind.ASSET_COLLECTION:
            collections = [read_collection(entity) for entity in entities]
            return save_collections(self._core, viewer, collections, arrived, group)
        reader = DraftReader(self._kind, self._core.environments.of(viewer), viewer.name)
        return save(self._core, self._kind, viewer, [reader.read(entity) for entity in entities], arrived)

    async def tag(self, request: Request) -> Response:
        """Merge, replace or delete tags."""
        entity_id = self._id(request)
        body = await read_body(request, self._core.settings.max_json_bytes)
        await self._core.job(self._tag, entity_id, body, viewer_of(request))
        return json_answer({})

    def _tag(self, entity_id: str, body: bytes, viewer: Viewer) -> None:
        given = renamed(own_object(decode(body), "the request's body"), {"tags": "tags", "operationmode": "mode"})
        what = tagging.operation(given.get("mode"))
        tags = tagging.read_tags(given.get("tags", {}))
        with self._core.database.writing() as connection:
            require_own(connection, self._kind, entity_id, viewer)
            tagging.change(connection, entity_id, what, tags)

    async def change_state(self, request: Request) -> Response:
        """Commission or cancel."""
        entity_id = self._id(request)
        wanted = str(request.path_params["state"])
        if wanted.lower() == SimulationState.COMMISSION_REQUESTED.text.lower():
            change = transitions.commission
        elif wanted.lower() == SimulationState.CANCEL_REQUESTED.text.lower():
            change = transitions.cancel
        else:
            raise Refused(400, f"a client can ask for CommissionRequested or CancelRequested, not for {wanted!r}"[:400])

        viewer = viewer_of(request)

        def work() -> None:
            with self._core.database.writing() as connection:
                change(connection, self._core, self._kind, entity_id, viewer)

        await self._core.job(work)
        self._wake()
        return json_answer({})

    async def delete(self, request: Request) -> Response:
        """Take the entity and all below it out of sight."""
        entity_id = self._id(request)
        at_once = keys(request.query_params.multi_items()).get("expirenow", "").lower() in {"true", "1"}

        viewer = viewer_of(request)

        def work() -> None:
            with self._core.database.writing() as connection:
                transitions.delete(connection, self._core, self._kind, entity_id, viewer, at_once=at_once)
            self._core.places.forget()

        await self._core.job(work)
        self._wake()
        return json_answer({})

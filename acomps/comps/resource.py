"""The verbs that every kind of entity has: get, list, iterate, count, refresh, tags; and those of what can run."""

from __future__ import annotations

import dataclasses
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from acomps.collector import paused
from acomps.entities import TagOperation
from acomps.entities.checks import as_uuid
from acomps.entities.record import Record
from acomps.errors import NotFound, OutcomeUnknown, Refused, ServerFailed, UsageError, ValidationFailed
from acomps.events import Listed, Sink, ignore
from acomps.query import Query
from acomps.streams import produced
from acomps.transport import Replay, in_doubt
from acomps.wire.decode import confirmed, decode_changes, decode_entities, decode_rows, only, rows
from acomps.wire.encode import encode, tags_document
from acomps.wire.params import query_params

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from anyio.streams.memory import MemoryObjectSendStream

    from acomps.entities.tags import TagValue
    from acomps.settings import Settings
    from acomps.transport import Answer, Channel
    from acomps.wire.spelling import Spelling

__all__ = ["Reference", "Resource", "Runnable", "id_of"]

E = TypeVar("E", bound=Record)
T = TypeVar("T")
Reference = uuid.UUID | str | Record

#: Answers above this size are decoded in a thread, so that the loop goes on.
_DECODE_INLINE_BYTES: Final = 64 * 1024
#: The first page of whole entities is this long, and each one twice as long as the one before: reading begins early,
#: and earlier still when something is done with each entity.
_FIRST_LISTED: Final = 1_000
_FIRST_ITERATED: Final = 100
#: The service leaves out `count` and `offset` of 0, and gives entities in no order unless it is told one.
_STABLE_ORDER: Final = "Id"


def id_of(reference: Reference, what: str) -> uuid.UUID:
    """The id behind an id, its text, or a saved entity; `what` names it in the error."""
    return reference.saved_id if isinstance(reference, Record) else as_uuid(reference, f"the id of the {what}")


class _Page:
    """A page of a listing as it came; its rows are there once somebody has needed them."""

    __slots__ = ("answer", "rows")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.rows: Sequence[object] | None = None

    @property
    def total(self) -> int | None:
        """How many entities there are in all, where the service says so: it does when the page is not all of them."""
        total = self.answer.headers.get("content-range", "").rpartition("/")[2]
        return int(total) if total.isdecimal() else None


class Resource(Generic[E]):
    """One kind of entity on the server."""

    def __init__(self, channel: Channel, settings: Settings, kind: type[E], spelling: Spelling) -> None:
        self._channel = channel
        self._settings = settings
        self._kind = kind
        self._spelling = spelling
        self._path = f"/{spelling.plural}"
        self._what = spelling.kind.text

    async def get(self, reference: Reference, query: Query | None = None) -> E:
        """The entity with this id, with the fields and children that `query` selects; NotFound when there is none."""
        document = await self._get_one(reference, query or Query())
        return only(decode_entities(self._kind, document), f"{self._what} {id_of(reference, self._what)}")

    async def list(self, query: Query | None = None, *, on_progress: Sink = ignore) -> list[E]:
        """All entities that `query` describes, however many pages that takes; one comes while another is read."""
        found: list[E] = []
        async with aclosing(self._decoded(query or Query(), _FIRST_LISTED, on_progress)) as pages:
            async for entities in pages:
                found += entities
        return found

    async def iterate(self, query: Query | None = None, *, on_progress: Sink = ignore) -> AsyncGenerator[E]:
        """The entities that `query` describes, one after another; few pages of them are in memory at a time."""
        async with aclosing(self._decoded(query or Query(), _FIRST_ITERATED, on_progress)) as pages:
            async for entities in pages:
                for entity in entities:
                    yield entity

    async def count(self, query: Query | None = None) -> int:
        """How many entities `query` describes, without fetching them."""
        params = {**query_params((query or Query()).select("id"), self._spelling), "count": "1"}
        answer = await self._read(self._path, params, f"count {self._spelling.plural}")
        total = _Page(answer).total
        return len(rows(answer.json(), self._spelling.plural)) if total is None else total

    async def refresh(self, entity: E, query: Query | None = None) -> E:
        """`entity` with what the server says now; fields that `query` does not select stay as they are."""
        document = await self._get_one(entity, query or Query())
        raw = only(rows(document, self._spelling.plural), entity.described)
        return confirmed(dataclasses.replace(entity, **decode_changes(self._kind, raw)))

    async def set_tags(self, reference: Reference, tags: Mapping[str, TagValue]) -> None:
        """Replace all tags."""
        await self._tag(reference, tags, TagOperation.REPLACE)

    async def merge_tags(self, reference: Reference, tags: Mapping[str, TagValue]) -> None:
        """Add tags, and overwrite those of the same name."""
        await self._tag(reference, tags, TagOperation.MERGE)

    async def delete_tags(self, reference: Reference, *names: str) -> None:
        """Remove the tags with these names; a name that is not there does not matter."""
        await self._tag(reference, dict.fromkeys(names), TagOperation.DELETE)

    async def _tag(self, reference: Reference, tags: Mapping[str, TagValue], operation: TagOperation) -> None:
        entity_id = id_of(reference, self._what)
        await self._channel.call(
            "POST",
            f"{self._path}/{entity_id}/tags",
            operation=f"{operation.text.lower()} tags of {self._what} {entity_id}",
            replay=Replay.SAFE,
            json=encode(tags_document(tags, operation)),
        )

    async def _get_one(self, reference: Reference, query: Query) -> object:
        if query.conditions or query.tag_conditions or query.first or query.count:
            raise UsageError("a query for a single entity selects fields and children; it cannot filter or page")
        entity_id = id_of(reference, self._what)
        params = query_params(query, self._spelling)
        answer = await self._read(f"{self._path}/{entity_id}", params, f"get {self._what} {entity_id}")
        return answer.json()

    async def _decoded(self, query: Query, first: int, on_progress: Sink) -> AsyncGenerator[Sequence[E]]:
        """The listing, page by page; one is on its way while another is read."""

        async def fetch(send: MemoryObjectSendStream[_Page]) -> None:
            async for page in self._pages(query, first):
                await send.send(page)

        total = 0
        async with aclosing(produced(fetch, 0)) as pages:
            async for page in pages:
                entities = await self._in_thread(page, self._entities)
                total += len(entities)
                on_progress(Listed(entities=len(entities), total=total))
                yield entities

    async def _pages(self, query: Query, first: int) -> AsyncIterator[_Page]:
        """The listing, page by page; none is read before it must be, so that the next one can be on its way."""
        params = query_params(query, self._spelling)
        params.setdefault("orderby", _STABLE_ORDER)
        left = query.count
        offset = query.first
        largest = self._settings.page_size
        allowed = largest if query.fields else min(largest, first)
        while left is None or left > 0:
            size = allowed if left is None else min(left, allowed)
            allowed = min(largest, 2 * allowed)
            paging = {"count": str(size), **({"offset": str(offset)} if offset else {})}
            page = _Page(await self._read(self._path, {**params, **paging}, f"list {self._spelling.plural}"))
            offset += size
            left = None if left is None else left - size
            total = page.total
            more = total > offset if total is not None else len(await self._in_thread(page, self._rows)) == size
            yield page
            if not more:
                return

    def _rows(self, page: _Page) -> Sequence[object]:
        if page.rows is None:
            page.rows = rows(page.answer.json(), self._spelling.plural)
        return page.rows

    def _entities(self, page: _Page) -> Sequence[E]:
        with paused():
            found = self._rows(page)
            entities = decode_rows(self._kind, found)
            # What the collector would only look at in vain is gone before it goes on.
            page.rows = None
            del found
        return entities

    async def _in_thread(self, page: _Page, work: Callable[[_Page], T]) -> T:
        """`work` on a page, in a thread unless it is small."""
        if len(page.answer.content) <= _DECODE_INLINE_BYTES:
            return work(page)
        return await self._channel.threads.run(work, page)

    async def _read(self, path: str, params: Mapping[str, str], operation: str) -> Answer:
        return await self._channel.call("GET", path, operation=operation, replay=Replay.SAFE, query=[*params.items()])


class Runnable(Resource[E]):
    """A kind of entity that can be commissioned, cancelled and deleted."""

    async def commission(self, reference: Reference) -> None:
        """Ask the server to run what is in Created: the simulations below it, or the entity itself.

        Can be called again while simulations are still being added. ValidationFailed when there is nothing to run.
        """
        await self._request_state(reference, "CommissionRequested")

    async def cancel(self, reference: Reference) -> None:
        """Ask the server to stop what is active. ValidationFailed when there is nothing to stop."""
        await self._request_state(reference, "CancelRequested")

    async def delete(self, reference: Reference, *, expire_now: bool = False) -> None:
        """Delete the entity and all below it. It vanishes at once; its files later, or now with `expire_now`."""
        entity_id = id_of(reference, self._what)
        await self._once(
            "DELETE",
            f"{self._path}/{entity_id}",
            f"delete {self._what} {entity_id}",
            done=NotFound,
            query=[("expirenow", "True")] if expire_now else [],
        )

    async def _request_state(self, reference: Reference, state: str) -> None:
        entity_id = id_of(reference, self._what)
        path = f"{self._path}/{entity_id}/State/{state}"
        await self._once("PUT", path, f"set {self._what} {entity_id} to {state}", done=ValidationFailed)

    async def _once(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        done: type[Refused],
        query: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A request that the server refuses with `done` when there is nothing (left) to do."""
        try:
            await self._channel.call(method, path, operation=operation, replay=Replay.CHECKED, query=query)
        except (OutcomeUnknown, ServerFailed) as error:
            if not in_doubt(error):
                raise
            try:
                await self._channel.call(method, path, operation=operation, replay=Replay.SAFE, query=query)
            except done:
                # The request of which the answer was lost has done it.
                return

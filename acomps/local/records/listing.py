"""Answering list requests: small ones at once, large ones as a stream of pages out of one moment of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from sqlalchemy import func, select
from starlette.responses import Response, StreamingResponse

from acomps.local.records import schema
from acomps.local.records.documents import page_columns, page_documents
from acomps.local.records.finding import unknown
from acomps.wire.spelling import SPELLINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from acomps.local.core import Core
    from acomps.local.files.links import Links
    from acomps.local.records.queries import Listing

__all__ = ["answer_list", "answer_one"]

#: So many entities are read and encoded in one go.
CHUNK: Final = 2_000


async def answer_one(core: Core, listing: Listing, entity_id: str, links: Links) -> Response:
    """One entity in the shape of a list, or 404."""

    def work() -> bytes:
        table = schema.TABLES[listing.kind]
        columns = [table.c[name] for name in page_columns(listing)]
        with core.database.reading() as connection:
            rows = connection.execute(select(*columns).where(table.c.id == entity_id, *listing.conditions)).all()
            if not rows:
                raise unknown(listing.kind, entity_id)
            document = {SPELLINGS[listing.kind].plural: page_documents(connection, listing, rows, links)}
        return orjson.dumps(document)

    return Response(await core.job(work), media_type="application/json")


async def answer_list(core: Core, listing: Listing, links: Links) -> Response:
    """A page of entities, with Content-Range when it is not all of them."""
    page = await core.job(_Page, core, listing, links)
    if page.complete:
        return Response(page.beginning + b"]}", media_type="application/json", headers=page.headers())
    return StreamingResponse(page.stream(), media_type="application/json", headers=page.headers())


class _Page:
    """The answer to one list request. Making it blocks; what does not fit into one chunk is read while it is sent."""

    def __init__(self, core: Core, listing: Listing, links: Links) -> None:
        self._core = core
        self._listing = listing
        self._links = links
        self._sent = 0
        self._connection = core.database.snapshot()
        try:
            self._total = self._counted()
            self._length = max(0, min(listing.count, self._total - listing.offset))
            self._chunks = self._encoded()
            self.beginning = b'{"' + SPELLINGS[listing.kind].plural.encode() + b'":[' + next(self._chunks)
        except BaseException:
            self._connection.close()
            raise
        self.complete = self._sent >= self._length
        if self.complete:
            self._connection.close()

    def headers(self) -> dict[str, str]:
        """Content-Range, when this is a part of the whole."""
        if self._length in {0, self._total}:
            return {}
        first = self._listing.offset
        return {"Content-Range": f"{first}-{first + self._length - 1}/{self._total}"}

    async def stream(self) -> AsyncIterator[bytes]:
        """The answer in chunks."""
        try:
            yield self.beginning
            while self._sent < self._length:
                yield b"," + await self._core.job(next, self._chunks)
            yield b"]}"
        finally:
            self._connection.close()

    def _counted(self) -> int:
        table = schema.TABLES[self._listing.kind]
        counted = select(func.count()).select_from(table).where(*self._listing.conditions)
        return self._connection.scalar(counted) or 0

    def _encoded(self) -> Iterator[bytes]:
        listing = self._listing
        table = schema.TABLES[listing.kind]
        columns = [table.c[name] for name in page_columns(listing)]
        statement = (
            select(*columns)
            .where(*listing.conditions)
            .order_by(*listing.order)
            .limit(self._length)
            .offset(listing.offset)
            .execution_options(yield_per=CHUNK)
        )
        for rows in self._connection.execute(statement).partitions():
            documents = page_documents(self._connection, listing, rows, self._links)
            self._sent += len(documents)
            yield orjson.dumps(documents)[1:-1]
        yield b""

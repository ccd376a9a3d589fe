"""The requests of this gateway: every one has a JSON body, which says who asks where the route wants to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import orjson

from acomps.cybergis.dialect import TOKEN_FIELD
from acomps.cybergis.reading import NOTHING
from acomps.transport import Replay

if TYPE_CHECKING:
    from acomps.cybergis.access import Access
    from acomps.cybergis.reading import JsonObject
    from acomps.events import Sink
    from acomps.transport import Channel, Clock

__all__ = ["Line", "Look", "segment"]

_NOT_MODIFIED: Final = 304


def segment(name: str) -> str:
    """An id as one part of a path, whatever is in it."""
    return quote(name, safe="")


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: the document, None if it is the same as before, and the tag to say so the next time."""

    document: object | None
    tag: str | None


class Line:
    """One server, and who asks it."""

    def __init__(self, channel: Channel, access: Access, sink: Sink, clock: Clock) -> None:
        self.channel, self.access, self.sink, self.clock = channel, access, sink, clock

    @property
    def server(self) -> str:
        """The root URL of the server."""
        return self.channel.address.root

    async def ask(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        replay: Replay = Replay.SAFE,
        body: JsonObject = NOTHING,
        anonymous: bool = False,
        on_event: Sink | None = None,
    ) -> object:
        """The decoded answer. Each request with a token costs the server a call to the hub; `anonymous` has none."""
        answer = await self.channel.call(
            method,
            path,
            operation=operation,
            replay=replay,
            json=await self._body(body, anonymous=anonymous),
            on_event=on_event,
        )
        return answer.json()

    async def look(self, path: str, *, operation: str, tag: str | None) -> Look:
        """What a GET answers, if it is not what it was when the server gave `tag`."""
        answer = await self.channel.call(
            "GET",
            path,
            operation=operation,
            replay=Replay.SAFE,
            json=await self._body(NOTHING, anonymous=False),
            headers={"If-None-Match": tag} if tag else {},
        )
        if answer.status == _NOT_MODIFIED:
            return Look(None, tag)
        return Look(answer.json(), answer.headers.get("etag"))

    async def _body(self, body: JsonObject, *, anonymous: bool) -> bytes:
        if anonymous:
            return orjson.dumps(dict(body))
        return orjson.dumps({TOKEN_FIELD: (await self.access.current()).encoded, **body})

"""Contents that several entities share: stored on the server once, ahead, and then referred to by md5."""

from __future__ import annotations

import logging
import uuid
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from acomps.comps.uploads import ASK_BYTES
from acomps.errors import ContentError, Refused
from acomps.transfer import FileContent, Measured

if TYPE_CHECKING:
    from acomps.wire.multipart import Part

__all__ = ["Contents", "Store"]

logger = logging.getLogger(__name__)

#: Makes sure that the server has these contents, sending what it lacks.
Store: TypeAlias = Callable[[Sequence[Measured]], Awaitable[None]]

#: How many md5s are remembered as stored: the memory for a sweep of any length.
_REMEMBERED: Final = 20_000
#: Up to this size a shared content travels in the first requests that need it: a round trip ahead would cost more.
_AHEAD_BYTES: Final = 64 * 1024


class Contents:
    """What the server is known to have, in one run of `save_all`. One task at a time sends any one content."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stored: OrderedDict[str, None] = OrderedDict()
        self._coming: dict[str, anyio.Event] = {}

    def has(self, part: Part) -> bool:
        """Whether a reference to this part's content is enough."""
        return part.name in self._stored

    def remember(self, parts: Iterable[Part]) -> None:
        """These contents have arrived."""
        for part in parts:
            self._stored[part.name] = None
            self._stored.move_to_end(part.name)
        while len(self._stored) > _REMEMBERED:
            self._stored.popitem(last=False)

    def forget(self, names: Iterable[str]) -> None:
        """The server turned out to lack the contents with these md5s."""
        for name in names:
            self._stored.pop(name, None)

    async def share(self, uses: Sequence[Part], *, inline_bytes: int) -> None:
        """Store ahead what is used more than once in `uses`, and what is large; wait for what others are storing."""
        counts = Counter(part.name for part in uses if part.length > _AHEAD_BYTES)
        large = min(ASK_BYTES, inline_bytes + 1)
        wanted = {
            part.name: part for part in uses if (counts[part.name] > 1 or part.length >= large) and not self.has(part)
        }
        theirs = [self._coming[name] for name in wanted if name in self._coming]
        mine = [part for name, part in wanted.items() if name not in self._coming]
        if mine:
            await self._send(mine)
        for coming in theirs:
            await coming.wait()

    async def _send(self, parts: Sequence[Part]) -> None:
        arrived = {part.name: anyio.Event() for part in parts}
        self._coming.update(arrived)
        try:
            await self._store([_measured(part) for part in parts])
            self.remember(parts)
        except (ContentError, Refused) as exc:
            # What did not arrive travels with the entities that use it, and is judged with them.
            logger.debug("%d shared contents could not be stored ahead: %s", len(parts), exc)
        finally:
            for name, event in arrived.items():
                del self._coming[name]
                event.set()


def _measured(part: Part) -> Measured:
    # A preparer makes parts of nothing else than these two.
    assert isinstance(part.content, bytes | FileContent)  # noqa: S101 - for the type checker
    return Measured(uuid.UUID(part.name), part.length, part.content)

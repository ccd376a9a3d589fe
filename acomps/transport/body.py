"""Request bodies that are streamed with a length that is known before the first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import httpx

from acomps.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["Body", "BodyStream"]


class Body(Protocol):
    """What a gateway sends: its type, its exact length, and its bytes, afresh for each iteration."""

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        ...

    @property
    def length(self) -> int:
        """How many bytes an iteration yields."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class BodyStream(httpx.AsyncByteStream):
    """One sending of a body; raises ContentError rather than send more or less than was promised.

    The last piece is held back until the iteration has ended, so a request whose body is wrong is never complete,
    and the server never acts on it.
    """

    def __init__(self, body: Body) -> None:
        self._pieces = aiter(body)
        self._length = self._left = body.length

    async def begin(self) -> None:
        """To be awaited before the head of the request is sent, which completes one without a body."""
        if not self._left:
            await self._end()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            raise ContentError(
                f"the body to be sent ended {self._left} bytes before its length of {self._length}: "
                "did a file shrink while it was sent?"
            ) from None
        self._left -= len(piece)
        if self._left < 0:
            raise self._too_long()
        if not self._left:
            await self._end()
        return piece

    async def aclose(self) -> None:
        """End the iteration where it stands, so that its files are closed now."""
        aclose: Callable[[], Awaitable[None]] | None = getattr(self._pieces, "aclose", None)
        if aclose is not None:
            await aclose()

    async def _end(self) -> None:
        async for piece in self._pieces:
            if piece:
                raise self._too_long()

    def _too_long(self) -> ContentError:
        return ContentError(
            f"the body to be sent goes on after its length of {self._length} bytes: did a file grow while it was sent?"
        )

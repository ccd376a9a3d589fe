"""An httpx transport that spreads requests over several small connection pools, least busy first.

One large httpcore pool looks at every connection for every request; small pools do not.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Final

import anyio
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["LaneTransport"]

#: Idle connections are dropped before common servers drop them (uvicorn after 5 s), so none dies under a request.
_KEEP_ALIVE_S: Final = 4.0
_CLOSE_S: Final = 5.0


class _Lane:
    __slots__ = ("busy", "pool", "retired")

    def __init__(self, pool: httpx.AsyncHTTPTransport) -> None:
        self.pool = pool
        self.busy = 0
        self.retired = False


_busy: Callable[[_Lane], int] = operator.attrgetter("busy")


class LaneTransport(httpx.AsyncBaseTransport):
    """`lanes` pools of `per_lane` connections each; a lane is busy until the response's stream is closed.

    A request that is cancelled may leave a connection that httpcore 1.0 neither uses nor closes; its lane takes no
    further requests then, and is closed when its last one is done.
    """

    def __init__(self, lanes: int, per_lane: int, verify: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> None:
        self._verify, self._proxy = verify, proxy
        self._limits = httpx.Limits(
            max_connections=per_lane, max_keepalive_connections=per_lane, keepalive_expiry=_KEEP_ALIVE_S
        )
        self._lanes = [self._new_lane() for _ in range(lanes)]
        self._retired: set[_Lane] = set()

    @property
    def busy(self) -> int:
        """How many requests are under way, or have answers that are not closed yet."""
        return sum(map(_busy, self._lanes)) + sum(map(_busy, self._retired))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request on the least busy lane."""
        lane = min(self._lanes, key=_busy)
        lane.busy += 1
        try:
            response = await lane.pool.handle_async_request(request)
        except BaseException as exc:
            await self._leave(lane, cancelled=not isinstance(exc, Exception))
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
        response.stream = _LaneStream(response.stream, lambda cancelled: self._leave(lane, cancelled=cancelled))
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        for lane in (*self._lanes, *self._retired):
            await lane.pool.aclose()
        self._retired.clear()

    def _new_lane(self) -> _Lane:
        return _Lane(httpx.AsyncHTTPTransport(verify=self._verify, limits=self._limits, proxy=self._proxy))

    async def _leave(self, lane: _Lane, *, cancelled: bool) -> None:
        lane.busy -= 1
        if cancelled and not lane.retired:
            lane.retired = True
            self._lanes[self._lanes.index(lane)] = self._new_lane()
            self._retired.add(lane)
        if lane.retired and lane.busy == 0:
            self._retired.discard(lane)
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await lane.pool.aclose()


class _LaneStream(httpx.AsyncByteStream):
    """A response's stream that frees its lane when it is closed."""

    def __init__(self, inner: httpx.AsyncByteStream, leave: Callable[[bool], Awaitable[None]]) -> None:
        self._inner, self._leave = inner, leave
        self._cancelled = self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._inner:
                yield piece
        except anyio.get_cancelled_exc_class():
            self._cancelled = True
            raise

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await self._inner.aclose()
        except anyio.get_cancelled_exc_class():
            self._cancelled = True
            raise
        finally:
            await self._leave(self._cancelled)

"""The lean transport: what httpx asks for, answered over pools of connections of our own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import httpx

from acomps.transport.lean.heads import Heads, in_chunks
from acomps.transport.lean.incoming import Incoming
from acomps.transport.lean.pool import Pool

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from acomps.transport.lean.connection import Connection

__all__ = ["LeanTransport"]

_PORTS: Final = {"http": 80, "https": 443}


class LeanTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 straight to servers, with at most `limit` connections to each; needs an asyncio loop.

    An answer may come before the body of its request is wholly sent: the rest is not sent then. Raises
    httpx.ConnectError, ConnectTimeout or PoolTimeout if nothing was sent, and other httpx.TransportErrors if something
    may have been. A connection that anything went wrong on, a cancellation included, is closed and never used again.
    """

    def __init__(self, limit: int, verify: ssl.SSLContext) -> None:
        self._limit, self._verify = limit, verify
        self._heads = Heads()
        self._pools: dict[tuple[str, str, int | None], Pool] = {}

    @property
    def busy(self) -> int:
        """How many connections are in use."""
        return sum(pool.busy for pool in self._pools.values())

    @property
    def idle(self) -> int:
        """How many connections are kept for the next requests."""
        return sum(pool.idle for pool in self._pools.values())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return at the head of its answer."""
        incoming = await self._exchange(request)
        return httpx.Response(
            incoming.status,
            headers=incoming.headers,
            stream=incoming,
            extensions={"http_version": b"HTTP/" + incoming.version, "reason_phrase": incoming.reason},
        )

    async def aclose(self) -> None:
        """Close every connection; what is under way fails."""
        for pool in self._pools.values():
            pool.close()
        self._heads = Heads()  # the old ones know the token
        await asyncio.sleep(0)  # asyncio closes the sockets in its next turn

    async def _exchange(self, request: httpx.Request) -> Incoming:
        head, left = self._heads.encoded(request)
        times: dict[str, float | None] = request.extensions.get("timeout", {})
        assert isinstance(request.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
        body = aiter(request.stream)
        if left == float("inf"):
            body = in_chunks(body)
        first = await _first(body, left)
        left -= len(first)
        pool = self._pool(request.url)
        incoming = Incoming(bodiless=request.method == "HEAD", read_s=times.get("read"))
        while True:
            connection = await pool.acquire(times.get("connect"), times.get("pool"))
            kept = connection.used
            if connection.begin(incoming, head, first, more=left > 0):
                break
            if not kept:
                raise httpx.ConnectError("the server closed the connection before anything was sent")
        try:
            if left > 0:
                await _send(connection, incoming, body, left, times.get("write"))
            while not incoming.begun:
                await connection.wait(incoming.read_s)
        except BaseException:
            incoming.abandon()
            raise
        if incoming.error is not None:
            raise incoming.error
        return incoming

    def _pool(self, url: httpx.URL) -> Pool:
        key = (url.scheme, url.host, url.port)
        pool = self._pools.get(key)
        if pool is None:
            if url.scheme not in _PORTS:
                raise httpx.UnsupportedProtocol(f"the scheme {url.scheme!r} is neither http nor https")
            context = self._verify if url.scheme == "https" else None
            host = url.raw_host.decode("ascii")
            pool = self._pools[key] = Pool(host, url.port or _PORTS[url.scheme], context, self._limit)
        return pool


async def _first(body: AsyncIterator[bytes], length: float) -> bytes:
    """The first piece; a body that is wrong already is never begun."""
    async for piece in body:
        if not piece:
            continue
        if len(piece) > length:
            raise httpx.LocalProtocolError("the body of the request is longer than announced")
        if len(piece) == length:
            await _end(body)
        return piece
    if length:
        raise httpx.LocalProtocolError("the body of the request is shorter than announced")
    return b""


async def _send(
    connection: Connection, incoming: Incoming, body: AsyncIterator[bytes], left: float, write_s: float | None
) -> None:
    """Send what follows the first piece, as fast as the server takes it, unless it answers before."""
    async for piece in body:
        if incoming.begun:
            return
        left -= len(piece)
        if left < 0:
            raise httpx.LocalProtocolError("the body of the request is longer than announced")
        connection.write(piece, last=left == 0)
        while connection.stopped and not incoming.begun:
            await connection.wait(write_s)
        if incoming.begun:
            return
    if 0 < left < float("inf"):
        raise httpx.LocalProtocolError("the body of the request is shorter than announced")
    if not incoming.begun:
        connection.write(b"", last=True)


async def _end(body: AsyncIterator[bytes]) -> None:
    async for piece in body:
        if piece:
            raise httpx.LocalProtocolError("the body of the request is longer than announced")

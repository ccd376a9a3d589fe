"""The connections to one origin: a bounded number, kept alive, the one used last handed out first."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from typing import TYPE_CHECKING, Final

import httpx

from acomps.transport.lean.connection import Connection

if TYPE_CHECKING:
    import ssl

__all__ = ["Pool"]

#: Idle connections are closed before common servers close them (uvicorn after 5 s), so none dies under a request.
_KEEP_ALIVE_S: Final = 4.0
#: When a host has several addresses, the next one is tried beside the first after this time (RFC 8305).
_NEXT_ADDRESS_S: Final = 0.25


class Pool:
    """At most `limit` connections to a host; TLS with `context`, or none. Further requests wait their turn."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, limit: int) -> None:
        self._host, self._port, self._context = host, port, context
        self._places = self._limit = limit
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # in the order in which they were given back
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def busy(self) -> int:
        """How many connections are in use or being made."""
        return self._limit - self._places - len(self._idle)

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    async def acquire(self, connect_s: float | None, pool_s: float | None) -> Connection:
        """An open connection, to be given back by its answer's end or by `drop`.

        Raises httpx.ConnectError, ConnectTimeout, or PoolTimeout when no place becomes free.
        """
        connection = self._last_used()
        while connection is None:
            if self._closed:
                raise httpx.ConnectError("the session is closed")
            if not self._places:
                connection = await self._turn(pool_s)
            else:
                self._places -= 1
                connection = await self._connected(connect_s)
        return connection

    def freed(self, connection: Connection) -> None:
        """Take back a connection whose answer is complete."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle[connection] = None
        if self._sweeper is None:
            self._sweep_at(connection.idle_since)

    def gone(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._idle.pop(connection, None)
        if connection in self._all:
            self._all.discard(connection)
            self._place_free()

    def close(self) -> None:
        """Close every connection; what is under way fails."""
        self._closed = True
        for connection in list(self._all):
            connection.drop()
        while self._queue:
            self._place_free()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _last_used(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection, _ = self._idle.popitem()
            # A look costs a microsecond, and a create that meets a connection which has just ended has an unknown
            # outcome: so all are looked at, however fresh.
            if now - connection.idle_since < _KEEP_ALIVE_S and not connection.stale():
                return connection
            connection.drop()
        return None

    async def _turn(self, pool_s: float | None) -> Connection | None:
        """Wait for a connection that is given back; None when there is room for a new one instead."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        try:
            async with asyncio.timeout(pool_s):
                connection = await waiter
        except BaseException as exc:
            if waiter.done() and not waiter.cancelled():
                self._pass_on(waiter.result())
            elif waiter in self._queue:
                self._queue.remove(waiter)
            if isinstance(exc, TimeoutError):
                raise httpx.PoolTimeout("no connection became free in time") from exc
            raise
        if connection is None:
            self._places += 1
        elif connection.closed:
            return None
        return connection

    def _pass_on(self, connection: Connection | None) -> None:
        if connection is None:
            self._place_free()
        elif not connection.closed:
            self.freed(connection)

    def _place_free(self) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._places += 1

    async def _connected(self, connect_s: float | None) -> Connection:
        try:
            async with asyncio.timeout(connect_s):
                connection = await self._connect()
        except BaseException as exc:
            self._place_free()
            if isinstance(exc, TimeoutError):
                raise httpx.ConnectTimeout(f"no connection to {self._host}:{self._port} in time") from exc
            if isinstance(exc, OSError):
                raise httpx.ConnectError(str(exc) or type(exc).__name__) from exc
            raise
        self._all.add(connection)
        if connection.closed:
            self.gone(connection)
            raise httpx.ConnectError("the connection was closed as soon as it was made")
        if self._closed:
            connection.drop()
        return connection

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        name = self._host if self._context is not None else None

        def protocol() -> Connection:
            return Connection(self, loop)

        # Other loops than asyncio's own try one address after another.
        if isinstance(loop, asyncio.BaseEventLoop) and not _is_address(self._host):
            _, connection = await loop.create_connection(
                protocol,
                self._host,
                self._port,
                ssl=self._context,
                server_hostname=name,
                happy_eyeballs_delay=_NEXT_ADDRESS_S,
            )
        else:
            _, connection = await loop.create_connection(
                protocol, self._host, self._port, ssl=self._context, server_hostname=name
            )
        return connection

    def _sweep_at(self, oldest: float) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_at(oldest + _KEEP_ALIVE_S, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long; the oldest are at the front."""
        self._sweeper = None
        limit = asyncio.get_running_loop().time() - _KEEP_ALIVE_S
        for connection in list(self._idle):
            if connection.idle_since > limit:
                self._sweep_at(connection.idle_since)
                return
            connection.drop()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

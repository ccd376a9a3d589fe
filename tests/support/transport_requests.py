"""Requests straight to a transport, and small servers that do one thing only."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

import httpx

from acomps.transport.lanes import LaneTransport
from acomps.transport.lean import LeanTransport
from acomps.transport.tls import empty_context
from support.transport_server import read_head

__all__ = ["OK", "Transport", "ask", "echo", "in_a_thread", "in_pieces", "lean", "request_for", "silent", "until"]

Transport: TypeAlias = LaneTransport | LeanTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def request_for(
    url: str,
    method: str = "GET",
    *,
    content: AsyncGenerator[bytes] | bytes | None = None,
    headers: dict[str, str] | None = None,
    **times: float,
) -> httpx.Request:
    """A request with time limits that are long except for those given."""
    limits: dict[str, float] = {"connect": 20.0, "read": 20.0, "write": 20.0, "pool": 20.0} | times
    return httpx.Request(
        method, f"{url}/x", content=content, headers={"Host": "x"} | (headers or {}), extensions={"timeout": limits}
    )


async def ask(transport: Transport, request: httpx.Request) -> httpx.Response:
    """The answer, read whole."""
    response = await transport.handle_async_request(request)
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Gives back what comes, as it comes: the bodies of requests are answered while they are sent."""
    while True:
        head = (await read_head(reader)).lower()
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            body = await reader.readexactly(int(head.rpartition(b"content-length: ")[2].split(b"\r")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()


async def in_pieces(content: bytes, size: int) -> AsyncGenerator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing until the client is gone."""
    await reader.read()


def lean(limit: int = 1) -> LeanTransport:
    return LeanTransport(limit, empty_context())


async def until(claim: Callable[[], bool]) -> None:
    """Let the loop run until the claim is true."""
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0)


@contextmanager
def in_a_thread(serve: Callable[[socket.socket, int], None]) -> Generator[str]:
    """A server that acts also while the loop is busy; it is called with each connection and its number, one by one."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number += 1
            with connection:
                serve(connection, number)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)

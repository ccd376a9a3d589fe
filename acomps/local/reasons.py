"""Heads of answers: a reason phrase in one word, as in `404 NotFound` (protocol 6.1), and no packet of their own."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from acomps.local.traffic import Traffic

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

__all__ = ["OneWordReasons"]

#: The line that uvicorn writes, and the one that goes out, for every refusal.
_LINES: Final = {
    status.value: (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode(),
        f"HTTP/1.1 {status.value} {''.join(word for word in status.phrase.title() if word.isalpha())}\r\n".encode(),
    )
    for status in HTTPStatus
    if status >= 400
}

#: A head goes out together with a body up to this size: two packets cost either side nearly twice as much as one.
_JOINED_BYTES: Final = 64 * 1024


class OneWordReasons(HttpToolsProtocol):
    """uvicorn's protocol, which has no way to choose a reason phrase: here the line is exchanged as it is written."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        traffic = self.server_state if isinstance(self.server_state, Traffic) else Traffic()
        traffic.connections_made += 1
        wire = _Wire(transport, traffic)
        super().connection_made(wire)
        self.app = _announcing(self.app, wire)

    def data_received(self, data: bytes) -> None:
        if isinstance(self.server_state, Traffic):
            self.server_state.received_bytes += len(data)
        super().data_received(data)


def _announcing(app: ASGI3Application, wire: _Wire) -> ASGI3Application:
    """`app`, which tells the wire that a head comes next: a body may look like one."""

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def announced(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.start":
                wire.expect_head(message["status"])
            await send(message)

        await app(scope, receive, announced)

    return answer


class _Wire(asyncio.Transport):
    """A transport that exchanges the status line of a refusal, and sends a head together with what follows at once."""

    def __init__(self, inner: asyncio.Transport, traffic: Traffic) -> None:
        super().__init__()
        self._inner = inner
        self._traffic = traffic
        #: The status of the head that comes next.
        self._status = 0
        self._head = b""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._inner.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def close(self) -> None:
        self._send_head()
        self._inner.close()

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    def expect_head(self, status: int) -> None:
        """The next thing that is written is a head with this status."""
        self._status = status

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, a head with the other status line where there is one."""
        if self._status:
            self._send_head()
            written, wanted = _LINES.get(self._status, (b"", b""))
            self._status, head = 0, bytes(data)
            self._head = wanted + head[len(written) :] if head.startswith(written) else head
            # A body that has to be waited for does not keep the head waiting.
            asyncio.get_running_loop().call_soon(self._send_head)
        elif self._head and len(data) <= _JOINED_BYTES:
            head, self._head = self._head, b""
            self._send(head + data)
        else:
            self._send_head()
            self._send(data)

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._send(head)

    def _send(self, data: bytes | bytearray | memoryview) -> None:
        self._traffic.sent_bytes += len(data)
        self._inner.write(data)

"""One answer as it arrives: its head, then its body, of which a bounded amount is held."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from acomps.transport.lean.connection import Connection

__all__ = ["Incoming"]

#: A server is told to wait when so many bytes lie here, and to go on when so few do.
HIGH_WATER: Final = 512 * 1024
LOW_WATER: Final = 128 * 1024


class Incoming(httpx.AsyncByteStream):
    """What a connection fills and a caller reads; `bodiless` when the request was a HEAD."""

    def __init__(self, *, bodiless: bool, read_s: float | None) -> None:
        self.bodiless, self.read_s = bodiless, read_s
        #: 0 until the head of the final answer is here.
        self.status = 0
        self.version = self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: deque[bytes] = deque()
        #: Bytes of all headers so far, of the body so far, and of the body that are still to be read.
        self.head_bytes = self.received = self.held = 0
        self.complete = False
        self.error: httpx.TransportError | None = None
        self.connection: Connection | None = None

    @property
    def begun(self) -> bool:
        """Whether there is something to tell the caller: an answer, or that there will be none."""
        return self.status != 0 or self.error is not None

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body has no length of its own, so that the end of the connection is its end."""
        framing = b""
        for name, value in self.headers:
            match name.lower():
                case b"content-length":
                    return False
                case b"transfer-encoding":
                    framing = value
                case _:
                    pass
        return not framing.lower().rstrip().endswith(b"chunked")

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        """The pieces of the body as they came; an error comes after all that arrived before it."""
        pieces = self.pieces
        try:
            while True:
                while pieces:
                    piece = pieces.popleft()
                    self.held -= len(piece)
                    if self.held <= LOW_WATER and self.connection is not None:
                        self.connection.go_on()
                    yield piece
                if self.error is not None:
                    raise self.error
                if self.complete:
                    return
                if self.connection is None:
                    raise httpx.StreamClosed
                await self.connection.wait(self.read_s)
        finally:
            self.abandon()

    async def aclose(self) -> None:
        """Drop the connection if the body was not wholly received."""
        self.abandon()

    def abandon(self) -> None:
        """Like aclose, at once; whoever else has the connection by now is not disturbed."""
        self.pieces.clear()
        connection, self.connection = self.connection, None
        if connection is not None and not self.complete:
            connection.drop()

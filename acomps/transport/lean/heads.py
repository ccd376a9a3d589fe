"""The head of a request: its bytes, checked, and how long the body behind it is."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

__all__ = ["Heads", "in_chunks"]

#: All that a head may be.
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_START: Final = re.compile(_TOKEN + rb" [!-~]+ HTTP/1\.1\r\n")
_LINES: Final = re.compile(rb"(?:" + _TOKEN + rb": (?:[!-~\x80-\xff][\t -~\x80-\xff]*)?\r\n)*\r\n")


class Heads:
    """Encodes the heads of requests. Most have the very lines of the one before, which are encoded and checked once."""

    def __init__(self) -> None:
        self._raw: list[tuple[bytes, bytes]] = []
        self._lines, self._length = b"\r\n", 0.0

    def encoded(self, request: httpx.Request) -> tuple[bytes, float]:
        """The bytes of a request's head, and the length of its body: infinite when it goes in chunks.

        Raises httpx.LocalProtocolError, which does not show the head, when it is not one.
        """
        target: bytes = request.extensions.get("target") or request.url.raw_path
        start = b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii", "replace"), target)
        if _START.fullmatch(start) is None:
            raise httpx.LocalProtocolError("the method of the request or its path holds what HTTP does not allow")
        raw = request.headers.raw
        if raw != self._raw:
            self._lines, self._length = _encoded(raw)
            self._raw = raw
        return start + self._lines, self._length


def _encoded(raw: list[tuple[bytes, bytes]]) -> tuple[bytes, float]:
    """The lines of a head after the first, and the length of the body that they describe."""
    length: float = 0
    for name, value in raw:
        match name.lower():
            case b"content-length":
                if not value.isdigit():
                    raise httpx.LocalProtocolError("the Content-Length of the request is not a number")
                length = int(value)
            case b"transfer-encoding":
                if value.lower() != b"chunked":
                    raise httpx.LocalProtocolError("the request has a Transfer-Encoding other than chunked")
                length = math.inf
            case _:
                pass
    lines = b"".join((*(b"%b: %b\r\n" % line for line in raw), b"\r\n"))
    # The count: a value that ends its line early would make the rest of it a header of its own.
    if _LINES.fullmatch(lines) is None or lines.count(b"\n") != len(raw) + 1:
        raise httpx.LocalProtocolError("a header of the request holds what HTTP does not allow")
    return lines, length


async def in_chunks(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """A body of unknown length as HTTP sends it, piece by piece."""
    async for piece in body:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"

"""The head of a request: its bytes, checked, and how long the body behind it is."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

__all__ = ["encoded_head", "in_chunks"]

#: All that a head may be.
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEAD: Final = re.compile(
    _TOKEN + rb" [!-~]+ HTTP/1\.1\r\n(?:" + _TOKEN + rb": (?:[!-~\x80-\xff][\t -~\x80-\xff]*)?\r\n)*\r\n"
)


def encoded_head(request: httpx.Request) -> tuple[bytes, float]:
    """The bytes of a request's head, and the length of its body: infinite when it goes in chunks.

    Raises httpx.LocalProtocolError, which does not show the head, when it is not one.
    """
    length: float = 0
    target: bytes = request.extensions.get("target") or request.url.raw_path
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii", "replace"), target)]
    for name, value in request.headers.raw:
        lines.append(b"%b: %b" % (name, value))
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
    head = b"\r\n".join((*lines, b"", b""))
    # The count: a value that ends its line early would make the rest of it a header of its own.
    if _HEAD.fullmatch(head) is None or head.count(b"\n") != len(lines) + 1:
        raise httpx.LocalProtocolError("a header of the request, its method or its path holds what HTTP does not allow")
    return head, length


async def in_chunks(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """A body of unknown length as HTTP sends it, piece by piece."""
    async for piece in body:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"

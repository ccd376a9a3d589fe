"""Serving files, whole or one range of them (protocol 6.14 and 9.23)."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from acomps.local.errors import OutOfRange, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from acomps.local.core import Core

__all__ = ["Span", "media_type", "requested", "serve_file"]

#: A file or range up to this size is one block of memory and one thread hop; larger ones are streamed in such blocks.
BLOCK_BYTES: Final = 1024 * 1024

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)
#: The same on every machine, whatever its registry of types says.
_TYPES: Final = {".json": "application/json", ".csv": "text/csv", ".txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last` of a file, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def media_type(name: str) -> str:
    """The type that a file's name suggests."""
    suffix = os.path.splitext(name)[1].lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def requested(header: str | None, length: int) -> Span | None:
    """The part that a Range header asks for; None for the whole file, which is also the answer to several ranges."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or (not found[1] and not found[2]):
        return None
    if not found[1]:
        wanted = int(found[2])
        if wanted == 0:
            raise OutOfRange(length)
        return Span(max(0, length - wanted), length - 1) if length else None
    first = int(found[1])
    last = min(int(found[2]), length - 1) if found[2] else length - 1
    if found[2] and int(found[2]) < first:
        return None
    if first == 0 and length == 0:
        return None
    if first >= length:
        raise OutOfRange(length)
    return Span(first, last)


async def serve_file(core: Core, request: Request, opening: Callable[[], int | bytes], name: str) -> Response:
    """The file behind the descriptor, or the bytes, that `opening` gives (in a thread), or the range asked for."""

    def start() -> tuple[int, int, Span | None, bytes]:
        handle = opening()
        if isinstance(handle, bytes):
            span = requested(request.headers.get("range"), len(handle))
            return -1, len(handle), span, handle[span.first : span.last + 1] if span else handle
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Refused(404, f"{name} is not a file")
            span = requested(request.headers.get("range"), status.st_size)
            first, length = (span.first, span.length) if span else (0, status.st_size)
            if length > BLOCK_BYTES:
                return handle, status.st_size, span, b""
            block = os.pread(handle, length, first)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return -1, status.st_size, span, block

    handle, size, span, block = await core.job(start)
    status = 206 if span else 200
    headers = {"Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}
    if span:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    if handle < 0:
        return Response(block, status, headers, media_type(name))
    part = span or Span(0, size - 1)
    headers["Content-Length"] = str(part.length)
    return StreamingResponse(_blocks(core, handle, part), status, headers, media_type(name))


async def _blocks(core: Core, handle: int, part: Span) -> AsyncIterator[bytes]:
    with contextlib.closing(os.fdopen(handle, "rb", buffering=0)):
        at = part.first
        while at <= part.last:
            block = await core.bulk(os.pread, handle, min(BLOCK_BYTES, part.last + 1 - at), at)
            if not block:
                raise EOFError("a file became shorter while it was sent")
            at += len(block)
            yield block

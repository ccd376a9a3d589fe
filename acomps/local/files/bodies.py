"""Reading the bodies of requests: in pieces, within limits, blocking work in threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from starlette.requests import ClientDisconnect

from acomps.local.errors import Refused
from acomps.local.files.forms import FormReader, boundary_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from acomps.local.core import Core
    from acomps.local.files.forms import Form

__all__ = ["read_body", "with_form"]

#: Bodies are parsed in blocks of about this size, one thread hop each.
BLOCK_BYTES: Final = 2 * 1024 * 1024

T = TypeVar("T")


def _announced(request: Request, limit: int) -> None:
    length = request.headers.get("content-length", "0")
    if not length.isdecimal():
        raise Refused(400, "Content-Length is not a number")
    if int(length) > limit:
        raise Refused(400, f"the request's body is longer than {limit} bytes")


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, which may be up to `limit` bytes long."""
    _announced(request, limit)
    pieces: list[bytes] = []
    length = 0
    try:
        async for piece in request.stream():
            length += len(piece)
            if length > limit:
                raise Refused(400, f"the request's body is longer than {limit} bytes")
            pieces.append(piece)
    except ClientDisconnect as exc:
        raise Refused(400, "the client went away before the end of its request") from exc
    return b"".join(pieces)


async def with_form(core: Core, request: Request, use: Callable[[Form], T]) -> T:
    """What `use` makes of the multipart body. A body of one block costs one thread hop, `use` included."""
    limit = core.settings.max_form_bytes
    _announced(request, limit)
    reader = FormReader(
        boundary_of(request.headers.get("content-type", "")),
        core.contents,
        max_parts=core.settings.max_form_parts,
        max_document_bytes=core.settings.max_json_bytes,
    )

    def feed(pieces: list[bytes]) -> None:
        reader.feed(b"".join(pieces))

    def finish(pieces: list[bytes]) -> T:
        reader.feed(b"".join(pieces))
        return use(reader.finish())

    try:
        waiting: list[bytes] = []
        length = gathered = 0
        async for piece in request.stream():
            length += len(piece)
            if length > limit:
                raise Refused(400, f"the request's body is longer than {limit} bytes")
            waiting.append(piece)
            gathered += len(piece)
            if gathered >= BLOCK_BYTES:
                await core.job(feed, waiting)
                waiting, gathered = [], 0
        return await core.job(finish, waiting)
    except ClientDisconnect as exc:
        raise Refused(400, "the client went away before the end of its request") from exc
    finally:
        reader.close()

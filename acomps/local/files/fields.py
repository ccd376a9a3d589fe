"""Small forms of plain fields, as the web UI sends them: multipart, or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.formparsers import MultiPartException, MultiPartParser

from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body
from acomps.local.files.forms import boundary_of
from acomps.local.jsons import decode, own_object

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from acomps.local.jsons import JSON

__all__ = ["read_fields"]

_MOST: Final = 100


async def read_fields(request: Request, limit: int) -> dict[str, JSON]:
    """The fields of a body of up to `limit` bytes, by their names in lower case; of a repeated one the last counts."""
    body = await read_body(request, limit)
    if not request.headers.get("content-type", "").lower().startswith("multipart/"):
        return {name.lower(): value for name, value in own_object(decode(body), "the request's body").items()}
    boundary_of(request.headers["content-type"])

    async def pieces() -> AsyncGenerator[bytes]:
        yield body

    try:
        form = await MultiPartParser(request.headers, pieces(), max_files=0, max_fields=_MOST).parse()
    except (MultiPartException, ValueError, KeyError) as exc:
        raise Refused(400, "the multipart body is malformed, or has files or too many fields in it") from exc
    return {name.lower(): value for name, value in form.multi_items() if isinstance(value, str)}

"""Large contents, sent in ranges: what is there, and taking more (protocol 6.13)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused
from acomps.local.files.arrivals import Arrivals
from acomps.local.jsons import guid
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core

__all__ = ["routes"]

_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
#: Clients that know this header may send ranges in any order, several at once.
_ANY_ORDER: Final = {"X-COMPS-Upload-Ranges": "bytes"}


def routes(core: Core) -> list[Route]:
    """The routes of this module."""
    arrivals = Arrivals(core)

    async def check(request: Request) -> Response:
        md5 = guid(str(request.path_params["md5"]), "the md5 in the path")
        # In this order: what is complete a moment later is stored then.
        held = await arrivals.held(md5)
        if held:
            ranges = [[begin, end - 1] for begin, end in held]
            return json_answer({"Size": held.frontier, "Ranges": ranges}, status=206, headers=_ANY_ORDER)
        stored = await core.job(core.contents.lengths, [md5])
        if md5 in stored:
            return json_answer({"Size": stored[md5]}, headers=_ANY_ORDER)
        raise _NothingYet(md5)

    async def receive(request: Request) -> Response:
        md5 = guid(str(request.path_params["md5"]), "the md5 in the path")
        first, end, total = _range(request.headers.get("content-range", ""))
        if total > core.settings.max_upload_bytes:
            raise Refused(400, f"a content may have {core.settings.max_upload_bytes} bytes, not {total}")
        await arrivals.receive(md5, request.stream(), first, end, total)
        return json_answer({}, headers=_ANY_ORDER)

    return [
        Route("/api/upload/check/{md5}", check, methods=["GET"]),
        Route("/api/upload/{md5}", receive, methods=["POST"]),
    ]


class _NothingYet(Refused):
    """Nothing of a content has arrived."""

    def __init__(self, md5: str) -> None:
        super().__init__(404, f"nothing of {md5} has arrived yet")

    def headers(self) -> dict[str, str]:
        return {**_ANY_ORDER}


def _range(header: str) -> tuple[int, int, int]:
    """The first byte, the end and the total of a Content-Range header."""
    found = _RANGE.fullmatch(header)
    if found is None:
        raise Refused(400, "an upload needs a header like Content-Range: bytes 0-1048575/20971520")
    first, last, total = (int(number) for number in found.groups())
    if not first <= last < total:
        raise Refused(400, f"Content-Range {found[0]!r} is no part of a file")
    return first, last + 1, total

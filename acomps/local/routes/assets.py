"""Stored contents by their md5 (protocol 6.14)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from acomps.local.errors import Refused
from acomps.local.files.ranges import serve_file
from acomps.local.gate import require_link
from acomps.local.jsons import guid
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core

__all__ = ["routes"]


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    async def content(request: Request) -> Response:
        md5 = guid(str(request.path_params["md5"]), "the md5 in the path")
        require_link(request, core, md5)

        def opening() -> int | bytes:
            stored = core.contents.fetch([md5]).get(md5)
            if stored is None:
                raise Refused(404, f"nothing with the md5 {md5} is stored")
            return stored if isinstance(stored, bytes) else os.open(stored, os.O_RDONLY | os.O_CLOEXEC)

        return await serve_file(core, request, opening, str(request.path_params["name"]))

    return [Route("/asset/contents/{md5}/{name}", content, methods=["GET"])]

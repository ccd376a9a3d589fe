"""`GET /api/traffic`, an extension: connections, requests and bytes since the service started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core

__all__ = ["routes"]


def routes(core: Core) -> list[Route]:
    """The one route of this subject."""

    async def traffic(_request: Request) -> Response:
        return json_answer({"Traffic": core.traffic.document()})

    return [Route("/api/traffic", traffic, methods=["GET"])]

"""The environments and their macros (protocol 6.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.local.errors import Refused
from acomps.local.gate import viewer_of
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core

__all__ = ["routes"]


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    async def list_environments(request: Request) -> Response:
        found = core.environments.of(viewer_of(request)).all()
        return json_answer({"Environments": [environment.document() for environment in found]})

    async def get_environment(request: Request) -> Response:
        name = str(request.path_params["name"])
        found = core.environments.of(viewer_of(request)).get(name)
        if found is None:
            raise Refused(404, f"invalid environment-name: {name}"[:400])
        return json_answer({"Environments": [found.document()]})

    return [
        Route("/api/environments", list_environments, methods=["GET"]),
        Route("/api/environments/{name}", get_environment, methods=["GET"]),
    ]

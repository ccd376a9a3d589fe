"""The catalogue of climate data (protocol 6.12): what whoever runs the service has listed in the data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acomps.local.gate import viewer_of
from acomps.local.jsons import decode, objects
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core

__all__ = ["CATALOGUE_FILE", "routes"]

#: In the data folder: a JSON list of objects with name, startYear, endYear and whatever else clients know.
CATALOGUE_FILE: Final = "DataSets.json"


def routes(core: Core) -> list[Route]:
    """The routes of this module."""
    path = core.settings.data_dir / CATALOGUE_FILE

    def read() -> object:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []
        return objects(decode(content, f"the file {CATALOGUE_FILE} of the service"), CATALOGUE_FILE)

    async def catalogue(request: Request) -> Response:
        viewer_of(request)
        return json_answer(await core.job(read))

    return [Route(f"/api/ld/{CATALOGUE_FILE.lower()}", catalogue, methods=["GET"])]

"""What dashboards ask for: the queue (protocol 6.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.local.gate import viewer_of
from acomps.local.records.queries import keys
from acomps.local.records.queue import queue_state
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core

__all__ = ["routes"]


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    async def queue(request: Request) -> Response:
        viewer = viewer_of(request)
        environment = keys(request.query_params.multi_items()).get("environmentname")

        def work() -> dict[str, list[dict[str, object]]]:
            with core.database.reading() as connection:
                return queue_state(connection, viewer, environment)

        return json_answer({"QueueState": await core.job(work)})

    return [Route("/api/metrics/queue", queue, methods=["GET"])]

"""From a request to the function that answers it, with nothing between: what goes wrong is the gate's to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette import routing
from starlette.requests import Request
from starlette.websockets import WebSocketClose

from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.responses import Response
    from starlette.types import Lifespan, Receive, Scope, Send

__all__ = ["Route", "router"]


class Route(routing.Route):
    """A path, with methods, and the function that answers there.

    Starlette's own ones wrap the function, the request and the sending of the answer for errors of their kind.
    """

    def __init__(self, path: str, answer: Callable[[Request], Awaitable[Response]], *, methods: Sequence[str]) -> None:
        super().__init__(path, answer, methods=methods)
        self._answer = answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, if it is a call of one of the methods."""
        if scope["method"] not in (self.methods or ()):
            raise _no_call(405, scope)
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)


def router(routes: Sequence[Route], lifespan: Lifespan[routing.Router]) -> routing.Router:
    """The application of these routes, the first that fits answers; what none of them knows is Refused."""
    # Paths come without slashes at their ends: being sent to one with a slash would go on for ever.
    return routing.Router(routes, redirect_slashes=False, default=_unknown, lifespan=lifespan)


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    raise _no_call(404, scope)


def _no_call(status: int, scope: Scope) -> Refused:
    return Refused(status, f"{scope['method']} {scope['path']} is not a call of this service"[:500])

"""Logging in, renewing a token, and who there is (protocol 2.1, 2.2 and 6.11)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body
from acomps.local.gate import user_of
from acomps.local.jsons import decode, own_object, renamed, text
from acomps.local.routes.answers import json_answer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.core import Core

__all__ = ["routes"]

_log = logging.getLogger("acomps.local")

MAX_LOGIN_BYTES: Final = 64 * 1024


def routes(core: Core) -> list[Route]:
    """The routes of this module."""

    def answer(username: str) -> Response:
        token = core.tokens.issue(username)
        document = {"Token": token, "RequestingToken": {"UserName": username}}
        return json_answer(document, headers={"X-COMPS-Token": token})

    async def log_in(request: Request) -> Response:
        body = await read_body(request, MAX_LOGIN_BYTES)
        given = renamed(own_object(decode(body), "a login"), {"username": "username", "password": "password"})
        username = text(given.get("username"), "Username")
        password = text(given.get("password"), "Password")
        if not core.account.opens(username, password):
            _log.warning("a login with a wrong user name or password was refused")
            raise Refused(401, "wrong user name or password; this service's own are in its ready file")
        return answer(core.account.username)

    async def renew(request: Request) -> Response:
        await read_body(request, MAX_LOGIN_BYTES)
        return answer(user_of(request))

    def user(name: str) -> dict[str, object]:
        environments = [environment.name for environment in core.environments.all()]
        groups = list(core.environments.groups())
        return {"UserName": name, "Roles": [], "Applications": [], "Groups": groups, "Environments": environments}

    async def list_users(_request: Request) -> Response:
        return json_answer({"Users": [user(core.account.username)]})

    async def get_user(request: Request) -> Response:
        name = str(request.path_params["name"])
        if name.lower() != core.account.username.lower():
            raise Refused(404, f"Failed to retrieve user {name}")
        return json_answer({"Users": [user(core.account.username)]})

    return [
        Route("/api/tokens", log_in, methods=["POST"]),
        Route("/api/tokens", renew, methods=["PUT"]),
        Route("/api/users", list_users, methods=["GET"]),
        Route("/api/users/{name}", get_user, methods=["GET"]),
    ]

"""Logging in and out, renewing a token, who there is, and passwords (protocol 2.1, 2.2 and 6.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body
from acomps.local.files.fields import read_fields
from acomps.local.gate import address_of, viewer_of, visit_of
from acomps.local.jsons import decode, own_object, renamed, text
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.accounts.users import User
    from acomps.local.core import Core

__all__ = ["routes"]

MAX_LOGIN_BYTES: Final = 64 * 1024


def routes(core: Core) -> list[Route]:
    """The routes of this module."""
    people = core.access.people

    def answer(request: Request, username: str) -> Response:
        token = core.access.token(username, address=address_of(request))
        document = {"Token": token, "RequestingToken": {"UserName": username}}
        return json_answer(document, headers={"X-COMPS-Token": token})

    async def log_in(request: Request) -> Response:
        body = await read_body(request, MAX_LOGIN_BYTES)
        given = renamed(own_object(decode(body), "a login"), {"username": "username", "password": "password"})
        username = text(given.get("username"), "Username").strip()
        password = text(given.get("password"), "Password")
        user = await people.log_in(username, password, address_of(request))
        return answer(request, user.name)

    async def renew(request: Request) -> Response:
        await read_body(request, MAX_LOGIN_BYTES)
        visit = visit_of(request)
        if visit.claim.kind != "Auth":
            raise Refused(403, "a System token cannot be renewed: log in with a password")
        return answer(request, visit.viewer.name)

    async def log_out(request: Request) -> Response:
        await read_body(request, MAX_LOGIN_BYTES)
        await core.job(core.access.give_back, visit_of(request).claim)
        return json_answer({})

    def document(user: User) -> dict[str, object]:
        viewer = people.viewer(user.name)
        environments = () if viewer is None else core.environments.of(viewer).all()
        return {
            "UserName": user.name,
            **({"EmailAddress": user.email} if user.email else {}),
            "Roles": [],
            "Applications": [],
            "Groups": list(user.groups),
            "Environments": [environment.name for environment in environments],
        }

    async def list_users(request: Request) -> Response:
        peers = viewer_of(request).peers
        seen = [user for user in people.all() if peers is None or user.name.lower() in peers]
        return json_answer({"Users": [document(user) for user in seen]})

    async def get_user(request: Request) -> Response:
        name = str(request.path_params["name"])
        peers = viewer_of(request).peers
        user = people.find(name)
        if user is None or not (peers is None or user.name.lower() in peers):
            raise Refused(404, f"Failed to retrieve user {name}"[:400])
        return json_answer({"Users": [document(user)]})

    async def change_password(request: Request) -> Response:
        viewer = viewer_of(request)
        name = str(request.path_params["name"])
        fields = await read_fields(request, MAX_LOGIN_BYTES)
        if name.lower() != viewer.name.lower():
            raise Refused(403, "everybody changes their own password; whoever runs the service can set any")
        password = text(fields.get("password"), "Password")
        user = await people.change_password(viewer.name, password)
        # All tokens of the old password have ended, this one too.
        return answer(request, user.name)

    async def reset_password(request: Request) -> Response:
        await read_body(request, MAX_LOGIN_BYTES)
        await people.forgot_password(str(request.path_params["email"]), address_of(request))
        return json_answer({"ResponseMessage": "whoever runs this service has been told, and sets a new password"})

    return [
        Route("/api/tokens", log_in, methods=["POST"]),
        Route("/api/tokens", renew, methods=["PUT"]),
        Route("/api/tokens", log_out, methods=["DELETE"]),
        Route("/api/users", list_users, methods=["GET"]),
        Route("/api/users/{name}", get_user, methods=["GET"]),
        Route("/api/users/{name}", change_password, methods=["PUT"]),
        Route("/api/passwords/{email}", reset_password, methods=["POST"]),
    ]

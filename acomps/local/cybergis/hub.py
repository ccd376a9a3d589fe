"""Who asks (cybergis-compute 2): the token in the body, and a stand-in for the JupyterHub that would check it.

The token is the Base64 of `<hub>@<token>`. What counts as the token of a hub is what the local service itself gives
out: a token of POST /api/tokens; the same without commas and @, which some clients refuse, of POST
/hub/api/users/<name>/tokens; or, when the service has one user only, the password in its ready file.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.local.accounts.access import Access
from acomps.local.accounts.people import OnlyUser
from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body
from acomps.local.jsons import decode, integer
from acomps.local.routes.answers import json_answer
from acomps.local.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


__all__ = ["Hub", "UnknownHub"]

MAX_TOKEN: Final = 8_192
USUAL_LIFETIME_S: Final = 30 * 24 * 3_600
MOST_S: Final = 366 * 24 * 3_600
#: This machine under its own names, whatever the port.
_HERE: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_BEARER: Final = re.compile(r"(?:bearer|token)\s+(\S+)", re.IGNORECASE)


class UnknownHub(Exception):
    """The token cannot be read, or names a hub that is not this one."""


@dataclass(frozen=True, slots=True)
class Hub:
    """The stand-in; `name` stands after the @ in the ids of users."""

    name: str
    access: Access

    def user_id(self, owner: str) -> str:
        """The id of a user."""
        return f"{owner}@{self.name}"

    def names(self, request: Request) -> dict[str, str]:
        """The hosts that tokens may name, with a word about each."""
        host = request.headers.get("host", "")
        said = "the local service itself"
        return {name: said for name in (self.name, host) if name}

    def owner(self, request: Request, token: str) -> str:
        """The user behind a token in the form of the body; UnknownHub, or a Refused with 401."""
        host, given = _decoded(token)
        known = {name.lower() for name in self.names(request)}
        if host.lower() not in known and _HERE.fullmatch(host) is None:
            raise UnknownHub
        return self.user(given)

    def user(self, token: str) -> str:
        """The user behind a token of the hub; a Refused with 401."""
        people = self.access.people
        if isinstance(people, OnlyUser) and hmac.compare_digest(token.encode(), people.secret.encode()):
            return people.all()[0].name
        return self.access.visit(_unwrapped(token)).viewer.name

    def routes(self) -> list[Route]:
        """What a JupyterHub says about whose token it is."""

        async def user(request: Request) -> Response:
            found = _BEARER.fullmatch(request.headers.get("authorization", ""))
            try:
                name = self.user(found[1] if found else "")
            except Refused:
                return json_answer({"status": 403, "message": "Missing or invalid credentials."}, status=403)
            return json_answer({"kind": "user", "name": name, "admin": False, "groups": [], "server": None})

        async def make_token(request: Request) -> Response:
            found = _BEARER.fullmatch(request.headers.get("authorization", ""))
            wished = decode(await read_body(request, MAX_TOKEN) or b"{}")
            try:
                name = self.user(found[1] if found else "")
            except Refused:
                name = ""
            if not name or name.lower() != str(request.path_params["name"]).lower():
                return json_answer({"status": 403, "message": "Missing or invalid credentials."}, status=403)
            given = wished.get("expires_in") if isinstance(wished, dict) else None
            lifetime_s = USUAL_LIFETIME_S if given is None else integer(given, "expires_in", least=1, most=MOST_S)
            token = self.access.token(name, kind="System", lifetime_s=lifetime_s)
            wrapped = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
            return json_answer({"token": wrapped, "user": name, "kind": "api_token"}, status=201)

        return [
            Route("/hub/api/user", user, methods=["GET"]),
            Route("/hub/api/users/{name}/tokens", make_token, methods=["POST"]),
        ]


def header_token(request: Request) -> str | None:
    """The encoded token in the header Authorization, for who cannot send a body with a GET."""
    found = _BEARER.fullmatch(request.headers.get("authorization", ""))
    return None if found is None else found[1]


def _unwrapped(token: str) -> str:
    """A token of POST /api/tokens, out of the form without signs if it has that."""
    if "," in token:
        return token
    try:
        return base64.urlsafe_b64decode(token[:MAX_TOKEN] + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeError, ValueError):
        return token


def _decoded(token: str) -> tuple[str, str]:
    """The hub and its token. A token of this service may have an @ of its own; a host has none."""
    try:
        text = base64.b64decode(token[:MAX_TOKEN], validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError) as exc:
        raise UnknownHub from exc
    host, at, given = text.partition("@")
    if not at or not host or not given:
        raise UnknownHub
    return host.removeprefix("https://").removeprefix("http://").rstrip("/"), given

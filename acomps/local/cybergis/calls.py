"""Calls of the v2 REST: bodies on every method, errors with the key that clients look for, answers with an ETag."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response

from acomps.local.cybergis.hub import Hub, UnknownHub, header_token
from acomps.local.errors import Refused
from acomps.local.files.bodies import read_body
from acomps.local.jsons import JSON, decode
from acomps.local.routing import Route

__all__ = ["PREFIX", "Call", "CallRefused", "Handler", "Router", "invalid"]

_log = logging.getLogger("acomps.local")

PREFIX: Final = "/v2"
MAX_BODY_BYTES: Final = 100 * 1024
_TOKEN: Final = "jupyterhubApiToken"  # noqa: S105 - the name of the field
_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH")
#: How a JSON schema calls Python's types.
_TYPES: Final[Mapping[str, type]] = {"string": str, "object": dict, "boolean": bool}


class CallRefused(Refused):
    """A refusal in the shape that clients of CyberGIS-Compute read."""

    def __init__(self, status: int, error: str, messages: tuple[str, ...] | None = None) -> None:
        super().__init__(status, error)
        self._messages = messages

    def body(self) -> dict[str, object]:
        found: dict[str, object] = {"error": self.message}
        return found if self._messages is None else {**found, "messages": list(self._messages)}


def invalid(*messages: str) -> CallRefused:
    """The body is not what the call takes."""
    return CallRefused(402, "invalid input", messages)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its path, its body, and who asks."""

    request: Request
    body: Mapping[str, JSON]
    hub: Hub

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def take(self, name: str, kind: str) -> JSON:
        """A field of the body; null is like nothing."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, _TYPES[kind]):
            raise invalid(f"is not of a type(s) {kind}")
        return value

    def text(self, name: str) -> str | None:
        """A field that is a text."""
        value = self.take(name, "string")
        if isinstance(value, str) and "\0" in value:
            raise invalid("must not contain a NUL character")
        return value if isinstance(value, str) else None

    def needed(self, name: str) -> str:
        """A text that must be there."""
        value = self.text(name)
        if value is None:
            raise invalid(f'requires property "{name}"')
        return value

    def object(self, name: str) -> dict[str, JSON] | None:
        """A field that is an object."""
        value = self.take(name, "object")
        return value if isinstance(value, dict) else None

    def owner(self, status: int = 402, error: str = "invalid token", *, hub: bool = False) -> str:
        """Who asks; `status` and `error` are the answer to a token that nobody has, `hub` to one of another hub."""
        token = self.text(_TOKEN) or header_token(self.request)
        if token is None:
            raise invalid(f'requires property "{_TOKEN}"')
        try:
            return self.hub.owner(self.request, token)
        except UnknownHub as exc:
            if hub:
                raise CallRefused(404, "Cannot find jupyterhubHost in allowlist") from exc
            raise CallRefused(status, error, ()) from exc
        except Refused as exc:
            raise CallRefused(status, error, ()) from exc

    def worker(self) -> str:
        """Who asks about a job."""
        return self.owner(401, "submit without login is not allowed")


Handler: TypeAlias = Callable[[Call], Awaitable[object]]


class Router:
    """Makes routes out of handlers, which return a JSON document or a whole answer."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def route(self, method: str, path: str, handler: Handler) -> Route:
        """One route below /v2."""

        async def answer(request: Request) -> Response:
            try:
                found = await handler(Call(request, await _body(request), self._hub))
            except CallRefused:
                raise
            except Refused as exc:
                # Here a body that says something wrong is a 402.
                raise CallRefused(402 if exc.status == 400 else exc.status, exc.message, ()) from exc
            except Exception as exc:
                _log.exception("a call of %s failed", path)
                raise CallRefused(500, "the service failed on this request; its log has the reason") from exc
            return found if isinstance(found, Response) else _tagged(request, found)

        return Route(f"{PREFIX}{path}", answer, methods=[method])

    def rest(self) -> list[Route]:
        """What is no call."""

        async def unknown(request: Request) -> Response:
            raise CallRefused(404, f"{request.method} {request.url.path} is not a call of this service"[:500])

        return [Route(path, unknown, methods=[*_METHODS]) for path in (PREFIX, f"{PREFIX}/{{rest:path}}")]


async def _body(request: Request) -> Mapping[str, JSON]:
    """The fields of the body. Without a type that it knows the real server ignores it, and so does this one."""
    data = await read_body(request, MAX_BODY_BYTES)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            return dict(parse_qsl(data.decode("utf-8", "replace"), max_num_fields=100))
        except ValueError as exc:
            raise invalid("the form has too many fields") from exc
    if kind != "application/json" or not data.strip():
        return {}
    try:
        document = decode(data)
    except Refused as exc:
        raise CallRefused(400, exc.message) from exc
    return document if isinstance(document, dict) else {}


def _tagged(request: Request, document: object) -> Response:
    """The document, or the news that it is still the same."""
    data = orjson.dumps(document)
    # Weak, as the real server's: it says that nothing has changed for a reader.
    tag = f'W/"{len(data):x}-{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    if request.method == "GET" and tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(data, headers={"ETag": tag}, media_type="application/json; charset=utf-8")

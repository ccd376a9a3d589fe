"""What every request passes: forgiving paths, the token, the delay, and one shape for all errors."""

from __future__ import annotations

import errno
import logging
import re
import time
from typing import TYPE_CHECKING, Final

import anyio
import orjson
from starlette.requests import ClientDisconnect

from acomps.local.accounts.access import Visit
from acomps.local.errors import Refused
from acomps.local.files.links import Links

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from acomps.local.accounts.viewers import Viewer
    from acomps.local.core import Core

__all__ = ["Activity", "Gate", "address_of", "links_for", "require_link", "viewer_of", "visit_of"]

_log = logging.getLogger("acomps.local")

#: Paths of calls are read without regard to case; of others so many folders, as then comes the name of a file.
_FOLDED_FOLDERS: Final = 5
_VISIT_KEY: Final = "acomps.visit"
_HOST: Final = re.compile(r"[A-Za-z0-9.\-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
#: A refused body is read and dropped up to these limits, so that a client that is still sending can see the answer.
DRAIN_BYTES: Final = 64 * 1024 * 1024
DRAIN_S: Final = 5.0
#: All headers of a request together, and its path and query.
MAX_HEAD_BYTES: Final = 64 * 1024
#: What needs no token: logging in, and asking for a new password.
_OPEN: Final = re.compile(r"/api/(tokens|passwords/[^/]*)")


class Activity:
    """How many requests are being answered, and when the last one ended."""

    def __init__(self) -> None:
        self._open = 0
        self._last = time.monotonic()

    def begin(self) -> None:
        """A request has come."""
        self._open += 1

    def end(self) -> None:
        """A request has been answered."""
        self._open -= 1
        self._last = time.monotonic()

    def quiet_s(self) -> float:
        """For how many seconds nobody has asked anything."""
        return 0.0 if self._open else time.monotonic() - self._last


class Gate:
    """The outermost part of the application."""

    def __init__(self, app: ASGIApp, core: Core, activity: Activity) -> None:
        self._app = app
        self._core = core
        self._activity = activity
        self._latency_s = core.settings.latency_ms / 1000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._activity.begin()
        try:
            await self._answer(scope, _Incoming(receive), _Answer(send, self._latency_s))
        finally:
            self._activity.end()

    async def _answer(self, scope: Scope, incoming: _Incoming, answer: _Answer) -> None:
        try:
            _check_head(scope)
            scope["path"] = _folded(scope["path"])
            self._authenticate(scope)
            await self._app(scope, incoming, answer)
            return
        except Refused as exc:
            refusal = exc
        except ClientDisconnect:
            return  # Nobody is there to be told.
        except OSError as exc:
            refusal = _told(exc)
        except Exception as exc:
            refusal = Refused(500, "the service failed on this request; its log has the reason")
            _log.exception("request failed, CorrelationId %s", refusal.correlation_id, exc_info=exc)
        if answer.started:
            # The rest of the answer cannot come: cutting the connection is the only way to say so.
            raise ConnectionAbortedError("an answer broke off")
        await incoming.drain()
        await _send_refusal(answer, refusal)

    def _authenticate(self, scope: Scope) -> None:
        path = scope["path"]
        open_to_all = scope["method"] == "POST" and _OPEN.fullmatch(path) is not None
        if open_to_all or not path.startswith(("/api", "/asset")):
            return
        token = next((value for name, value in scope["headers"] if name == b"x-comps-token"), b"")
        if not token and path.startswith(("/asset/contents/", "/asset/outputs/")):
            return  # The link itself may open them: see require_link.
        scope[_VISIT_KEY] = self._core.access.visit(token.decode("latin-1"))


class _Incoming:
    """The request's body on its way in, which knows whether it has ended."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._ended = True
        return message

    async def drain(self) -> None:
        """Drop the rest of the body, within limits."""
        dropped = 0
        with anyio.move_on_after(DRAIN_S):
            while not self._ended and dropped < DRAIN_BYTES:
                message = await self()
                dropped += len(message.get("body", b""))


class _Answer:
    """The answer on its way out, held back by the latency that was asked for."""

    def __init__(self, send: Send, latency_s: float) -> None:
        self._send = send
        self._latency_s = latency_s
        self.started = False

    async def __call__(self, message: MutableMapping[str, object]) -> None:
        if not self.started:
            self.started = True
            if self._latency_s:
                await anyio.sleep(self._latency_s)
        await self._send(message)


def _check_head(scope: Scope) -> None:
    """Refuse heads that no honest client sends."""
    length = len(scope["query_string"]) + len(scope["raw_path"] or b"")
    for name, value in scope["headers"]:
        length += len(name) + len(value)
        # What is packed may be a thousand times as long when it is unpacked.
        if name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise Refused(415, "send the body as it is: this service takes no Content-Encoding")
    if length > MAX_HEAD_BYTES:
        raise Refused(431, f"the head of the request is longer than {MAX_HEAD_BYTES} bytes")


def _folded(path: str) -> str:
    if path[:5].lower() == "/api/":
        return path.lower().rstrip("/")
    folders = path.split("/", _FOLDED_FOLDERS + 1)
    folded = [folder.lower() for folder in folders[: _FOLDED_FOLDERS + 1]] + folders[_FOLDED_FOLDERS + 1 :]
    return "/".join(folded).rstrip("/") or "/"


def _told(failure: OSError) -> Refused:
    """The failure of a file in the words of an answer."""
    if failure.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Refused(507, "the disk of the service is full: make room, then try again")
    refusal = Refused(500, "the service failed on this request; its log has the reason")
    _log.exception("request failed, CorrelationId %s", refusal.correlation_id, exc_info=failure)
    return refusal


async def _send_refusal(answer: _Answer, refusal: Refused) -> None:
    body = orjson.dumps(refusal.body())
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers()}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await answer({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await answer({"type": "http.response.body", "body": body})


def visit_of(request: Request) -> Visit:
    """Who asks, and the token."""
    visit = request.scope.get(_VISIT_KEY)
    if not isinstance(visit, Visit):
        raise Refused(401, "this call needs a token in the header X-COMPS-Token: log in first")
    return visit


def viewer_of(request: Request) -> Viewer:
    """Who asks."""
    return visit_of(request).viewer


def address_of(request: Request) -> str:
    """From where somebody asks."""
    return request.client.host if request.client is not None else "unknown"


def links_for(request: Request, core: Core) -> Links:
    """Links on the address by which this client reached the service."""
    host = request.headers.get("host", "")
    if _HOST.fullmatch(host) is None:
        host = f"127.0.0.1:{core.settings.port}"
    return Links(core.links, f"{request.scope['scheme']}://{host}")


def require_link(request: Request, core: Core, subject: str) -> Viewer | None:
    """Refuse whoever has neither a token nor a link that opens `subject`; None for who has the link."""
    if core.links.opens(subject, request.scope["query_string"]):
        return None
    return viewer_of(request)

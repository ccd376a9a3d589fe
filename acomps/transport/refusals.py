"""What an answer with an error status means: the error that names the operation, the reason and the next step."""

from __future__ import annotations

import email.utils
import html
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeGuard

import orjson

from acomps.errors import (
    AuthenticationFailed,
    Conflict,
    MissingFiles,
    NotFound,
    PermissionDenied,
    RateLimited,
    Refused,
    ServerFailed,
    TooLarge,
    ValidationFailed,
)
from acomps.transport.redaction import hide

if TYPE_CHECKING:
    from acomps.transport.answers import Answer

__all__ = ["refusal", "refused", "retry_after"]

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LONGEST_MESSAGE: Final = 1_000
_SERVER_ERRORS: Final = 500
_REFUSED_FROM: Final = 300
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)

_KINDS: Final[dict[int, type[Refused]]] = {
    400: ValidationFailed,
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: RateLimited,
}
_NEXT_STEPS: Final = {
    400: "Correct what the server names",
    401: "Log in again",
    403: "Ask its owner or an administrator for the right to do this",
    404: "Check the id, and that this is the right server",
    407: "Check the proxy's user name and password",
    409: "Fetch it again and look at its state",
    413: "Send less in one request",
    429: "Try again later, or do fewer things at once",
    503: "Try again later",
}


@dataclass(frozen=True, slots=True)
class _Said:
    """What the body of a refusal says."""

    message: str = ""
    correlation_id: str | None = None
    missing: tuple[uuid.UUID, ...] = ()


def refused(status: int) -> bool:
    """Whether this status means that the request was not served: an error, or a redirect, which is not followed."""
    return status >= _REFUSED_FROM


def refusal(answer: Answer, root: str, wall: Callable[[], datetime]) -> Refused:
    """The error for an answer with such a status; `root` is the server's URL."""
    said = _read(answer.content)
    status = answer.status
    if status in _REDIRECTS:
        return Refused(
            _redirected(answer, root),
            status=status,
            server_message=said.message,
            correlation_id=said.correlation_id,
        )
    message = _sentence(answer.operation, status, said)
    if status == HTTPStatus.BAD_REQUEST and said.missing:
        return MissingFiles(
            message,
            md5s=said.missing,
            server_message=said.message,
            correlation_id=said.correlation_id,
        )
    kind = _KINDS.get(status, ServerFailed if status >= _SERVER_ERRORS else Refused)
    return kind(
        message,
        status=status,
        server_message=said.message,
        correlation_id=said.correlation_id,
        retry_after_s=retry_after(answer.headers.get("retry-after"), wall),
    )


def retry_after(value: str | None, wall: Callable[[], datetime]) -> float | None:
    """The seconds that a Retry-After header asks for, as a number or a date; None for anything else."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - wall()).total_seconds())


def _sentence(operation: str, status: int, said: _Said) -> str:
    try:
        what = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        what = f"{status}"
    step = _NEXT_STEPS.get(status)
    if step is None and status >= _SERVER_ERRORS:
        step = "Try again; if it stays, report it to the operators of the server"
    parts = [f"{operation}: {what}"]
    if said.message:
        parts.append(f": {said.message}")
    if said.correlation_id:
        parts.append(f" (correlation id {said.correlation_id})")
    if step:
        parts.append(f". {step}" if parts[-1][-1:] not in ".!?" else f" {step}")
    return "".join(parts)


def _redirected(answer: Answer, root: str) -> str:
    location = hide(answer.headers.get("location", "")).partition("?")[0][:200]
    scheme, _, authority = root.partition("://")
    remedy = f"write https://{authority}" if scheme == "http" else "check the host name"
    aim = f"redirects to {location}" if location else "redirects elsewhere"
    return (
        f"{answer.operation}: {answer.status}: {root} {aim}, which is not followed, so that nothing secret goes there. "
        f"Probably the address is not quite right: {remedy}"
    )


def _read(content: bytes) -> _Said:
    try:
        document: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        return _Said(_clean(_plain_text(content)))
    if not _is_mapping(document):
        return _Said()
    fields = {str(name).lower(): value for name, value in document.items()}
    message = fields.get("responsemessage")
    nested = fields.get("responsestatus")
    if not message and _is_mapping(nested):
        message = next((value for name, value in nested.items() if str(name).lower() == "message"), "")
    correlation = fields.get("correlationid")
    return _Said(
        message=_clean(message) if isinstance(message, str) else "",
        correlation_id=_clean(correlation)[:100] if isinstance(correlation, str) and correlation else None,
        missing=_ids(fields.get("untrackedids")),
    )


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _ids(value: object) -> tuple[uuid.UUID, ...]:
    if not _is_list(value):
        return ()
    found: list[uuid.UUID] = []
    for item in value:
        try:
            found.append(uuid.UUID(str(item)))
        except ValueError:
            continue
    return tuple(found)


def _plain_text(content: bytes) -> str:
    """The gist of a body that is not JSON: an HTML page's title, or the text itself."""
    text = content[:20_000].decode("utf-8", "replace")
    title = _TITLE.search(text)
    if title is not None:
        return html.unescape(title[1])
    return "" if text.lstrip().startswith("<") else text


def _clean(text: str) -> str:
    text = " ".join(hide(text).split())
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."

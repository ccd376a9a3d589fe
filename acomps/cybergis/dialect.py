"""How CyberGIS-Compute is spoken to: its URLs, the token in every body, and errors that their status does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from acomps.cybergis.reading import JsonObject, is_list, is_object
from acomps.errors import AuthenticationFailed, Conflict, NotFound, PermissionDenied, Refused, ValidationFailed
from acomps.transport.redaction import hide
from acomps.transport.refusals import refusal, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from acomps.cybergis.tokens import HubToken
    from acomps.transport import Address, Answer

__all__ = ["TOKEN_FIELD", "CyberGISDialect"]

TOKEN_FIELD: Final = "jupyterhubApiToken"  # noqa: S105 - the name of a field
_NOT_MODIFIED: Final = 304
_LONGEST_MESSAGE: Final = 1_000
_ERROR: Final = b'"error"'

#: What a refusal means, by a part of its text: statuses are not to be trusted (401 and 402 stand for many things).
_MEANINGS: Final[tuple[tuple[str, type[Refused], str], ...]] = (
    ("not authorized for hpc", PermissionDenied, "Choose another HPC, or ask for access to this one"),
    ("invalid ssh credentials", AuthenticationFailed, "Check the HPC user name and password"),
    ("cannot find jupyterhubhost", AuthenticationFailed, "Use a JupyterHub that list_jupyter_host() names"),
    ("invalid token", AuthenticationFailed, "Log in again with a token that the hub knows"),
    ("without login", AuthenticationFailed, "Log in first"),
    ("invalid access", NotFound, "There is no such job, or it is somebody else's: check the id"),
    ("unknown folder", NotFound, "Check the folder's id"),
    ("cannot find folder", NotFound, "Check the folder's id"),
    ("already submitted", Conflict, "A job runs once: create a new one"),
    ("not in queue or running", Conflict, "Only a job that runs can be cancelled: look at its state"),
    ("currently running on folder", Conflict, "Wait for the other transfer of this folder"),
    ("unrecognized", ValidationFailed, "Choose a name that the server lists"),
    ("invalid input", ValidationFailed, "Correct what the server names"),
    ("internal error", ValidationFailed, "Check what was to be set"),
    ("exceeds the threshold", ValidationFailed, "Ask for less"),
    ("missing executable", ValidationFailed, "Set a template first"),
)


class CyberGISDialect:
    """CyberGIS-Compute behind `suffix`; `token` is the one of the user who is logged in."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix.strip("/")
        self._secrets: set[str] = set()
        self.token: HubToken | None = None

    def guard(self, token: HubToken) -> None:
        """Keep this token out of every message from now on."""
        self._secrets |= {token.secret, token.encoded}

    def url(self, address: Address, path: str) -> str:
        """The URL of a route; what is not plain in it is quoted by the caller."""
        path = path.strip("/")
        return f"{address.root}/{self._suffix}/{path}" if self._suffix else f"{address.root}/{path}"

    def content(self, content: bytes | None) -> bytes | None:
        """The body as it is; a request that has none, which is for a file, says who asks."""
        if content is not None:
            return content
        return orjson.dumps({} if self.token is None else {TOKEN_FIELD: self.token.encoded})

    def failure(self, answer: Answer, root: str, wall: Callable[[], datetime]) -> Refused | None:
        """The error of an answer with an error status, or with an `error` in its body whatever its status."""
        if answer.status == _NOT_MODIFIED:
            return None
        # Most answers are good, and some are long: they are not decoded here.
        said = _said(answer.content) if _ERROR in answer.content else None
        if said is None:
            return self._hidden(refusal(answer, root, wall)) if refused(answer.status) else None
        error, details = said
        kind, step = _meaning(error, " ".join(details))
        text = f"{error} ({'; '.join(details)})" if details else error
        text = hide(" ".join(text.split()), *self._secrets)[:_LONGEST_MESSAGE]
        if kind is None:
            kind = type(refusal(answer, root, wall)) if refused(answer.status) else Refused
            step = "Look at what the server says"
        return kind(
            f"{answer.operation}: {text}. {step} (status {answer.status})", status=answer.status, server_message=text
        )

    def _hidden(self, error: Refused) -> Refused:
        error.args = (hide(str(error), *self._secrets),)
        error.server_message = hide(error.server_message, *self._secrets)
        return error


def _said(content: bytes) -> tuple[str, tuple[str, ...]] | None:
    """The error and its details in a body that holds one; None for any other body."""
    try:
        document: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not is_object(document) or document.get("error") in (None, ""):
        return None
    error = document["error"]
    return error if isinstance(error, str) else orjson.dumps(error).decode(), _details(document)


def _details(document: JsonObject) -> tuple[str, ...]:
    messages = document.get("messages")
    if isinstance(messages, str):
        return (messages,) if messages else ()
    return tuple(str(item) for item in messages) if is_list(messages) else ()


def _meaning(error: str, details: str) -> tuple[type[Refused] | None, str]:
    for text in (error.lower(), details.lower()):
        for fragment, kind, step in _MEANINGS:
            if fragment in text:
                return kind, step
    return None, ""

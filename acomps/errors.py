"""Everything that can go wrong, named by what the caller can do about it.

AcompsError
├── UsageError                 the call itself is wrong; nothing was sent (also a ValueError)
│   ├── UnknownField           a query names a field that the entity does not have
│   └── InvalidId              a text that should be an id or md5 is not one
├── ContentError               a file to be sent is missing, unreadable or has changed
├── TransportError             no usable answer came
│   ├── NotSent                the request never left this machine: repeating it is safe
│   │   └── ConnectTimedOut
│   └── OutcomeUnknown         the server may have acted: repeat only what is safe to repeat
│       └── AnswerTimedOut
├── Refused                    the server answered with an error status
│   ├── AuthenticationFailed   401: wrong password, expired or unknown token
│   ├── PermissionDenied       403
│   ├── NotFound               404
│   ├── ValidationFailed       400: the server did not like the request
│   │   └── MissingFiles       400 with the md5s that the server does not have
│   ├── Conflict               409
│   ├── TooLarge               413
│   ├── RateLimited            429
│   └── ServerFailed           5xx
├── MalformedAnswer            an answer that breaks the protocol
├── ChecksumMismatch           bytes that arrived are not the bytes that were promised
├── LocalServiceFailed         the local service could not be started, or ended
└── ExtraMissing               a feature needs an optional dependency that is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid

__all__ = [
    "AcompsError",
    "AnswerTimedOut",
    "AuthenticationFailed",
    "ChecksumMismatch",
    "Conflict",
    "ConnectTimedOut",
    "ContentError",
    "ExtraMissing",
    "InvalidId",
    "LocalServiceFailed",
    "MalformedAnswer",
    "MissingFiles",
    "NotFound",
    "NotSent",
    "NotWritten",
    "OutcomeUnknown",
    "PermissionDenied",
    "RateLimited",
    "Refused",
    "ServerFailed",
    "TooLarge",
    "TransportError",
    "UnknownField",
    "UsageError",
    "ValidationFailed",
]


class AcompsError(Exception):
    """The root of all errors that acomps raises on purpose. They can be pickled, whatever they were made of."""

    def __reduce__(self) -> tuple[object, ...]:
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[AcompsError], args: tuple[object, ...]) -> AcompsError:
    """An error as it was, without asking its maker again; what else it held follows."""
    return kind.__new__(kind, *args)


class UsageError(AcompsError, ValueError):
    """The call itself is wrong; nothing was sent."""


class UnknownField(UsageError):
    """A query names a field or child that the entity does not have."""


class InvalidId(UsageError):
    """A text that should be an id or an md5 is not one."""


class ContentError(AcompsError):
    """A file to be sent is missing, cannot be read, or changed after it was hashed."""


class NotWritten(AcompsError):
    """A file that arrived cannot be written to its place: the disk is full, or the folder not writable."""


class TransportError(AcompsError):
    """No usable answer came from the server."""


class NotSent(TransportError):
    """The request never left this machine: repeating it is always safe."""


class ConnectTimedOut(NotSent):
    """No connection could be made, or no lane became free, in the time allowed."""


class OutcomeUnknown(TransportError):
    """The server may have acted: repeat only what is safe to repeat."""


class AnswerTimedOut(OutcomeUnknown):
    """The request was sent, wholly or in part, and the server fell silent."""


class Refused(AcompsError):
    """The server answered with an error status.

    `server_message` and `correlation_id` are what the server said of it; the id is what its operators ask for.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        server_message: str = "",
        correlation_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.server_message = server_message
        self.correlation_id = correlation_id
        self.retry_after_s = retry_after_s


class AuthenticationFailed(Refused):
    """401: the user name or password is wrong, or the token is expired or unknown."""


class PermissionDenied(Refused):
    """403: the user may not do this."""


class NotFound(Refused):
    """404: there is no such entity, file or route."""


class ValidationFailed(Refused):
    """400: the server understood the request and rejects its content."""


class MissingFiles(ValidationFailed):
    """400: the request refers to contents by md5 that the server does not have; nothing was created."""

    def __init__(
        self,
        message: str,
        *,
        md5s: tuple[uuid.UUID, ...],
        status: int = 400,
        server_message: str = "",
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, server_message=server_message, correlation_id=correlation_id)
        self.md5s = md5s


class Conflict(Refused):
    """409: the entity is in a state that does not allow this."""


class TooLarge(Refused):
    """413: the request is larger than the server accepts."""


class RateLimited(Refused):
    """429: too many requests; `retry_after_s` is the server's wish, if it had one."""


class ServerFailed(Refused):
    """5xx: the server failed; 503 is the only one that promises that nothing was done."""


class MalformedAnswer(AcompsError):
    """The answer breaks the protocol: not JSON, a key missing, the wrong number of entities."""


class ChecksumMismatch(AcompsError):
    """The bytes that arrived differ in length or md5 from what was promised."""


class LocalServiceFailed(AcompsError):
    """The local service could not be started, or ended by itself."""


class ExtraMissing(AcompsError, ImportError):
    """A feature needs an optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs more packages: pip install 'acomps[{extra}]'")
        self.extra = extra

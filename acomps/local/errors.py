"""What the service says when it does not do what was asked."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CannotServe", "OutOfRange", "Refused", "TooOften", "UntrackedContents"]


class CannotServe(Exception):
    """The service cannot start or go on; the text is one sentence for the person who started it."""


class Refused(Exception):
    """A request is answered with an error status and the protocol's error body (protocol 6.1)."""

    def __init__(self, status: int, message: str, *, correlation_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.correlation_id = correlation_id or str(uuid.uuid4())

    def headers(self) -> dict[str, str]:
        """What the answer's headers say about it."""
        return {}

    def body(self) -> dict[str, object]:
        """The JSON object that a client can show."""
        return {"ResponseMessage": self.message, "CorrelationId": self.correlation_id}


class UntrackedContents(Refused):
    """Files are named by md5s that are neither stored nor part of the request (protocol 6.7)."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(400, f"Unknown assets referenced in request: {', '.join(missing)}")
        self._missing = list(missing)

    def body(self) -> dict[str, object]:
        return {"UntrackedIds": self._missing, **super().body()}


class OutOfRange(Refused):
    """A range of a file is asked for that lies outside of it."""

    def __init__(self, length: int) -> None:
        super().__init__(416, f"the file has {length} bytes: the range lies outside")
        self._length = length

    def headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self._length}"}


class TooOften(Refused):
    """A request is refused because too many like it came before; it may be repeated after a while."""

    def __init__(self, message: str, wait_s: float) -> None:
        self._seconds = max(1, math.ceil(wait_s))
        super().__init__(429, f"{message}: try again in {self._seconds} s")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self._seconds)}

"""Which errors belong to one file, and which say that the rest of a harvest would fare no better."""

from __future__ import annotations

import errno
from typing import Final

from acomps.errors import (
    AcompsError,
    AuthenticationFailed,
    NotSent,
    NotWritten,
    RateLimited,
    ServerFailed,
    TransportError,
)

__all__ = ["Losses"]

#: So many requests in a row must be lost, after all their repeats, before the server is.
_IN_A_ROW: Final = 16
_OVERLOADED: Final = 503
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)})


class Losses:
    """Counts what fails. One file whose answers break off is its own matter; nothing but that is the server's."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def forget(self) -> None:
        """Something went well."""
        self._in_a_row = 0

    def judge(self, error: AcompsError) -> None:
        """Raise the error if it ends the harvest: the server, the login or the disk is lost."""
        if isinstance(error, TransportError | ServerFailed):
            self._in_a_row += 1
        lost = isinstance(error, AuthenticationFailed | NotSent | RateLimited)
        overloaded = isinstance(error, ServerFailed) and error.status == _OVERLOADED
        full = isinstance(error, NotWritten) and getattr(error.__cause__, "errno", None) in _NO_ROOM
        if lost or overloaded or full or self._in_a_row >= _IN_A_ROW:
            raise error

"""How a command ends: the exit codes, and every error as one sentence and what to do next.

0    done
1    done, but simulations failed; or another failure that has no code of its own
2    the command was not understood, or asks for something that cannot be
3    no connection, or the server failed
4    not logged in, or not allowed
5    there is no such thing
130  interrupted (Ctrl-C)
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from acomps.errors import (
    AcompsError,
    AuthenticationFailed,
    ContentError,
    ExtraMissing,
    LocalServiceFailed,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    ServerFailed,
    UsageError,
)

__all__ = ["Exit", "LoginNeeded", "Verdict", "first_cause", "verdict"]


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONNECTION = 3
    LOGIN = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


class LoginNeeded(AcompsError):
    """Nobody is logged in to `server`, and there is nobody to ask."""

    def __init__(self, message: str, server: str) -> None:
        super().__init__(message)
        self.server = server


class Verdict(NamedTuple):
    """What an error means to whoever typed the command."""

    code: Exit
    next_step: str = ""


#: The first kind that fits decides. Where there is no next step, the error's own sentence names it.
VERDICTS: Final[tuple[tuple[type[BaseException], Verdict], ...]] = (
    (KeyboardInterrupt, Verdict(Exit.INTERRUPTED, "run the same command again")),
    (ExtraMissing, Verdict(Exit.USAGE)),
    (UsageError, Verdict(Exit.USAGE)),
    (ContentError, Verdict(Exit.USAGE)),
    (NotSent, Verdict(Exit.CONNECTION, "check the server's name and that it can be reached from here")),
    (OutcomeUnknown, Verdict(Exit.CONNECTION, "look at what is there already, then run the command again")),
    (RateLimited, Verdict(Exit.CONNECTION, "wait a little, then run the command again")),
    (ServerFailed, Verdict(Exit.CONNECTION, "run the command again later")),
    (LocalServiceFailed, Verdict(Exit.CONNECTION, "start it by hand to see what is wrong: acomps serve")),
    (AuthenticationFailed, Verdict(Exit.LOGIN, "check the user name and the password: acomps login")),
    (PermissionDenied, Verdict(Exit.LOGIN)),
    (LoginNeeded, Verdict(Exit.LOGIN, "acomps login, or set ACOMPS_USERNAME and ACOMPS_PASSWORD")),
    (NotFound, Verdict(Exit.NOT_FOUND, "see what there is: acomps list KIND, acomps show ID")),
    (AcompsError, Verdict(Exit.FAILED)),
    (OSError, Verdict(Exit.FAILED)),
)


def verdict(error: BaseException) -> Verdict | None:
    """The verdict on an error, or None for one that nobody foresaw: a bug."""
    return next((found for kind, found in VERDICTS if isinstance(error, kind)), None)


def first_cause(error: BaseException) -> BaseException:
    """The first error inside a group of errors, or the error itself: tasks that fail together fail for one reason."""
    members: tuple[BaseException, ...] = getattr(error, "exceptions", ())  # what only a group has
    return first_cause(members[0]) if members else error

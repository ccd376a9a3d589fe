"""User names and passwords, and where they come from."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass, field
from typing import Final, Protocol

from anyio import to_thread

from acomps.errors import UsageError

__all__ = ["ConsolePrompt", "CredentialPrompt", "Credentials", "GivenCredentials", "NoPrompt"]

_GIVE_THEM: Final = "give username= and password= to acomps.connect"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and a password; the password stays out of every text form."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.username.strip():
            raise UsageError("the user name is empty")
        if not self.password:
            raise UsageError(f"the password of {self.username!r} is empty")


class CredentialPrompt(Protocol):
    """Whoever knows the user name and the password."""

    async def ask(self, server: str, user_hint: str | None, attempt: int) -> Credentials | None:
        """The credentials for `server`; None means that there are none (any more), or that the user gave up.

        `attempt` is 1 for the first question of a login; it is higher when the server refused the answer before.
        """
        ...


@dataclass(frozen=True, slots=True)
class GivenCredentials:
    """Credentials that are known beforehand; they are tried once."""

    credentials: Credentials

    async def ask(self, server: str, user_hint: str | None, attempt: int) -> Credentials | None:
        """The known credentials, the first time."""
        return self.credentials if attempt == 1 else None


class NoPrompt:
    """Nobody to ask: only a cached token can be used."""

    async def ask(self, server: str, user_hint: str | None, attempt: int) -> Credentials | None:
        """Raise UsageError, which says what to give."""
        raise UsageError(f"{server} wants a login, and there is no valid token of an earlier one: {_GIVE_THEM}")


class ConsolePrompt:
    """Asks on the terminal, at most three times."""

    attempts: Final = 3

    async def ask(self, server: str, user_hint: str | None, attempt: int) -> Credentials | None:
        """What the user types; None after an end of input or too many refusals.

        Raises UsageError where there is no terminal. Cancelling does not wait for the user.
        """
        if attempt > self.attempts:
            return None
        if not _has_terminal():
            raise UsageError(
                f"{server} wants a login, there is no valid token of an earlier one, and no terminal to ask on: "
                f"{_GIVE_THEM}, or log in once on a terminal"
            )
        return await to_thread.run_sync(_ask_console, server, user_hint, attempt, abandon_on_cancel=True)


def _has_terminal() -> bool:
    # Both are None in a program without a console, as under pythonw.
    stdin, stderr = (getattr(sys, name, None) for name in ("stdin", "stderr"))
    return stdin is not None and stderr is not None and stdin.isatty()


def _ask_console(server: str, user_hint: str | None, attempt: int) -> Credentials | None:
    # Standard output belongs to the data of the program, so the question goes to standard error.
    head = f"Login to {server}\n" if attempt == 1 else "That was not accepted, try again.\n"
    sys.stderr.write(f"{head}User name{f' [{user_hint}]' if user_hint else ''}: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    username = line.strip() or (user_hint or "")
    if not line or not username:
        return None
    try:
        password = getpass.getpass(f"Password of {username}: ")
    except EOFError:
        return None
    return Credentials(username, password) if password else None

"""The token of a JupyterHub user, where it is found, and the file that the SDK keeps it in."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import sys
from dataclasses import dataclass, field
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import orjson
from anyio import to_thread

from acomps.cybergis.reading import is_object
from acomps.errors import AcompsError, UsageError
from acomps.transport.token_cache import publish_private, read_own

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConsoleTokenPrompt", "HubToken", "TokenFile", "TokenPrompt", "from_environment", "from_jupyter"]

_SCHEME: Final = re.compile(r"^\s*(?:https?://)?", re.IGNORECASE)
_HOW: Final = "it is what JupyterHub shows under Token, together with the hub's host, as in hub.example.org"


@dataclass(frozen=True, slots=True)
class HubToken:
    """A JupyterHub's host and a token of one of its users, which stays out of every text form."""

    host: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        host = _SCHEME.sub("", self.host).strip().rstrip("/")
        object.__setattr__(self, "host", host)
        object.__setattr__(self, "secret", self.secret.strip())
        if not host or not self.secret:
            raise UsageError(f"a token and the host of its JupyterHub are both needed: {_HOW}")
        if "@" in host or not (host + self.secret).isascii() or not (host + self.secret).isprintable():
            raise UsageError(f"the host holds an @, or one of both something that is not ASCII: {_HOW}")

    @property
    def encoded(self) -> str:
        """As it travels, and as the SDK calls it jupyterhubApiToken; an encoding, no encryption."""
        return base64.b64encode(f"{self.host}@{self.secret}".encode()).decode()

    @classmethod
    def decode(cls, text: str) -> HubToken:
        """The token behind its encoded form. Raises UsageError, which does not show it."""
        try:
            host, mark, secret = base64.b64decode(text.strip(), validate=True).decode("ascii").partition("@")
        except (binascii.Error, UnicodeDecodeError):
            mark = host = secret = ""
        if not mark:
            raise UsageError("this is no encoded token: it should be the base64 of <hub host>@<token>")
        return cls(host, secret)


class TokenPrompt(Protocol):
    """Whoever can be asked for a token."""

    async def ask(self, server: str, host: str | None) -> HubToken | None:
        """The token for `server`, None when there is none; `host` is the hub, if it is known."""
        ...


class ConsoleTokenPrompt:
    """Asks on the terminal."""

    async def ask(self, server: str, host: str | None) -> HubToken | None:
        """What the user types; raises UsageError where there is no terminal."""
        if not (sys.stdin and sys.stdin.isatty()):
            raise UsageError(f"{server} wants a login and there is no terminal to ask on: give token=")
        return await to_thread.run_sync(_ask_console, server, host, abandon_on_cancel=True)


def _ask_console(server: str, host: str | None) -> HubToken | None:
    sys.stderr.write(f"Login to {server} with a token of your JupyterHub\n")
    try:
        secret = getpass("Token: ")
        if host is None:
            sys.stderr.write("Host of the JupyterHub: ")
            sys.stderr.flush()
            host = sys.stdin.readline().strip()
    except EOFError:
        return None
    return HubToken(host, secret) if secret and host else None


def from_environment(environ: Mapping[str, str] = os.environ) -> HubToken | None:
    """The token in CYBERGIS_COMPUTE_TOKEN, in its encoded form."""
    text = environ.get("CYBERGIS_COMPUTE_TOKEN", "").strip()
    return HubToken.decode(text) if text else None


def from_jupyter(environ: Mapping[str, str] = os.environ, host: str | None = None) -> HubToken | None:
    """The token of the hub that this notebook runs in: JUPYTERHUB_API_TOKEN and JUPYTER_INSTANCE_URL."""
    secret = environ.get("JUPYTERHUB_API_TOKEN", "").strip()
    host = host or environ.get("JUPYTER_INSTANCE_URL", "").strip()
    return HubToken(host, secret) if secret and host else None


@dataclass(frozen=True, slots=True)
class TokenFile:
    """The file of the SDK, by default in the current folder; ours can be read by its owner only."""

    path: Path

    async def load(self) -> HubToken | None:
        """The token in it; a file that is missing, damaged, a link or another user's counts as none."""
        return await to_thread.run_sync(self._load)

    async def store(self, token: HubToken) -> None:
        """Replace it in one step. Raises AcompsError if it cannot be written."""
        await to_thread.run_sync(self._store, token)

    def _load(self) -> HubToken | None:
        with contextlib.suppress(OSError, ValueError):  # UsageError and JSONDecodeError are ValueErrors
            document: object = orjson.loads(read_own(self.path))
            text = document.get("token") if is_object(document) else None
            return HubToken.decode(text) if isinstance(text, str) else None
        return None

    def _store(self, token: HubToken) -> None:
        try:
            publish_private(self.path, orjson.dumps({"token": token.encoded}).decode())
        except OSError as exc:
            raise AcompsError(f"the token cannot be kept in {self.path}: {exc.strerror}") from exc

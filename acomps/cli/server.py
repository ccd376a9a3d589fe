"""Which server a command works on, and the session with it."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson
import platformdirs
from anyio import to_thread

import acomps
from acomps.cli.exits import LoginNeeded
from acomps.cli.output import out
from acomps.comps.child import default_data_dir
from acomps.events import Retrying
from acomps.settings import server_from_environment
from acomps.transport import Address, ConsolePrompt, Credentials
from acomps.transport.token_cache import TokenCache

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from acomps.cli.options import Common
    from acomps.events import Event

__all__ = ["LOCAL", "Choice", "Prompt", "chosen", "credentials_from_environment", "forget", "remember", "session"]

LOCAL: Final = "local"
#: A repeat that takes longer than this is worth a word.
_WORTH_A_WORD_S: Final = 1.0


class Choice(NamedTuple):
    """A server and why it is this one."""

    server: str
    reason: str


def chosen(option: str | None) -> Choice:
    """What `--server` says, else COMPS_SERVER, else the last login, else the local service."""
    if option:
        return Choice(option, "--server")
    environment = server_from_environment()
    if environment:
        return Choice(environment, "COMPS_SERVER")
    last = _last_login()
    return Choice(last, "the last login") if last else Choice(LOCAL, "nothing else was said")


def remember(server: str | None) -> None:
    """Note the server of a login for the commands to come; None forgets it."""
    path = _login_file()
    if server is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(orjson.dumps({"server": server}))
    draft.replace(path)


async def forget(server: str) -> None:
    """Remove the token and the note of a login, without asking anybody."""
    url = await to_thread.run_sync(_local_url) if server == LOCAL else server
    if url:
        await TokenCache(Address.parse(url)).clear()
    await to_thread.run_sync(remember, None)


def credentials_from_environment(environ: Mapping[str, str] = os.environ) -> Credentials | None:
    """What ACOMPS_USERNAME and ACOMPS_PASSWORD say, if both are there."""
    username, password = environ.get("ACOMPS_USERNAME", ""), environ.get("ACOMPS_PASSWORD", "")
    return Credentials(username, password) if username and password else None


@asynccontextmanager
async def session(
    common: Common, *, credentials: Credentials | None = None, username: str | None = None, anew: bool = False
) -> AsyncGenerator[acomps.Session]:
    """A session with the server of a command, which also decides how its data is written.

    Without `credentials` those of the environment count, but not for the local service, which has its own.
    """
    out.format = common.format
    server = chosen(common.server).server
    given = credentials or (None if server == LOCAL else credentials_from_environment())
    prompt = None if given or (server == LOCAL and username is None) else Prompt()
    async with acomps.connect(
        server,
        username=given.username if given else username,
        password=given.password if given else None,
        credentials=prompt,
        on_event=_told,
        anew=anew,
    ) as comps:
        yield comps


class Prompt(ConsolePrompt):
    """Asks on the terminal; where there is none, or nobody answers, the command ends and says how to log in."""

    async def ask(self, server: str, user_hint: str | None, attempt: int) -> Credentials | None:
        """What the user types."""
        try:
            found = await super().ask(server, user_hint, attempt)
        except acomps.UsageError as error:
            raise LoginNeeded(f"{server} wants a login, and there is no terminal to ask on", server) from error
        if found is None and attempt == 1:
            raise LoginNeeded(f"the login to {server} was given up", server)
        return found


def _told(event: Event) -> None:
    if isinstance(event, Retrying) and event.wait_s >= _WORTH_A_WORD_S:
        out.note(f"{event.operation}: {event.reason}; trying again in {event.wait_s:.0f} s")


def _login_file() -> Path:
    return Path(platformdirs.user_config_dir("acomps", appauthor=False)) / "login.json"


def _last_login() -> str | None:
    return _noted(_login_file(), "server")


def _local_url() -> str | None:
    """Where the shared local service is, or was."""
    return _noted(default_data_dir() / "service.json", "url")


def _noted(path: Path, key: str) -> str | None:
    try:
        return str(orjson.loads(path.read_bytes())[key]) or None
    except (OSError, ValueError, KeyError, TypeError):
        return None

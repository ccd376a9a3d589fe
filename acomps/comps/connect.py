"""The way in: from a server's name to a session."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from acomps.comps.child import default_data_dir, shared_service
from acomps.comps.session import Session
from acomps.errors import UsageError
from acomps.events import Sink, ignore
from acomps.settings import Settings, server_from_environment
from acomps.transport import Address, Channel, ConsolePrompt, CredentialPrompt, Credentials, GivenCredentials

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["connect"]

_LOCAL: Final = "local"


@asynccontextmanager
async def connect(
    server: str | None = None,
    *,
    username: str | None = None,
    password: str | None = None,
    credentials: CredentialPrompt | None = None,
    settings: Settings | None = None,
    on_event: Sink = ignore,
    anew: bool = False,
) -> AsyncGenerator[Session]:
    """A session with `server`: a host such as "comps.idmod.org", "local", or what COMPS_SERVER says, else "local".

    Without a password, and without a token of an earlier login in the cache that pyCOMPS uses too (of `username`, if
    one is given), `credentials` is asked: by default on the terminal. `anew` logs in whatever token there is. Raises
    AuthenticationFailed for a wrong password, and NotSent when there is no such server.

        async with acomps.connect("local") as comps:
            print(await comps.user())
    """
    settings = settings or Settings()
    server = server or server_from_environment() or _LOCAL
    prompt = _prompt(username, password, credentials)
    async with AsyncExitStack() as stack:
        if server == _LOCAL:
            service = await stack.enter_async_context(shared_service(default_data_dir()))
            server = service.url
            if service.username:
                prompt = prompt or GivenCredentials(Credentials(service.username, service.password))
        channel = Channel(Address.parse(server), settings, prompt or ConsolePrompt(), on_event, username=username)
        await stack.enter_async_context(channel)
        await (channel.login() if anew else channel.token())
        yield Session(channel, settings)


def _prompt(
    username: str | None, password: str | None, credentials: CredentialPrompt | None
) -> CredentialPrompt | None:
    if password is None:
        return credentials
    if username is None:
        raise UsageError("a password needs the username that it belongs to")
    if credentials is not None:
        raise UsageError("give username and password, or credentials, but not both")
    return GivenCredentials(Credentials(username, password))

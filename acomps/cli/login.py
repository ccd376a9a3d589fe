"""`acomps login`, `logout`, `whoami`, and what the server knows of users."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import anyio.to_thread
from cyclopts import Parameter

import acomps
from acomps.cli.options import USUAL, Common
from acomps.cli.output import out
from acomps.cli.progress import duration
from acomps.cli.server import LOCAL, chosen, credentials_from_environment, forget, remember, session
from acomps.transport import Credentials

__all__ = ["get_user_info", "login", "logout", "whoami"]


async def login(
    host: Annotated[str | None, Parameter(help="The server, such as comps.idmod.org, or local.")] = None,
    /,
    *,
    username: Annotated[str | None, Parameter(name=("--username", "-u"), help="The name of the user.")] = None,
    password_stdin: Annotated[
        bool, Parameter(negative="", help="Read the password from the standard input; needs --username.")
    ] = False,
    common: Common = USUAL,
) -> None:
    """Log in to a server, and work with it from now on.

    The password is asked on the terminal, three times at most, or is in ACOMPS_PASSWORD, with the user's name in
    ACOMPS_USERNAME. The token is kept in the file that pyCOMPS uses, so whoever is logged in there is logged in here.

    Example: acomps login local
    """
    server = host or chosen(common.server).server
    credentials = await _given(username, password_stdin=password_stdin)
    if credentials is None and server != LOCAL:
        credentials = credentials_from_environment()
    at = Common(server=server, format=common.format)
    async with session(at, credentials=credentials, username=username, anew=credentials is not None) as comps:
        await anyio.to_thread.run_sync(remember, server)
        user, left = await comps.user(), duration((await comps.login_ends() - datetime.now(UTC)).total_seconds())
        out.note(f"Logged in to {comps.server} as {user}, for {left}; commands work with {server} from now on.")


async def logout(*, common: Common = USUAL) -> None:
    """Forget the login, also for other programs that share it.

    Example: acomps logout
    """
    server = chosen(common.server).server
    await forget(server)
    out.note(f"Logged out of {server}.")


async def whoami(*, common: Common = USUAL) -> None:
    """Who is logged in where, with which groups and environments, and for how long.

    Example: acomps whoami
    """
    async with session(common) as comps:
        me, ends = await comps.users.me(), await comps.login_ends()
        environments = me.environments or [each.name for each in await comps.environments.list()]
        out.fields(
            {
                "user": me.name,
                "server": comps.server,
                "groups": me.groups,
                "environments": environments,
                "login_ends": ends,
                "left": duration((ends - datetime.now(UTC)).total_seconds()),
            },
            ids=[me.name],
        )


async def get_user_info(
    username: Annotated[str, Parameter(help="The name of the user to get info for.")], /, *, common: Common = USUAL
) -> None:
    """Get information about a user.

    Example: acomps getuser jdoe
    """
    async with session(common) as comps:
        found = next((user for user in await comps.users.list() if user.name == username), None)
    if found is None:
        raise acomps.NotFound(f"User {username} not found", status=404)
    fields = {"UserName": found.name, "EmailAddress": found.email} if found.email else {"UserName": found.name}
    lists = {"Roles": found.roles, "Applications": found.applications, "Groups": found.groups}
    out.json({**fields, **lists, "Environments": found.environments}, indent=4)


async def _given(username: str | None, *, password_stdin: bool) -> Credentials | None:
    if not password_stdin:
        return None
    if username is None:
        raise acomps.UsageError("--password-stdin needs --username")
    line = await anyio.to_thread.run_sync(sys.stdin.readline)
    return Credentials(username, line.rstrip("\r\n"))

"""`acomps serve-user`: who may use the local service. Works on the users file of a data folder."""

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter

import acomps
from acomps.cli.output import out

if TYPE_CHECKING:
    from acomps.local.accounts.users import UsersFile

__all__ = ["app"]

T = TypeVar("T")

app = App(
    name="serve-user",
    help="""Add, list and remove the users of the local service, and set their passwords.

    The first user turns a service for its one owner into one for several; restart it then.
    """,
)

DataDir = Annotated[Path | None, Parameter(name="--data-dir", help="The data folder (default: the user-data folder).")]
Config = Annotated[Path | None, Parameter(name="--config", help="The configuration file that names the data folder.")]
FromStdin = Annotated[
    bool, Parameter(name="--password-stdin", negative="", help="Read the password from the standard input.")
]
Groups = Annotated[
    list[str], Parameter(name="--group", negative="", help="A group, whose members see each other's work; repeatable.")
]


@app.command
def add(
    name: str,
    *,
    group: Groups,
    email: str = "",
    password_stdin: FromStdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add a user, whose password is asked for."""
    users = _users(data_dir, config)
    password = _password(name, from_stdin=password_stdin)
    _done(lambda: users.add(name, password, groups=group, email=email))
    out.note(f"{name} can log in now; a service that had no users before must be restarted first.")


@app.command(name="list")
def list_(*, data_dir: DataDir = None, config: Config = None) -> None:
    """List the users, their groups, and who has forgotten the password."""
    users = _users(data_dir, config)
    out.table(
        _done(lambda: sorted(users.load().values(), key=lambda user: user.name.lower())),
        {
            "name": lambda user: user.name,
            "groups": lambda user: ", ".join(user.groups),
            "e-mail": lambda user: user.email,
            "password": lambda user: "forgotten: set a new one with passwd" if user.reset_requested else "set",
        },
    )


@app.command
def remove(name: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove a user, who is logged out with that; the simulations stay."""
    users = _users(data_dir, config)
    _done(lambda: users.remove(name))


@app.command
def passwd(name: str, *, password_stdin: FromStdin = False, data_dir: DataDir = None, config: Config = None) -> None:
    """Set a user's password; the user is logged out with that."""
    users = _users(data_dir, config)
    password = _password(name, from_stdin=password_stdin)
    _done(lambda: users.set_password(name, password))


@app.command(name="hash")
def hash_(*, password_stdin: FromStdin = False) -> None:
    """Print the hash of a password, for a user in a configuration file."""
    _users(None, None)
    from acomps.local.accounts.passwords import hashed

    password = _password("the user", from_stdin=password_stdin)
    out.data(_done(lambda: hashed(password)))


def _users(data_dir: Path | None, config: Path | None) -> "UsersFile":
    """The users of the data folder that is meant."""
    try:
        from acomps import local
        from acomps.local.accounts.users import UsersFile
    except ImportError as error:
        raise acomps.ExtraMissing("the local service", "local") from error
    return UsersFile(_done(lambda: local.configured(config, data_dir).data_dir))


def _password(name: str, *, from_stdin: bool) -> str:
    """The password of somebody; on a terminal it is asked for twice and not shown."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("The same again: ") != password:
        raise acomps.UsageError("the two passwords are not the same: try again")
    return password


def _done(work: Callable[[], T]) -> T:
    """What `work` makes; what it complains about is a matter of the command line."""
    from acomps.local import CannotServe

    try:
        return work()
    except (ValueError, LookupError, CannotServe) as error:
        raise acomps.UsageError(str(error.args[0])) from error

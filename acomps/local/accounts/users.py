"""Users, and the file that keeps them: whoever runs the service adds and removes them there, also while it runs."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import orjson

from acomps.local.accounts.passwords import hashed
from acomps.local.errors import CannotServe
from acomps.local.keys import private_file

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from acomps.local.jsons import JSON

__all__ = [
    "USERS_FILE",
    "User",
    "UsersFile",
    "checked_email",
    "checked_group",
    "checked_user_name",
    "hashed",
    "is_argon2",
]

#: In the data folder; readable by its owner only.
USERS_FILE: Final = "users.json"

_USER_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}")
_GROUP: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ ]{0,63}")
_EMAIL: Final = re.compile(r"[^\s,@]{1,64}@[^\s,@]{1,255}")
_HASH: Final = re.compile(r"\$argon2(id|i|d)\$[A-Za-z0-9+/=$,.-]{10,500}")
#: A file with more is not one that people keep.
MAX_USERS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can log in with a password, and the groups whose work they see."""

    name: str
    groups: tuple[str, ...] = ()
    email: str = ""
    password_hash: str = field(default="", repr=False)
    #: The user has asked for a new password, which whoever runs the service sets.
    reset_requested: bool = False
    #: Named in the configuration file, which the service does not write to.
    fixed: bool = False


def checked_user_name(name: str) -> str:
    """`name`, which becomes part of tokens and folders; ValueError says what is wrong with it."""
    if _USER_NAME.fullmatch(name) is None:
        raise ValueError(f"a user name has 1 to 64 letters, digits, or . _ @ + - after the first, not {name!r}"[:300])
    return name


def checked_group(name: str) -> str:
    """`name`, which becomes part of tokens, where "-" and "," separate names; ValueError says what is wrong with it."""
    if _GROUP.fullmatch(name) is None:
        raise ValueError(
            f"a name here has 1 to 64 letters, digits, or . _ and spaces (tokens join names with a hyphen), "
            f"not {name!r}"[:300]
        )
    return name


def checked_email(address: str) -> str:
    """`address`, which may be empty; ValueError says what is wrong with it."""
    if address and _EMAIL.fullmatch(address) is None:
        raise ValueError(f"an e-mail address looks like name@example.org, not {address!r}"[:300])
    return address


def is_argon2(text: str) -> bool:
    """True for what can be the hash of a password."""
    return _HASH.fullmatch(text) is not None


class UsersFile:
    """The users of a data folder by their name in lower case. Everything here blocks.

    CannotServe when the file cannot be read, written or understood.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.path = data_dir / USERS_FILE

    def load(self) -> dict[str, User]:
        """All users; none when there is no file."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise CannotServe(f"cannot read {self.path}: {exc.strerror or exc}") from exc
        try:
            document = orjson.loads(text)
            users = [_read(item) for item in document["users"]]
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise CannotServe(
                f"{self.path} is damaged ({exc}): restore it, or remove it and add the users again"
            ) from exc
        return {user.name.lower(): user for user in users}

    def add(self, name: str, password: str, *, groups: Sequence[str], email: str = "") -> User:
        """Add somebody; ValueError when the name is taken or something is wrong with it, the groups or the password."""
        if not groups:
            raise ValueError(f"{name} needs at least one group: its members see each other's work")
        user = User(
            name=checked_user_name(name),
            groups=tuple(dict.fromkeys(checked_group(group) for group in groups)),
            email=checked_email(email),
            password_hash=hashed(password),
        )
        with self._changing() as users:
            if name.lower() in users:
                raise ValueError(f"there is a user {users[name.lower()].name} already")
            if len(users) >= MAX_USERS:
                raise ValueError(f"there are {MAX_USERS} users already")
            users[name.lower()] = user
        return user

    def remove(self, name: str) -> None:
        """Remove somebody, whose tokens end with that; their work stays. LookupError when there is no such user."""
        with self._changing() as users:
            if users.pop(name.lower(), None) is None:
                raise LookupError(f"there is no user {name} in {self.path}")

    def set_password(self, name: str, password: str) -> User:
        """Give somebody a new password, which ends their tokens; LookupError when there is no such user."""
        password_hash = hashed(password)
        with self._changing() as users:
            found = users.get(name.lower())
            if found is None:
                raise LookupError(f"there is no user {name} in {self.path}")
            changed = users[name.lower()] = replace(found, password_hash=password_hash, reset_requested=False)
        return changed

    def request_reset(self, name: str) -> None:
        """Note for whoever runs the service that somebody has forgotten their password."""
        with self._changing() as users:
            found = users.get(name.lower())
            if found is not None:
                users[name.lower()] = replace(found, reset_requested=True)

    @contextlib.contextmanager
    def _changing(self) -> Generator[dict[str, User]]:
        """The users, written back at the end in one step; one process at a time."""
        import fcntl  # POSIX only, as the service is; importing this module must work everywhere.

        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise CannotServe(f"cannot write to the data folder {self.data_dir}: {exc.strerror or exc}") from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            before = self.load()
            users = dict(before)
            yield users
            if users != before:
                private_file(self.path, _document(users))
        finally:
            os.close(handle)


def _read(item: Mapping[str, JSON]) -> User:
    groups, password_hash = item["groups"], item["password_hash"]
    if not isinstance(groups, list) or not isinstance(password_hash, str) or not is_argon2(password_hash):
        raise ValueError("a user needs groups and an argon2 hash")
    return User(
        name=checked_user_name(str(item["name"])),
        groups=tuple(checked_group(str(group)) for group in groups),
        email=checked_email(str(item.get("email", ""))),
        password_hash=password_hash,
        reset_requested=item.get("reset_requested") is True,
    )


def _document(users: Mapping[str, User]) -> bytes:
    listed = [
        {
            "name": user.name,
            "email": user.email,
            "groups": list(user.groups),
            "password_hash": user.password_hash,
            **({"reset_requested": True} if user.reset_requested else {}),
        }
        for _, user in sorted(users.items())
    ]
    return orjson.dumps({"users": listed}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

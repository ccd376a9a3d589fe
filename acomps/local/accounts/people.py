"""Who may log in: the one person who started the service, or the users whom it was given."""

from __future__ import annotations

import hmac
import logging
import os
import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from acomps.local.accounts.passwords import decoded, matches
from acomps.local.accounts.throttle import Throttle
from acomps.local.accounts.users import User, UsersFile
from acomps.local.accounts.viewers import Viewer, viewers_of
from acomps.local.errors import CannotServe, Refused, TooOften

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["OnlyUser", "People", "Users"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

_log = logging.getLogger("acomps.local")

#: Wrong passwords that cost nothing; more of them come from one address, behind which many people may sit.
FREE_BY_NAME: Final = 5
FREE_BY_ADDRESS: Final = 20
#: Checking a password takes a core and 64 MiB for a moment.
CHECKS_AT_ONCE: Final = 2
MOST_WAITING: Final = 64

_WRONG: Final = "wrong user name or password"


class People(Protocol):
    """Everybody who may use the service."""

    #: Whether there may be others after a while.
    can_change: bool

    def all(self) -> Sequence[User]:
        """All users."""
        ...

    def find(self, name: str) -> User | None:
        """A user by the name in any case."""
        ...

    def viewer(self, name: str) -> Viewer | None:
        """What that user sees."""
        ...

    async def log_in(self, name: str, password: str, address: str) -> User:
        """Whoever has that password, given in Base64; a Refused with 401 or, after many failures, 429."""
        ...

    async def change_password(self, name: str, password: str) -> User:
        """Give a user a new password, given in Base64."""
        ...

    async def forgot_password(self, email: str, address: str) -> None:
        """Somebody asks for a new password; a Refused with 403 when nobody has that address."""
        ...

    async def refresh(self) -> None:
        """Look whether the users have changed."""
        ...


class OnlyUser:
    """`People`: the person who started the service, with a generated secret."""

    can_change = False

    def __init__(self, name: str, secret: str, groups: Sequence[str]) -> None:
        self.secret = secret
        self._user = User(name=name, groups=tuple(groups), email=f"{name}@localhost")
        self._viewer = Viewer(name=name, groups=tuple(groups))

    def __repr__(self) -> str:
        return f"OnlyUser({self._user.name!r})"

    def all(self) -> Sequence[User]:
        """See `People`."""
        return (self._user,)

    def find(self, name: str) -> User | None:
        """See `People`."""
        return self._user if name.lower() == self._user.name.lower() else None

    def viewer(self, name: str) -> Viewer | None:
        """See `People`."""
        return self._viewer if name.lower() == self._user.name.lower() else None

    async def log_in(self, name: str, password: str, address: str) -> User:
        """See `People`. The secret has 256 random bits: nobody guesses it, however often they try."""
        right = hmac.compare_digest(decoded(password) or b"", self.secret.encode())
        user = self.find(name)
        if user is None or not right:
            _log.warning("a login with a wrong user name or password from %s was refused", address)
            raise Refused(401, f"{_WRONG}; this service's own are in its ready file")
        return user

    async def change_password(self, name: str, password: str) -> User:
        """See `People`; there is nothing to change."""
        del name, password
        raise Refused(403, "this service has one user, whose password is made by the service itself")

    async def forgot_password(self, email: str, address: str) -> None:
        """See `People`; nobody has an address here."""
        del email, address
        raise Refused(403, "this service has one user, whose password is in its ready file")

    async def refresh(self) -> None:
        """See `People`."""


class Users:
    """`People`: users with passwords of their own, from the users file and from the configuration."""

    can_change = True

    def __init__(
        self, data_dir: Path, fixed: Mapping[str, User], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = UsersFile(data_dir)
        self._fixed = dict(fixed)
        self._by_name = Throttle(monotonic, free=FREE_BY_NAME)
        self._by_address = Throttle(monotonic, free=FREE_BY_ADDRESS)
        self._threads = anyio.CapacityLimiter(CHECKS_AT_ONCE)
        self._waiting = 0
        self._users: dict[str, User] = {}
        self._viewers: dict[str, Viewer] = {}
        self._seen: tuple[int, ...] | None = None
        self._look()

    def all(self) -> Sequence[User]:
        """See `People`."""
        return [user for _, user in sorted(self._users.items())]

    def find(self, name: str) -> User | None:
        """See `People`."""
        return self._users.get(name.lower())

    def viewer(self, name: str) -> Viewer | None:
        """See `People`."""
        return self._viewers.get(name.lower())

    async def log_in(self, name: str, password: str, address: str) -> User:
        """See `People`. A name that nobody has takes as long as a wrong password."""
        key = name.lower()[:256]
        self._slow_down(key, address)
        self._by_name.failed(key)
        self._by_address.failed(address)
        await self.refresh()
        user = self._users.get(key)
        given = decoded(password)
        right = await self._job(matches, user.password_hash if user else None, given or b"")
        if user is None or given is None or not right:
            _log.warning("a login with a wrong user name or password from %s was refused", address)
            raise Refused(401, _WRONG)
        self._by_name.clear(key)
        self._by_address.forgive(address)
        return user

    async def change_password(self, name: str, password: str) -> User:
        """See `People`."""
        given = decoded(password)
        user = self._users.get(name.lower())
        if user is None or given is None:
            raise Refused(400, "Password must be the Base64 of the new password")
        if user.fixed:
            raise Refused(403, f"the password of {user.name} is set in the configuration file of the service")
        try:
            changed = await self._job(self._file.set_password, name, given.decode())
        except (ValueError, LookupError) as exc:
            raise Refused(400, str(exc)) from exc
        await self.refresh()
        return changed

    async def forgot_password(self, email: str, address: str) -> None:
        """See `People`. Whoever runs the service finds the wish in the list of users."""
        self._slow_down("", address)
        wanted = email.strip().lower()
        user = next((user for user in self._users.values() if wanted and user.email.lower() == wanted), None)
        if user is None:
            self._by_address.failed(address)
            raise Refused(403, "no user of this service has that e-mail address")
        _log.warning("%s asks for a new password: acomps serve-user passwd %s", user.name, user.name)
        if not user.fixed and not user.reset_requested:
            await self._job(self._file.request_reset, user.name)
            await self.refresh()

    async def refresh(self) -> None:
        """See `People`."""
        try:
            await anyio.to_thread.run_sync(self._look)
        except CannotServe as exc:
            _log.error("the users stay as they are: %s", exc)

    def _slow_down(self, key: str, address: str) -> None:
        wait_s = max(self._by_name.wait_s(key) if key else 0.0, self._by_address.wait_s(address))
        if wait_s > 0:
            raise TooOften("too many wrong passwords", wait_s)

    async def _job(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Hashing, in one of few threads."""
        if self._waiting >= MOST_WAITING:
            raise TooOften("too many logins at once", 1.0)
        self._waiting += 1
        try:
            return await anyio.to_thread.run_sync(work, *args, limiter=self._threads)
        finally:
            self._waiting -= 1

    def _look(self) -> None:
        """Read the users file when it is another one than the last time."""
        try:
            status = os.stat(self._file.path)
            now: tuple[int, ...] = (status.st_ino, status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            now = ()
        if now == self._seen:
            return
        users = {**self._file.load(), **self._fixed}
        self._viewers = viewers_of(users.values())
        self._users = users
        self._seen = now

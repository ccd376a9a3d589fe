"""Environments with their macros and group, and users."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from acomps.transport import Replay
from acomps.wire.decode import decode_environments, decode_users, only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acomps.entities import Environment, User
    from acomps.transport import Channel

__all__ = ["Environments", "Users"]


class Environments:
    """`comps.environments`: where simulations can run."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def list(self) -> Sequence[Environment]:
        """The environments of the server; most servers leave macros and groups to `get`."""
        answer = await self._channel.call("GET", "/Environments", operation="list environments", replay=Replay.SAFE)
        return decode_environments(answer.json())

    async def get(self, name: str) -> Environment:
        """One environment with its group and macros; NotFound when there is none of that name."""
        operation = f"get environment {name!r}"
        answer = await self._channel.call(
            "GET", f"/Environments/{quote(name, safe='')}", operation=operation, replay=Replay.SAFE
        )
        return only(decode_environments(answer.json()), f"environment {name!r}")


class Users:
    """`comps.users`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def list(self) -> Sequence[User]:
        """All users of the server."""
        return await self._fetch("/users", "list users")

    async def get(self, name: str) -> User:
        """One user with groups and environments; NotFound when there is none of that name."""
        found = await self._fetch(f"/users/{quote(name, safe='')}", f"get user {name!r}")
        return only(found, f"user {name!r}")

    async def me(self) -> User:
        """Whoever is logged in."""
        return await self.get((await self._channel.token()).user)

    async def _fetch(self, path: str, operation: str) -> Sequence[User]:
        answer = await self._channel.call(
            "GET", path, operation=operation, replay=Replay.SAFE, query=[("format", "json")]
        )
        return decode_users(answer.json())

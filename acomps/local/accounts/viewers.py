"""Who asks: the name under which things are saved, and whose work they see (protocol 10.9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acomps.local.accounts.users import User

__all__ = ["EVERYBODY", "Viewer", "viewers_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A user in the eyes of the records. Everybody reads what members of their groups own, and changes their own."""

    name: str
    groups: tuple[str, ...]
    #: Names, in lower case, of all whose work is visible; None when there is nobody else and all of it is.
    peers: frozenset[str] | None = None
    #: Group and member, for each group of the viewer.
    memberships: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def owns(self, owner: object) -> bool:
        """True when the viewer may change what belongs to `owner`."""
        return self.peers is None or str(owner).lower() == self.name.lower()

    def belongs_to(self, group: str) -> bool:
        """True for a group of the viewer, in any case."""
        return self.peers is None or group.lower() in {own.lower() for own in self.groups}


#: The service itself, which sees everything.
EVERYBODY: Final = Viewer(name="", groups=())


def viewers_of(users: Iterable[User]) -> dict[str, Viewer]:
    """A viewer for each of the users, by the name in lower case."""
    known = list(users)
    members: dict[str, list[str]] = {}
    for user in known:
        for group in user.groups:
            members.setdefault(group.lower(), []).append(user.name.lower())
    return {
        user.name.lower(): Viewer(
            name=user.name,
            groups=user.groups,
            peers=frozenset({user.name.lower(), *(peer for group in user.groups for peer in members[group.lower()])}),
            memberships=tuple((group, peer) for group in user.groups for peer in members[group.lower()]),
        )
        for user in known
    }

"""From a token to whoever shows it, and back: tokens are made, checked and given back here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acomps.local.accounts.viewers import Viewer
from acomps.local.errors import Refused
from acomps.local.tokens import Bearer, Claim

if TYPE_CHECKING:
    from acomps.local.accounts.people import People
    from acomps.local.accounts.revocations import Revocations
    from acomps.local.accounts.users import User
    from acomps.local.environments import Environments
    from acomps.local.tokens import TokenKind, Tokens

__all__ = ["Access", "Visit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who makes a request, and the token that they show."""

    viewer: Viewer
    claim: Claim


class Access:
    """Who may come in."""

    def __init__(self, people: People, tokens: Tokens, revocations: Revocations, environments: Environments) -> None:
        self.people = people
        self._tokens = tokens
        self._revocations = revocations
        self._environments = environments

    def close(self) -> None:
        """Close what is open."""
        self._revocations.close()

    def visit(self, token: str) -> Visit:
        """Whoever shows this token; 401 when it is missing, false, expired or given back, or its user is gone."""
        claim = self._tokens.read(token)
        user = self.people.find(claim.user)
        viewer = self.people.viewer(claim.user)
        if user is None or viewer is None or claim.stamp != _stamp(user) or self._revocations.covers(claim):
            raise Refused(401, "the token is not valid any more: log in again")
        return Visit(viewer=viewer, claim=claim)

    def token(
        self,
        name: str,
        *,
        address: str = "127.0.0.1",
        kind: TokenKind = "Auth",
        lifetime_s: float | None = None,
    ) -> str:
        """A fresh token for a user; LookupError when there is none of that name."""
        user, viewer = self.people.find(name), self.people.viewer(name)
        if user is None or viewer is None:
            raise LookupError(f"there is no user {name}")
        bearer = Bearer(
            name=user.name,
            email=user.email,
            groups=user.groups,
            environments=[environment.name for environment in self._environments.of(viewer).all()],
            stamp=_stamp(user),
        )
        return self._tokens.issue(bearer, address=address, kind=kind, lifetime_s=lifetime_s)

    def give_back(self, claim: Claim) -> None:
        """Make a token worthless before its end. This blocks."""
        self._revocations.add(claim)


def _stamp(user: User) -> str:
    """Changes with the password, so that an old one's tokens end with it."""
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:16] if user.password_hash else "0"

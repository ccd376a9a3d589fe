"""The tokens that clients show: signed texts in the layout that every COMPS client can read (protocol 2.3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Bearer", "Claim", "TokenKind", "Tokens"]

#: Of a person, or of something that the service has started; the latter cannot be renewed.
TokenKind: TypeAlias = Literal["Auth", "System"]

_FIELDS: Final = 15
_SIGNATURE: Final = 8
_STAMP: Final = 14
_TIME: Final = "%Y-%m-%d-%H-%M-%S"
MAX_TOKEN: Final = 4_096
#: Tokens that were found good are remembered, so that clients who ask often cost little.
_REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """What a token says about its user."""

    name: str
    email: str
    groups: Sequence[str]
    environments: Sequence[str]
    #: Another one makes all older tokens of the user worthless.
    stamp: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a token with a good signature says."""

    user: str
    kind: str
    expires: datetime
    created: datetime
    stamp: str
    #: Names this token, and cannot be turned back into it.
    digest: str


class Tokens:
    """Makes and checks tokens. Who cannot sign cannot make one, and nobody can change one."""

    def __init__(self, key: bytes, *, lifetime_s: float, clock: Callable[[], datetime]) -> None:
        self._key = key
        self._lifetime = timedelta(seconds=lifetime_s)
        self._clock = clock
        self._known: dict[str, Claim] = {}

    def issue(
        self,
        bearer: Bearer,
        *,
        address: str = "127.0.0.1",
        kind: TokenKind = "Auth",
        lifetime_s: float | None = None,
    ) -> str:
        """A fresh token; `address` is the client's."""
        now = self._clock().astimezone(UTC)
        lifetime = self._lifetime if lifetime_s is None else timedelta(seconds=lifetime_s)
        fields = [
            "1",
            kind,
            bearer.name,
            address,
            # No two tokens are the same: one of them can be given back without the other.
            secrets.token_urlsafe(12),
            "local",
            f"{now + lifetime:{_TIME}}",
            f"{now:{_TIME}}",
            "",
            "local",
            "",
            bearer.email,
            _joined(bearer.groups),
            _joined(bearer.environments),
            bearer.stamp,
        ]
        fields[_SIGNATURE] = self._signature(fields)
        return ",".join(fields)

    def read(self, token: str) -> Claim:
        """What a token says; one that is missing, false or expired is refused with 401."""
        claim = self._known.get(token) or self._checked(token)
        if claim.expires <= self._clock():
            self._known.pop(token, None)
            raise Refused(401, "the token has expired: log in again")
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[token] = claim
        return claim

    def _checked(self, token: str) -> Claim:
        if not token:
            raise Refused(401, "this call needs a token in the header X-COMPS-Token: log in first")
        fields = token.split(",") if len(token) <= MAX_TOKEN else []
        if len(fields) != _FIELDS:
            raise Refused(401, "the token is not one of this service: log in again")
        expected = self._signature(fields)
        if not hmac.compare_digest(expected.encode(), fields[_SIGNATURE].encode("utf-8", "surrogateescape")):
            raise Refused(401, "the token is not one of this service: log in again")
        return Claim(
            user=fields[2],
            kind=fields[1],
            expires=_moment(fields[6]),
            created=_moment(fields[7]),
            stamp=fields[_STAMP],
            digest=hashlib.sha256(expected.encode()).hexdigest(),
        )

    def _signature(self, fields: Sequence[str]) -> str:
        signed = ",".join(text for at, text in enumerate(fields) if at != _SIGNATURE)
        raw = hmac.digest(self._key, signed.encode("utf-8", "surrogateescape"), "sha256")
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def _joined(names: Sequence[str]) -> str:
    # A "-" separates names here, so names that contain one are left out rather than torn apart.
    return "-".join(name for name in names if "-" not in name)

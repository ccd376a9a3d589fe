"""The token of the service: its layout, and when it is to be renewed."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from acomps.errors import MalformedAnswer

__all__ = ["Token", "TokenKind"]

_FEWEST_FIELDS: Final = 14
_MOST_SPLITS: Final = 15
_TIME_FORMAT: Final = "%Y-%m-%d-%H-%M-%S"
_RENEW_BEFORE_EXPIRY: Final = timedelta(minutes=120)


class TokenKind(enum.Enum):
    """What a token may do: a System token cannot be renewed."""

    AUTH = "Auth"
    SYSTEM = "System"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token; its text is a secret and stays out of every text form."""

    secret: str = field(repr=False)
    kind: TokenKind
    user: str
    expiry: datetime
    created: datetime | None
    groups: tuple[str, ...]
    environments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Token:
        """The token that a text holds. Raises MalformedAnswer, which does not show the text."""
        secret = text.strip()
        fields = secret.split(",", _MOST_SPLITS)
        if len(fields) < _FEWEST_FIELDS:
            raise MalformedAnswer(f"the token has {len(fields)} fields where at least {_FEWEST_FIELDS} are needed")
        if not secret.isprintable() or any(ord(character) > 255 for character in secret):
            raise MalformedAnswer("the token has characters that no HTTP header can carry")
        try:
            kind = TokenKind(fields[1])
        except ValueError:
            raise MalformedAnswer("the token is neither of the kind Auth nor System") from None
        expiry = _moment(fields[6])
        if expiry is None:
            raise MalformedAnswer("the token's expiry is not written as YYYY-MM-DD-HH-MM-SS")
        if not fields[2]:
            raise MalformedAnswer("the token names no user")
        return cls(
            secret=secret,
            kind=kind,
            user=fields[2],
            expiry=expiry,
            created=_moment(fields[7]),
            groups=_names(fields[12]),
            environments=_names(fields[13]),
        )

    @property
    def renew_at(self) -> datetime:
        """120 minutes before the expiry, but never in the first half of its life; a System token: at its expiry."""
        if self.kind is TokenKind.SYSTEM:
            return self.expiry
        early = self.expiry - _RENEW_BEFORE_EXPIRY
        if self.created is None or self.created >= self.expiry:
            return early
        return max(early, self.created + (self.expiry - self.created) / 2)

    def __str__(self) -> str:
        return f"the token of {self.user}"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split("-") if name)

"""Tokens that were given back before their end. What is kept is bounded: by user, and by the lives of tokens."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, MetaData, String, Table, delete, select
from sqlalchemy.dialects.sqlite import insert

from acomps.local.records.database import Database
from acomps.wire.dates import format_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from acomps.local.tokens import Claim

__all__ = ["Revocations"]

#: Of one user; who gives back more within the life of a token ends all tokens of theirs.
MOST: Final = 1_000

_metadata: Final = MetaData()
#: `digest` is empty where all tokens of a user are meant that were made until `until_created`.
_revoked: Final = Table(
    "revocations",
    _metadata,
    Column("user", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("expires", String, nullable=False),
    Column("until_created", String),
    sqlite_with_rowid=False,
)


class Revocations:
    """Which tokens are worth nothing any more, in memory and in a small database of their own."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._database = Database(path, _metadata)
        self._lock = threading.Lock()
        self._digests: dict[str, dict[str, str]] = {}
        self._all_until: dict[str, tuple[str, str]] = {}
        with self._database.writing() as connection:
            connection.execute(delete(_revoked).where(_revoked.c.expires <= self._now()))
            for user, digest, expires, until_created in connection.execute(select(_revoked)):
                if digest:
                    self._digests.setdefault(user, {})[digest] = expires
                else:
                    self._all_until[user] = (until_created, expires)

    def close(self) -> None:
        """Close what is open."""
        self._database.close()

    def covers(self, claim: Claim) -> bool:
        """True when the token was given back."""
        user = claim.user.lower()
        if claim.digest in self._digests.get(user, ()):
            return True
        everything = self._all_until.get(user)
        return everything is not None and format_time(claim.created) <= everything[0]

    def add(self, claim: Claim) -> None:
        """Give a token back. This blocks: when it returns, the token stays worthless after a restart, too."""
        user, now, expires = claim.user.lower(), self._now(), format_time(claim.expires)
        with self._lock, self._database.writing() as connection:
            connection.execute(delete(_revoked).where(_revoked.c.expires <= now))
            self._all_until = {name: until for name, until in self._all_until.items() if until[1] > now}
            current = {digest: end for digest, end in self._digests.get(user, {}).items() if end > now}
            current[claim.digest] = expires
            row = {"user": user, "digest": claim.digest, "expires": expires, "until_created": None}
            if len(current) > MOST:
                last = max(current.values())
                connection.execute(delete(_revoked).where(_revoked.c.user == user))
                row |= {"digest": "", "expires": last, "until_created": now}
                current = {}
                self._all_until[user] = (now, last)
            connection.execute(insert(_revoked).values(row).on_conflict_do_nothing())
            self._digests[user] = current

    def _now(self) -> str:
        return format_time(self._clock())

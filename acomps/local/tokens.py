"""The tokens that clients show: signed texts in the layout that every COMPS client can read (protocol 2.3)."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Account", "Tokens"]

_FIELDS: Final = 15
_SIGNATURE: Final = 8
_TIME: Final = "%Y-%m-%d-%H-%M-%S"
MAX_TOKEN: Final = 4_096


class Account:
    """The one user of a single-user service: the person who started it, and a generated secret."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def __repr__(self) -> str:
        return f"Account({self.username!r})"

    def opens(self, username: str, encoded_password: str) -> bool:
        """True for the right name (in any case) and the Base64 of the right password."""
        try:
            password = base64.b64decode(encoded_password, validate=True)
        except (ValueError, binascii.Error):
            return False
        # The secret has 256 random bits: no dictionary reaches it, so comparing in constant time is enough.
        right = hmac.compare_digest(password, self.password.encode())
        return right and username.lower() == self.username.lower()


class Tokens:
    """Makes and checks tokens. Who cannot sign cannot make one, and nobody can change one."""

    def __init__(
        self,
        key: bytes,
        *,
        lifetime_s: float,
        clock: Callable[[], datetime],
        groups: Sequence[str],
        environments: Sequence[str],
    ) -> None:
        self._key = key
        self._lifetime = timedelta(seconds=lifetime_s)
        self._clock = clock
        # A "-" separates names here, so names that contain one are left out rather than torn apart.
        self._groups = "-".join(name for name in groups if "-" not in name)
        self._environments = "-".join(name for name in environments if "-" not in name)

    def issue(self, username: str) -> str:
        """A fresh token for `username`."""
        now = self._clock()
        fields = [
            "1",
            "Auth",
            username,
            "127.0.0.1",
            "local",
            "local",
            f"{now + self._lifetime:{_TIME}}",
            f"{now:{_TIME}}",
            "",
            "local",
            "",
            f"{username}@localhost",
            self._groups,
            self._environments,
            "0",
        ]
        fields[_SIGNATURE] = self._signature(fields)
        return ",".join(fields)

    def user(self, token: str) -> str:
        """The user behind a token; a token that is missing, false or expired is refused with 401."""
        if not token:
            raise Refused(401, "this call needs a token in the header X-COMPS-Token: log in first")
        fields = token.split(",")
        if len(token) > MAX_TOKEN or len(fields) != _FIELDS:
            raise Refused(401, "the token is not one of this service: log in again")
        expected = self._signature(fields)
        if not hmac.compare_digest(expected.encode(), fields[_SIGNATURE].encode()):
            raise Refused(401, "the token is not one of this service: log in again")
        expiry = datetime.strptime(fields[6], _TIME).replace(tzinfo=self._clock().tzinfo)
        if expiry <= self._clock():
            raise Refused(401, "the token has expired: log in again")
        return fields[2]

    def _signature(self, fields: Sequence[str]) -> str:
        signed = ",".join(text for at, text in enumerate(fields) if at != _SIGNATURE)
        raw = hmac.digest(self._key, signed.encode("utf-8", "surrogateescape"), "sha256")
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

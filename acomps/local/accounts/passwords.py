"""Passwords: hashing them with argon2, checking them, reading them from the wire. Hashing blocks for a while."""

from __future__ import annotations

import base64
import binascii
import functools
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["decoded", "hashed", "matches"]

MIN_LETTERS: Final = 8
MAX_BYTES: Final = 1_024

_hasher: Final = PasswordHasher()


def hashed(password: str) -> str:
    """The hash to keep; ValueError when the password is too short or too long."""
    if len(password) < MIN_LETTERS:
        raise ValueError(f"a password needs at least {MIN_LETTERS} characters")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ValueError(f"a password has at most {MAX_BYTES} bytes")
    return _hasher.hash(password.encode("utf-8", "surrogatepass"))


def matches(password_hash: str | None, password: bytes) -> bool:
    """True for the right password. Without a hash the answer is no and takes as long: nobody learns who exists."""
    try:
        # The library refuses by raising, whatever is wrong.
        _hasher.verify(password_hash or _of_nobody(), password[:MAX_BYTES])
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None and len(password) <= MAX_BYTES


@functools.cache
def _of_nobody() -> str:
    return _hasher.hash(b"a password that nobody has")


def decoded(encoded: str) -> bytes | None:
    """The password behind the wire's Base64; None when it is none."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        return None

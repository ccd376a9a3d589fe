"""The secrets of a data folder, made on first use and kept in files that only their owner can read."""

from __future__ import annotations

import getpass
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["login_name", "private_file", "secret"]


def secret(path: Path) -> str:
    """The 256-bit secret in `path`; made when it is not there."""
    try:
        found = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = ""
    if found:
        return found
    made = secrets.token_urlsafe(32)
    private_file(path, made.encode())
    return made


def private_file(path: Path, content: bytes) -> None:
    """Put `content` under `path` in one step, readable by its owner only."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def login_name() -> str:
    """The operating system's name of whoever runs this, without what would break a token or a path."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = f"user{os.getuid()}"
    return "".join("_" if letter in ',/\\\0"' or letter.isspace() else letter for letter in name) or "user"

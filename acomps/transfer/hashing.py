"""The md5s of large files that were hashed before: a cache on this machine, safe to delete at any time.

One small text file per path, replaced in one step, so any number of processes may share the folder; whatever is
damaged counts as not there. It is a hint only: the server compares the bytes with the md5 in any case.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import time
import uuid
from pathlib import Path
from typing import Final

import platformdirs

__all__ = ["HashCache"]

_log = logging.getLogger("acomps.transfer")

#: Smaller files are hashed about as fast as they are looked up.
LEAST_BYTES: Final = 8 * 1024 * 1024
#: A file that changed so recently could change once more without its times telling.
RACY_NS: Final = 2_000_000_000
_VERSION: Final = "1"
_LONGEST_ENTRY: Final = 256


class HashCache:
    """Remembers md5s by path, size, time of change and inode. Its methods block: call them in a thread."""

    def __init__(self, folder: Path | None = None, *, least_bytes: int = LEAST_BYTES) -> None:
        """`folder` is made when there is something to remember; None is the platform's user-cache folder."""
        self._folder = folder
        self._least_bytes = least_bytes

    def recall(self, path: Path, status: os.stat_result) -> uuid.UUID | None:
        """The md5 of the file, if it has not changed since it was remembered."""
        if status.st_size < self._least_bytes:
            return None
        try:
            with self._entry(path).open("rb") as handle:
                said = handle.read(_LONGEST_ENTRY).decode("ascii", "replace")
        except OSError:
            return None
        facts, _, md5 = said.rstrip("\n").rpartition(" ")
        if facts != _facts(status) or not said.endswith("\n"):
            return None
        try:
            return uuid.UUID(md5)
        except ValueError:
            return None

    def remember(self, path: Path, status: os.stat_result, md5: uuid.UUID) -> None:
        """Keep the md5 of a file whose `status` was taken when it had been hashed."""
        if status.st_size < self._least_bytes or time.time_ns() - status.st_mtime_ns < RACY_NS:
            return
        entry = self._entry(path)
        written = entry.with_name(f"{entry.name}.{secrets.token_hex(6)}")
        try:
            entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                written.write_bytes(f"{_facts(status)} {md5}\n".encode())
                written.replace(entry)
            finally:
                written.unlink(missing_ok=True)
        except OSError as exc:
            _log.debug("the md5 of %s is not kept: %s", path, exc)

    def forget(self, path: Path) -> None:
        """The md5 of this file has turned out to be wrong."""
        with contextlib.suppress(OSError):
            self._entry(path).unlink()

    def _entry(self, path: Path) -> Path:
        folder = self._folder or Path(platformdirs.user_cache_dir("acomps", appauthor=False)) / "md5"
        name = hashlib.blake2b(os.fsencode(path.resolve()), digest_size=20).hexdigest()
        return folder / name


def _facts(status: os.stat_result) -> str:
    return f"{_VERSION} {status.st_size} {status.st_mtime_ns} {status.st_ino}"

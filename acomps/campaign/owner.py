"""One owner for a store: a file that names it, locked while it lives and touched now and then.

A lock that can be had means that the last holder is gone, on a file system that has locks. On one that has none the
file says who it was: a process of this host that lives still has it, one of another host has it for as long as the
file is fresh.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

import orjson

from acomps.campaign.errors import StoreInUse
from acomps.transfer.filelock import try_lock

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Owner", "lives"]

#: The owner touches its file so often, and is believed dead when it has not for so long (another host's only).
TOUCH_S: Final = 15.0
LEASE_S: Final = 90.0


def lives(pid: int) -> bool:
    """Whether a process of this host is there; where that cannot be asked, no."""
    if sys.platform == "win32" or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Owner:
    """What this process holds while it owns the store; all of it blocks."""

    def __init__(self, path: Path, store: Path) -> None:
        """Become the owner; StoreInUse names the one there is."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._take(handle, path, store)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        self._path = path
        self._ended = threading.Event()
        self._toucher = threading.Thread(target=self._touch, name="acomps-store-owner", daemon=True)
        self._toucher.start()

    def release(self) -> None:
        """Let others have it."""
        self._ended.set()
        self._toucher.join()
        try:
            os.truncate(self._handle if os.truncate in os.supports_fd else self._path, 0)
        except OSError:
            # The folder is gone: nobody can be kept out of it.
            pass
        finally:
            os.close(self._handle)

    def _take(self, handle: int, path: Path, store: Path) -> None:
        free = try_lock(handle)
        known = _holder(path)
        if not free or _still_held(known, path):
            raise StoreInUse(
                f"{store} is in use by {known.get('holder', 'another process')} on {known.get('host', 'some host')} "
                f"since {known.get('since', 'some time')}: wait until it has ended, or report through an inbox"
            )
        record = {
            "holder": f"process {os.getpid()} ({' '.join(sys.argv)[:200]})",
            "pid": os.getpid(),
            "host": platform.node(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, orjson.dumps(record))
        os.fsync(handle)

    def _touch(self) -> None:
        while not self._ended.wait(TOUCH_S):
            try:
                os.utime(self._path)
            except OSError:
                return


def _holder(path: Path) -> dict[str, object]:
    try:
        found: object = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def _still_held(known: dict[str, object], path: Path) -> bool:
    """Whether the holder may live although its lock could be had, as where there are no locks."""
    pid, host = known.get("pid"), known.get("host")
    if not isinstance(pid, int):
        return False
    if host == platform.node() and (_has_locks(path) or not lives(pid)):
        return False
    return time.time() - path.stat().st_mtime < LEASE_S


def _has_locks(path: Path) -> bool:
    """Whether a file that is locked already cannot be locked again."""
    handle = os.open(path, os.O_RDWR)
    try:
        return not try_lock(handle)
    finally:
        os.close(handle)

"""Waiting for the end of a process, also of one that somebody else started."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

import anyio

__all__ = ["until_end"]

#: Where the system has no descriptor for processes, they are looked at this often.
LOOK_EVERY_S: Final = 0.1


async def until_end(pid: int, *, child: bool) -> None:
    """Return when the process has ended. A child is left unreaped, so that its number stays taken."""
    handle = _descriptor(pid)
    if handle is not None:
        try:
            await anyio.wait_readable(handle)
        finally:
            os.close(handle)
    else:
        while not _has_ended(pid, child=child):  # noqa: ASYNC110 - the system has no event for this
            await anyio.sleep(LOOK_EVERY_S)


def _descriptor(pid: int) -> int | None:
    """What becomes readable when the process ends; None where the system has no such thing or the process is gone."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return os.pidfd_open(pid)
    return None


def _has_ended(pid: int, *, child: bool) -> bool:
    try:
        if child:
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        os.kill(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return True
    return False

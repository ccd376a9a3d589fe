"""A lock on an open file, kept until it is closed: against other programs, and other tasks of this one."""

from __future__ import annotations

import os
import sys
from typing import Final

__all__ = ["try_lock"]

#: Windows locks bytes against reading too; nobody reads these.
_FAR: Final = 1 << 62


def try_lock(handle: int) -> bool:
    """Whether the file is ours now; False when somebody else has it. A file system without locks has it be ours."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True

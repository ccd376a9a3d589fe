"""Folders that are set aside, brought back and removed, also where another program (a sync client) holds on to them.

Only what such a program causes is tried again, for a few seconds; a full disk or a missing folder is an error at once.
"""

from __future__ import annotations

import errno
import logging
import secrets
import shutil
import string
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dropbox_retry_fail", "remove_dir", "rename_dir", "temporary_workflow_rename"]

#: Waits between the tries, in seconds.
PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_HELD: Final = frozenset({errno.EACCES, errno.EPERM, errno.EBUSY, errno.ENOTEMPTY})
_LETTERS: Final = 10

_log = logging.getLogger(__name__)


def dropbox_retry_fail(err: Exception) -> None:
    """What is done when a try has failed and another follows: it is logged."""
    _log.warning("another program may be holding on to a folder, trying again: %s", err)


async def remove_dir(dir_path: Path) -> None:
    """Remove a folder and all in it; none is fine. Tries for some seconds while another program holds on to it."""
    await _patiently(lambda: _remove(dir_path))


async def rename_dir(replaced_dir: Path, original_dir: Path) -> None:
    """Give a folder that was set aside its name back."""
    await _patiently(lambda: Path(replaced_dir).rename(original_dir))


async def temporary_workflow_rename(path: Path) -> Path:
    """Set a folder aside, so that it can be brought back; gives its new path: a dot and ten letters more."""
    letters = "".join(secrets.choice(string.ascii_letters) for _ in range(_LETTERS))
    aside = path.with_name(f"{path.name}.{letters}")
    await _patiently(lambda: path.rename(aside))
    return aside


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.exists():
        shutil.rmtree(folder)


async def _patiently(work: Callable[[], object]) -> None:
    for pause in PAUSES_S:
        try:
            await anyio.to_thread.run_sync(work)
        except OSError as exc:
            if exc.errno not in _HELD:
                raise
            dropbox_retry_fail(exc)
            await anyio.sleep(pause)
        else:
            return
    await anyio.to_thread.run_sync(work)

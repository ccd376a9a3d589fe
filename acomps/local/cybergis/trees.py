"""Copying folders of strangers: bounded, with links kept as links, and nothing but files and folders. This blocks."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["copy_tree"]

MAX_BYTES: Final = 8 * 1024**3
MAX_ENTRIES: Final = 200_000
MAX_DEPTH: Final = 64


def copy_tree(source: Path, target: Path, *, without: Collection[str] = (), merge: bool = False) -> int:
    """Copy what lies in `source` into the new folder `target`; the answer is the number of bytes.

    Names in `without` are left out at the top. Links stay what they are, so that nothing outside is read. With `merge`
    the folder may be there already, and links are left out, so that nothing is ever written through one.
    """
    if source.is_symlink() or not source.is_dir():
        raise Refused(402, "there is no such folder to copy")
    target.mkdir(parents=True, exist_ok=merge)
    todo = [(str(source), str(target), 0)]
    copied = entries = 0
    while todo:
        folder, into, depth = todo.pop()
        with os.scandir(folder) as found:
            for entry in found:
                if depth == 0 and entry.name in without:
                    continue
                entries += 1
                beside = f"{into}/{entry.name}"
                if entry.is_symlink():
                    if merge:
                        continue
                    os.symlink(os.readlink(entry.path), beside)
                elif entry.is_dir(follow_symlinks=False):
                    if not (merge and os.path.isdir(beside)):
                        os.mkdir(beside)
                    todo.append((entry.path, beside, depth + 1))
                elif entry.is_file(follow_symlinks=False):
                    copied += entry.stat(follow_symlinks=False).st_size
                    if copied <= MAX_BYTES:
                        shutil.copy(entry.path, beside, follow_symlinks=False)
                if copied > MAX_BYTES or entries > MAX_ENTRIES or depth > MAX_DEPTH:
                    raise Refused(402, f"the folder is too large: {MAX_BYTES} bytes, {MAX_ENTRIES} names at most")
    return copied

"""Working directories and materialised asset collections on the disk (protocol 10.5). Everything here blocks."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Final

from acomps.local.files.names import LINK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from acomps.local.files.contents import Contents, Stored

__all__ = ["Collections", "place", "prepare", "size_of", "tail"]

_PLAIN: Final = 0o644
_EXECUTABLE: Final = 0o755
#: What many simulations share, none of them may change.
_WRITING: Final = 0o222
_BLOCK_BYTES: Final = 1024 * 1024
#: How ELF, scripts and Mach-O begin.
_PROGRAMS: Final = (b"\x7fELF", b"#!", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def place(root: Path, owner_id: str) -> Path:
    """Where the working directory of a job or work item lies: three levels of three digits, then the whole id."""
    digits = owner_id.replace("-", "")
    return root / digits[:3] / digits[3:6] / digits[6:9] / owner_id


def prepare(directory: Path, files: Iterable[tuple[str, Stored]], assets: Path | None) -> None:
    """Make a working directory with the given files and the link to its asset collection.

    When that fails, nothing is left of it.
    """
    directory.mkdir(parents=True)
    try:
        for name, content in files:
            _copy(content, f"{directory}/{name}")
        if assets is not None:
            os.symlink(assets, directory / LINK_NAME, target_is_directory=True)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _copy(content: Stored, target: str) -> None:
    """A copy of its own: a program may write to its files, and the stored content must never change."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PLAIN)
    with os.fdopen(handle, "wb", buffering=0) as copy:
        if isinstance(content, bytes):
            copy.write(content)
            head = content[:4]
        else:
            with open(content, "rb") as source:
                head = source.read(4)
                source.seek(0)
                shutil.copyfileobj(source, copy, _BLOCK_BYTES)
        # Whatever is a program can be run, whoever stored it: uploads carry no file modes.
        if head.startswith(_PROGRAMS):
            os.fchmod(copy.fileno(), _EXECUTABLE)


class Collections:
    """Asset collections as folder trees, each made once and used by all simulations that name it."""

    def __init__(self, root: Path, contents: Contents) -> None:
        self._root = root
        self._contents = contents
        root.mkdir(exist_ok=True)
        for unfinished in root.glob(".*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def folder(self, collection_id: str) -> Path | None:
        """The folder of a collection, if it has been made."""
        folder = self._root / collection_id
        return folder if folder.is_dir() else None

    def make(self, collection_id: str, assets: Iterable[tuple[str, str, str]]) -> Path:
        """Make the folder of a collection out of its assets (relative path, name, md5); it appears when it is whole."""
        building = self._root / f".{collection_id}"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        for relative_path, name, md5 in assets:
            folder = building / relative_path
            folder.mkdir(parents=True, exist_ok=True)
            _copy(self._contents.fetch([md5])[md5], f"{folder}/{name}")
        finished = self._root / collection_id
        _protect(building)
        os.replace(building, finished)
        finished.chmod(finished.stat().st_mode & ~_WRITING)
        return finished


def _protect(folder: Path) -> None:
    """Take the right to write from all that is in a folder."""
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            entry = os.path.join(path, name)
            os.chmod(entry, os.stat(entry).st_mode & 0o777 & ~_WRITING)


def size_of(directory: Path) -> int:
    """The bytes of all files under a working directory; links do not count."""
    total = 0
    folders = [str(directory)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_symlink():
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def tail(path: Path, most: int) -> str:
    """The last lines of a text file, at most `most` bytes of them; nothing when there is no such file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as file:
        length = os.fstat(handle).st_size
        file.seek(max(0, length - most))
        text = file.read(most).decode("utf-8", "replace")
    return text.strip().replace("\0", "")

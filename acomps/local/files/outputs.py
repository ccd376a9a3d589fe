"""What lies in a working directory: listing it and opening its files, never anything outside of it. This blocks."""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused
from acomps.local.files.ranges import media_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Entry", "open_inside", "resource_id", "tree", "walk"]

MAX_DEPTH: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name in a working directory."""

    name: str
    #: The folder under the working directory, with `/`; "." is the working directory itself.
    folder: str
    #: As the protocol calls it: File, Directory, SymLinkFile, SymLinkDirectory.
    type: str
    length: int
    children: tuple[Entry, ...] = ()

    @property
    def path(self) -> str:
        return self.name if self.folder == "." else f"{self.folder}/{self.name}"

    def document(self, owner: uuid.UUID, url: str | None) -> dict[str, object]:
        """The entry as clients see it."""
        document: dict[str, object] = {
            "Id": resource_id(owner, self.path),
            "Type": self.type,
            "FriendlyName": self.name,
            "PathFromRoot": self.folder,
            "Length": self.length,
        }
        if url is not None:
            document["MimeType"] = media_type(self.name)
            document["Url"] = url
        return document


def resource_id(owner: uuid.UUID, path: str) -> str:
    """The id of a file in the working directory of a job or work item: always the same for the same file."""
    return str(uuid.uuid5(owner, path))


def walk(root: Path) -> Iterator[Entry]:
    """All files under `root`, folder by folder; links are named only where they lead to files inside."""
    for entry in tree(root):
        yield from _files(entry)


def _files(entry: Entry) -> Iterator[Entry]:
    if entry.type in {"File", "SymLinkFile"}:
        yield entry
    for child in entry.children:
        yield from _files(child)


def tree(root: Path) -> tuple[Entry, ...]:
    """What lies under `root`, by name. Links to folders are named and not followed."""
    return () if os.path.islink(root) else tuple(_scan(str(root), str(root), ".", 0))


def _scan(root: str, folder: str, under: str, depth: int) -> Iterator[Entry]:
    if depth > MAX_DEPTH:
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # The simulation may take a folder away while we look.
    for entry in entries:
        described = _entry(root, entry, under, depth)
        if described is not None:
            yield described


def _entry(root: str, entry: os.DirEntry[str], under: str, depth: int) -> Entry | None:
    name = entry.name
    if not _sendable(name):
        return None
    try:
        if entry.is_symlink():
            if entry.is_dir():
                return Entry(name=name, folder=under, type="SymLinkDirectory", length=0)
            if entry.is_file() and _is_inside(os.path.realpath(root), os.path.realpath(entry.path)):
                return Entry(name=name, folder=under, type="SymLinkFile", length=entry.stat().st_size)
            return None
        if entry.is_dir(follow_symlinks=False):
            below = name if under == "." else f"{under}/{name}"
            children = tuple(_scan(root, entry.path, below, depth + 1))
            return Entry(name=name, folder=under, type="Directory", length=0, children=children)
        if entry.is_file(follow_symlinks=False):
            length = entry.stat(follow_symlinks=False).st_size
            return Entry(name=name, folder=under, type="File", length=length)
    except OSError:
        return None
    return None


def _sendable(name: str) -> bool:
    """False for a name that is no text and that JSON cannot carry."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_inside(real_root: str, path: str) -> bool:
    return path.startswith(real_root + os.sep)


def open_inside(root: Path, path: str) -> int:
    """A descriptor of the file at `path` under `root`. What is not there, or leaves `root` by any way, is a 404."""
    parts = path.split("/")
    if path and "\0" not in path and not any(part in {"", ".", ".."} for part in parts):
        with contextlib.suppress(OSError):
            return _walked_to(root, parts)
        # There may be links on the way: then to where they lead, as long as that is inside.
        with contextlib.suppress(OSError):
            real_root = os.path.realpath(root)
            target = os.path.realpath(os.path.join(real_root, *parts), strict=True)
            if _is_inside(real_root, target):
                return _walked_to(root, Path(os.path.relpath(target, real_root)).parts)
    raise Refused(404, f"there is no file {path!r} in the working directory"[:400])


def _walked_to(root: Path, parts: Sequence[str]) -> int:
    """A descriptor of a file, gone to folder by folder without following links, for a program can put one anywhere.

    Not even in the place of its own working directory; what is above that has been looked at.
    """
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    for name in parts[:-1]:
        handle = _step(handle, name, os.O_RDONLY | os.O_DIRECTORY)
    return _step(handle, parts[-1], os.O_RDONLY | os.O_NONBLOCK)


def _step(handle: int, name: str, flags: int) -> int:
    """Open `name` in the folder `handle`, which is closed."""
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
    finally:
        os.close(handle)

"""Folders on this machine as asset collections. Everything here blocks: call it in a thread."""

from __future__ import annotations

import fnmatch
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acomps.entities import AssetCollection, AssetCollectionFile
from acomps.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from acomps.entities.tags import TagValue

__all__ = ["USUAL_EXCLUDES", "read_directory"]

#: What the service's own client leaves out as well: logs of earlier runs.
USUAL_EXCLUDES: Final = ("idmtools.log", "COMPS_log.log")

_NAME_TAG: Final = "Name"
_EXECUTABLE: Final[Mapping[str, TagValue]] = {"Executable": None}


def read_directory(
    path: Path,
    *,
    name: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = USUAL_EXCLUDES,
    tags: Mapping[str, TagValue] | None = None,
) -> AssetCollection:
    """The files below `path`, in the order of their names, as a collection with the tag Name; no file is read yet.

    A pattern as of fnmatch is compared with a file's name and with its path below `path` (with `/`, which `*` matches
    too); nothing in `include` means everything, and a folder that `exclude` names is not entered. Programs, which end
    in `.exe` or may be executed, have the tag Executable. Links are followed as far as they stay inside of the folder;
    one that leaves it, or leads nowhere or in circles, raises ContentError, as does what is no file.
    """
    walk = _Walk(Path(os.path.realpath(path)), tuple(include), tuple(exclude))
    if not walk.root.is_dir():
        raise ContentError(f"{path} is no folder: check the path")
    assets = tuple(walk.below(walk.root, "", (str(walk.root),)))
    return AssetCollection(assets=assets, tags={_NAME_TAG: name or walk.root.name, **(tags or {})})


@dataclass(frozen=True, slots=True)
class _Walk:
    root: Path
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def below(self, folder: Path, relative: str, way: tuple[str, ...]) -> Iterator[AssetCollectionFile]:
        """The files of one folder and of those in it; `way` are the real folders that lead to it."""
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
            for entry in entries:
                inside = f"{relative}/{entry.name}" if relative else entry.name
                if not _matches(self.exclude, entry.name, inside):
                    yield from self._entry(entry, relative, inside, way)
        except OSError as exc:
            raise ContentError(f"cannot read {exc.filename or folder}: {exc.strerror or exc}") from exc

    def _entry(
        self, entry: os.DirEntry[str], relative: str, inside: str, way: tuple[str, ...]
    ) -> Iterator[AssetCollectionFile]:
        if entry.is_symlink():
            self._require_inside(entry)
        if entry.is_dir():
            real = os.path.realpath(entry.path)
            if real in way:
                raise ContentError(f"{entry.path} is a link in a circle: exclude it")
            yield from self.below(Path(entry.path), inside, (*way, real))
        elif not self.include or _matches(self.include, entry.name, inside):
            yield _asset(entry, relative)

    def _require_inside(self, entry: os.DirEntry[str]) -> None:
        try:
            target = Path(os.path.realpath(entry.path, strict=True))
        except OSError as exc:
            raise ContentError(f"{entry.path} is a link that leads nowhere: exclude it") from exc
        if not target.is_relative_to(self.root):
            raise ContentError(f"{entry.path} is a link that leaves {self.root}: exclude it, or put the file there")


def _matches(patterns: Sequence[str], name: str, inside: str) -> bool:
    return any(fnmatch.fnmatchcase(name, one) or fnmatch.fnmatchcase(inside, one) for one in patterns)


def _asset(entry: os.DirEntry[str], relative: str) -> AssetCollectionFile:
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ContentError(f"{entry.path} is neither a file nor a folder: exclude it")
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        raise ContentError(f"the name {entry.name!r} in {relative or '.'} is no text: rename or exclude it") from None
    # Windows derives the bits from the name, and counts scripts in.
    runs = os.name == "posix" and bool(status.st_mode & 0o111)
    tags = _EXECUTABLE if runs or entry.name.lower().endswith(".exe") else {}
    return AssetCollectionFile(
        file_name=entry.name, relative_path=relative, tags=tags, length=status.st_size, content=Path(entry.path)
    )

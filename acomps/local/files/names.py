"""Names that strangers give to files, checked under POSIX and Windows rules before they touch the disk."""

from __future__ import annotations

import functools
import re
from typing import Final

from acomps.local.errors import Refused

__all__ = ["LINK_NAME", "asset_folder", "file_name"]

#: The name under which a working directory shows its asset collection.
LINK_NAME: Final = "Assets"
MAX_NAME_BYTES: Final = 255
MAX_PATH_BYTES: Final = 2_048

_DRIVE: Final = re.compile(r"[A-Za-z]:")


@functools.lru_cache(1024)  # The files of a sweep have the same few names.
def file_name(name: str, what: str = "FileName") -> str:
    """`name`, which must be a plain file name: no folder, no drive, no NUL."""
    if not name or name in {".", ".."} or "/" in name or "\\" in name or "\0" in name or _DRIVE.match(name):
        raise Refused(400, f"{what} must be a plain file name, not {name!r}"[:400])
    _encodable(name, what, MAX_NAME_BYTES)
    return name


def asset_folder(path: str) -> str:
    """A folder inside an asset collection, with `/`; `""` is the collection itself."""
    folder = path.replace("\\", "/")
    if folder in {"", ".", "./"}:
        return ""
    if folder.startswith("/") or _DRIVE.match(folder):
        raise Refused(400, f"RelativePath must be relative to the collection, not {path!r}"[:400])
    parts = [part for part in folder.split("/") if part not in {"", "."}]
    for part in parts:
        file_name(part, "each folder of RelativePath")
    folder = "/".join(parts)
    _encodable(folder, "RelativePath", MAX_PATH_BYTES)
    return folder


def _encodable(name: str, what: str, most: int) -> None:
    try:
        length = len(name.encode())
    except UnicodeEncodeError as exc:
        raise Refused(400, f"{what} {name!r} cannot be written to a disk") from exc
    if length > most:
        raise Refused(400, f"{what} is longer than {most} bytes")

"""Names that a server gives to files, checked under POSIX and Windows rules before they touch the disk."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Final

from acomps.errors import MalformedAnswer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["place_below"]

_DRIVE: Final = re.compile(r"[A-Za-z]:")
#: What Windows takes for something else than a file of that name, or cannot write.
_WINDOWS_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_WINDOWS_SIGNS: Final = re.compile(r'[<>:"|?*\x00-\x1f]')


def place_below(folder: Path, path: str, *, windows: bool = os.name == "nt") -> Path:
    """Where the file that the server calls `path` (with `/` or `\\`) belongs below `folder`.

    MalformedAnswer for whatever would not lie below it on every system: `..`, a root, a drive, a UNC path, a NUL; on
    Windows also for device names and signs that cannot be in a name.
    """
    parts = path.replace("\\", "/").split("/")
    for part in parts:
        if _leads_away(part):
            raise MalformedAnswer(f"the server calls a file {path!r}, which would not lie below {folder}")
        if windows and _unknown_to_windows(part):
            raise MalformedAnswer(f"the server calls a file {path!r}, which Windows cannot have: fetch it elsewhere")
    return folder.joinpath(*parts)


# Remembered, because the files of a sweep have few different names.
@functools.lru_cache(1_024)
def _leads_away(part: str) -> bool:
    return part in {"", ".", ".."} or "\0" in part or _DRIVE.match(part) is not None or not _encodable(part)


@functools.lru_cache(1_024)
def _unknown_to_windows(part: str) -> bool:
    signs, device = _WINDOWS_SIGNS.search(part), _WINDOWS_DEVICE.fullmatch(part)
    return signs is not None or device is not None or part[-1] in " ."


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

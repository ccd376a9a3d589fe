"""What a job leaves: the folders of its result, the beginning of its logs, and all of it as a zip. This blocks."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused
from acomps.local.files.outputs import open_inside, tree, walk
from acomps.local.files.zipping import zip_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from acomps.local.files.outputs import Entry

__all__ = ["first_logs", "result_files", "result_folders", "zip_bytes"]

#: More of a log is in its file.
LOG_LETTERS: Final = 500
CUT: Final = "...[download for full log]"
MOST_FOLDERS: Final = 1_000
MOST_FILES: Final = 100_000

_LOGS: Final = ("slurm_log/job.stdout", "slurm_log/job.stderr")


def first_logs(result: Path) -> list[str]:
    """The beginning of the output and of the errors; what is empty is left out."""
    found: list[str] = []
    for path in _LOGS:
        with contextlib.suppress(Refused, OSError):
            handle = open_inside(result, path)
            with os.fdopen(handle, "rb") as file:
                # A letter has up to four bytes.
                text = file.read(4 * (LOG_LETTERS + 1)).decode("utf-8", "replace").replace("\0", "")
            if text:
                found.append(text if len(text) <= LOG_LETTERS else f"{text[:LOG_LETTERS]}{CUT}")
    return found


def result_folders(result: Path, first: str | None) -> list[str]:
    """The folders in a result, with a leading `/`; hidden ones are left out, `first` goes first if it is there."""
    found = ["/", *_folders(tree(result))][:MOST_FOLDERS]
    return sorted(found, key=lambda path: path != first)


def _folders(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        if entry.type == "Directory" and not entry.name.startswith("."):
            yield f"/{entry.path}"
            yield from _folders(entry.children)


def result_files(result: Path, most_bytes: int) -> list[tuple[str, int]]:
    """The paths and lengths of all files in a result; more than a zip may hold are refused."""
    found: list[tuple[str, int]] = []
    total = 0
    for entry in walk(result):
        found.append((entry.path, entry.length))
        total += entry.length
        if total > most_bytes or len(found) > MOST_FILES:
            raise Refused(402, f"the result is too large for a zip: {most_bytes} bytes, {MOST_FILES} files at most")
    return found


def zip_bytes(files: Sequence[tuple[str, int]]) -> int:
    """The length of a zip of files."""
    return zip_length([(path, "") for path, _ in files], [length for _, length in files])

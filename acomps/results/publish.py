"""Files and folders of results: whole under their name, or not there."""

from __future__ import annotations

import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["publishing", "publishing_folder"]


@contextmanager
def publishing(target: Path) -> Generator[Path]:
    """A path beside `target` to write to; it gets the target's name when the block is done, and is removed if it fails.

    The folder of the target is made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.part")
    try:
        yield draft
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def publishing_folder(target: Path, mark: str) -> Generator[Path]:
    """As `publishing`, for a folder. It takes the place of an older one only if that holds the file `mark`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not (target / mark).exists():
        raise UsageError(f"{target} is there already and has no {mark}: remove it, or choose another name")
    number = secrets.token_hex(6)
    draft, old = (target.with_name(f".{target.name[:80]}.{number}.{kind}") for kind in ("part", "old"))
    try:
        yield draft
        if target.exists():
            target.rename(old)
        draft.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for folder in (draft, old):
            shutil.rmtree(folder, ignore_errors=True)

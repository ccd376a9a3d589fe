"""Files of results: whole under their name, or not there."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["publishing"]


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

"""Parts of files: the headers by which they are asked for and named (protocol 6.14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["ContentRange", "decode_content_range", "encode_range"]

_SENT: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Bytes `first` to `last`, both included, of a file of `total` bytes, where the server tells that."""

    first: int
    last: int
    total: int | None

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.last - self.first + 1


def decode_content_range(value: str | None) -> ContentRange | None:
    """What a Content-Range header says; None for anything that is no range of bytes."""
    found = _SENT.fullmatch((value or "").strip())
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    if last < first or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)


def encode_range(first: int, end: int) -> str:
    """The Range header for the bytes from `first` on up to `end`, which is not included."""
    return f"bytes={first}-{end - 1}"

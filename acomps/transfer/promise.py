"""What is known of a file before it arrives, and of one that has."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acomps.errors import NotWritten

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Fetched", "Promise", "not_written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The length in bytes and the md5 of a file that is to be fetched, None where they are not known.

    `identity` is a text that no other content has, such as the id of the file on the server: with it, or with an md5,
    a fetch that was cut short can be resumed by another run.
    """

    length: int | None = None
    md5: uuid.UUID | None = None
    identity: str = ""

    @property
    def unique(self) -> bool:
        """Whether two promises that are equal are about the same bytes."""
        return self.length is not None and (self.md5 is not None or bool(self.identity))

    def key(self, name: str) -> str:
        """A short text that belongs to this promise and to a file's name."""
        said = f"{name}\0{self.length}\0{self.md5}\0{self.identity}"
        return hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that arrived whole; `md5` is None only where nobody promised one or asked for it.

    `resumed` of its bytes were there from an earlier run that was cut short.
    """

    length: int
    md5: uuid.UUID | None = None
    resumed: int = 0


def not_written(target: Path, error: OSError) -> NotWritten:
    """The error of a file that could not be written to its place."""
    return NotWritten(f"cannot write {target}: {error.strerror or error}; check the folder and the free space")

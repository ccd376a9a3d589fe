"""Multipart bodies that stream and know their exact length before they are sent (protocol 6.4)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

__all__ = ["Blocks", "Multipart", "Part", "documents_part", "media_type"]

#: Small parts are gathered into blocks of about this size, so that the socket sees few writes.
_GATHER_BYTES: Final = 256 * 1024
_MEDIA_TYPES: Final = {
    ".json": "application/json",
    ".xml": "application/xml",
    ".txt": "text/plain",
    ".csv": "text/plain",
}
_BOUNDARY_LENGTH: Final = 32
_ESCAPES: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def media_type(file_name: str) -> str:
    """The content type that the service's own client gives a file of that name."""
    return _MEDIA_TYPES.get(os.path.splitext(file_name)[1], "application/octet-stream")


class Blocks(Protocol):
    """Content that is read when it is sent, once per attempt; its length is known before."""

    @property
    def length(self) -> int: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


Content: TypeAlias = bytes | Blocks


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a body.

    `head` are its header lines without the boundary before them, `length` the bytes of the content alone, `cost` the
    bytes that the part adds to a body, its boundary included.
    """

    name: str
    file_name: str
    content_type: str
    content: Content
    head: bytes = field(init=False, repr=False)
    length: int = field(init=False)
    cost: int = field(init=False)

    def __post_init__(self) -> None:
        head = (
            f'\r\nContent-Disposition: form-data; name="{self.name}"; filename="{self.file_name.translate(_ESCAPES)}"'
            f"\r\nContent-Type: {self.content_type}\r\n\r\n"
        ).encode()
        length = len(self.content) if isinstance(self.content, bytes) else self.content.length
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "length", length)
        object.__setattr__(self, "cost", 2 + _BOUNDARY_LENGTH + len(head) + length + 2)


def documents_part(plural: str, documents: bytes) -> Part:
    """The first part of every save: the entities themselves as a JSON array, under the names that COMPS gives them."""
    return Part("not_a_file", plural, "application/json", documents)


class Multipart:
    """A body of several parts. Iterating gives its blocks, afresh each time, so that an attempt can be repeated."""

    #: The bytes of a body beside its parts: the closing boundary.
    FRAME: Final = 2 + _BOUNDARY_LENGTH + 4

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._boundary = os.urandom(_BOUNDARY_LENGTH // 2).hex()
        self.length = self.FRAME + sum(part.cost for part in parts)

    @property
    def content_type(self) -> str:
        """The value of the request's Content-Type."""
        return f"multipart/form-data; boundary={self._boundary}"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        delimiter = b"--" + self._boundary.encode()
        pending: list[bytes] = []
        size = 0
        for part in self._parts:
            pending += (delimiter, part.head)
            if isinstance(part.content, bytes):
                pending.append(part.content)
                size += len(part.content)
            else:
                yield b"".join(pending)
                pending, size = [], 0
                async for block in part.content:
                    yield block
            pending.append(b"\r\n")
            if size >= _GATHER_BYTES:
                yield b"".join(pending)
                pending, size = [], 0
        yield b"".join((*pending, delimiter, b"--\r\n"))

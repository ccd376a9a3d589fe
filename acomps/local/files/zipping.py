"""Stored contents as a zip that is packed while it is sent. Everything here blocks.

Nothing is compressed: so the length is known before the first byte, and the client can tell whether all has come.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from acomps.local.files.contents import Contents, Stored

__all__ = ["Member", "blocks_of", "pack", "zip_blocks", "zip_length"]

#: The name in the zip, with `/`, and the md5 of the content.
Member: TypeAlias = tuple[str, str]

_BLOCK_BYTES: Final = 1024 * 1024
_MODE: Final = 0o644
_DATE: Final = (1980, 1, 1, 0, 0, 0)

#: The fixed parts of a zip whose members are followed by their checksums, and of its end with and without zip64.
_LOCAL_BYTES: Final = 30 + 16
_CENTRAL_BYTES: Final = 46
_END_BYTES: Final = 22
_ZIP64_END_BYTES: Final = 56 + 20
_MOST_WITHOUT_ZIP64: Final = 65_535


def zip_length(members: Sequence[Member], lengths: Iterable[int]) -> int:
    """How many bytes the zip has; its contents have less than 2 GiB together."""
    names = sum(len(name.encode()) for name, _ in members)
    fixed = len(members) * (_LOCAL_BYTES + _CENTRAL_BYTES) + _END_BYTES
    return fixed + 2 * names + sum(lengths) + (_ZIP64_END_BYTES if len(members) > _MOST_WITHOUT_ZIP64 else 0)


def zip_blocks(contents: Contents, members: Iterable[Member]) -> Iterator[bytes]:
    """The bytes of the zip, in blocks of about 1 MiB."""
    return pack((name, _blocks(contents.fetch([md5])[md5])) for name, md5 in members)


def pack(files: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    """The bytes of a zip of files that are given by name, with `/`, and by blocks."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, blocks in files:
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = _MODE << 16
            with archive.open(info, "w") as packed:
                for block in blocks:
                    packed.write(block)
                    if sink.waiting >= _BLOCK_BYTES:
                        yield sink.take()
    yield sink.take()


def _blocks(stored: Stored) -> Iterator[bytes]:
    if isinstance(stored, bytes):
        yield stored
        return
    yield from blocks_of(stored)


def blocks_of(file: str | int) -> Iterator[bytes]:
    """The blocks of a file given by its path, or by a descriptor that is closed at the end."""
    with open(file, "rb", buffering=0) as opened:
        while block := opened.read(_BLOCK_BYTES):
            yield block


class _Sink:
    """Where a zip is written to; it cannot seek."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.waiting = 0

    def write(self, data: bytes) -> int:
        """More of the zip."""
        self._pieces.append(bytes(data))
        self.waiting += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """What was written stays until it is taken."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.waiting = 0
        return taken

"""A file of a harvest as bytes in memory."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.errors import ChecksumMismatch
from acomps.transport import Replay

if TYPE_CHECKING:
    from acomps.entities import OutputFile
    from acomps.transport import Channel

__all__ = ["read_whole"]

#: Larger contents are hashed in a thread.
_HASH_INLINE_BYTES: Final = 64 * 1024


async def read_whole(channel: Channel, file: OutputFile, operation: str, *, growing: bool) -> tuple[bytes, uuid.UUID]:
    """The file and its md5, as long as it was listed; ChecksumMismatch if that is not what arrived.

    A `growing` file, to which somebody still writes, may have become longer.
    """
    answer = await channel.call("GET", file.url, operation=operation, replay=Replay.SAFE)
    content = answer.content[: file.length] if growing else answer.content
    if len(content) <= _HASH_INLINE_BYTES:
        md5 = _md5(content)
    else:
        md5 = await anyio.to_thread.run_sync(_md5, content)
    if len(content) != file.length:
        raise ChecksumMismatch(
            f"{operation}: {len(content)} bytes arrived where {file.length} were promised; harvest it again"
        )
    if file.md5_checksum not in {None, md5}:
        raise ChecksumMismatch(f"{operation}: the bytes do not have the promised md5; harvest it again")
    return content, md5


def _md5(content: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.md5(content, usedforsecurity=False).digest())

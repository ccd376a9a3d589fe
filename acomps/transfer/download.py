"""Files that arrive: written beside their final name, checked, then published by one rename."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import anyio
import anyio.to_thread

from acomps.errors import ChecksumMismatch, NotWritten

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable
    from pathlib import Path

__all__ = ["Promise", "fetch_to_file"]

#: What arrives is gathered to about this much before one job in a thread; smaller files cost a single job.
_WRITE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is known of a file before it arrives: its length in bytes and its md5, or None where it is not known."""

    length: int | None = None
    md5: uuid.UUID | None = None


class _PartFile:
    """A file under a name of its own beside `target`, until it is whole. Its methods block: call them in a thread."""

    def __init__(self, target: Path, promise: Promise) -> None:
        self._target = target
        self._part = target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.part")
        self._promise = promise
        self._digest = hashlib.md5(usedforsecurity=False)
        self._handle: BinaryIO | None = None
        self.received = 0

    def write(self, data: bytes) -> None:
        if self._handle is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self._part.open("xb", buffering=0)
        self.received += len(data)
        if self._promise.md5 is not None:
            self._digest.update(data)
        left = memoryview(data)
        while left:
            left = left[self._handle.write(left) :]

    def finish(self, data: bytes) -> None:
        """Write the last bytes, check the whole and give it its name."""
        self.write(data)
        name, promise = self._target.name, self._promise
        if promise.length is not None and self.received != promise.length:
            raise ChecksumMismatch(
                f"{name}: {self.received} bytes arrived where {promise.length} were promised; fetch it again"
            )
        if promise.md5 is not None and self._digest.digest() != promise.md5.bytes:
            raise ChecksumMismatch(f"{name}: the bytes that arrived do not have the promised md5; fetch it again")
        self._close()
        self._part.replace(self._target)

    def discard(self) -> None:
        """Leave nothing behind, whatever happened before."""
        self._close()
        with contextlib.suppress(OSError):
            self._part.unlink()

    def _close(self) -> None:
        if self._handle is not None:
            self._handle.close()


async def fetch_to_file(
    chunks: AsyncIterable[bytes],
    target: Path,
    promise: Promise,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> int:
    """Write `chunks` to `target`, in folders that are made if needed, and return how many bytes they were.

    Whatever breaks the promise raises ChecksumMismatch, a full disk NotWritten; after any failure nothing stands under
    the final name, and no other file is left.
    """
    part = _PartFile(target, promise)
    pending: list[bytes] = []
    waiting = arrived = 0
    try:
        async for chunk in chunks:
            pending.append(chunk)
            waiting += len(chunk)
            arrived += len(chunk)
            on_bytes(len(chunk))
            if waiting >= _WRITE_BYTES:
                await anyio.to_thread.run_sync(part.write, b"".join(pending))
                pending.clear()
                waiting = 0
        await anyio.to_thread.run_sync(part.finish, b"".join(pending))
    except BaseException as exc:
        on_bytes(-arrived)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(part.discard)
        if isinstance(exc, OSError):
            reason = exc.strerror or str(exc)
            raise NotWritten(f"cannot write {target}: {reason}; check the folder and the free space") from exc
        raise
    return arrived

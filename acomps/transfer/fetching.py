"""One file from the server to the disk: whole, exact, and resumed where it broke off.

Small files are one request and one job in a thread. Larger ones are one stream, or several ranges at once, written at
their place in a part file beside the target, which is published by one rename.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from acomps.errors import AcompsError, ChecksumMismatch, MalformedAnswer, NotFound
from acomps.streams import opened_in_thread
from acomps.transfer.blocks import BLOCK_BYTES
from acomps.transfer.partfile import PartFile, write_whole
from acomps.transfer.promise import not_written
from acomps.transfer.reading import Reading, Wanted
from acomps.transport import Replay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from acomps.transfer.promise import Fetched, Promise
    from acomps.transport import Channel, Clock

__all__ = ["fetch"]

_NO_HEADERS: Final[dict[str, str]] = {}


def _quiet(count: int) -> None:
    """Nobody asked for progress."""


async def fetch(
    channel: Channel,
    url: str,
    target: Path,
    promise: Promise,
    *,
    operation: str,
    growing: bool = False,
    digest: bool = True,
    on_bytes: Callable[[int], None] = _quiet,
    clock: Clock | None = None,
) -> Fetched:
    """Fetch the file at `url` to the path `target`, whose folders are made.

    It appears under its name when it is whole and as promised; whatever breaks the promise is ChecksumMismatch, a full
    disk NotWritten. A failure, a cancellation or a killed process leaves nothing, or of a file large enough for
    several ranges (`Settings.range_from_bytes`) a part file that the next run goes on with.

    A `growing` file is fetched as far as was promised. Without `digest`, a large file is hashed only if an md5 was
    promised. `on_bytes` hears of bytes that arrive, or are there already; it is negative when some do not count.
    """
    length = promise.length
    if length is not None and length <= BLOCK_BYTES:
        return await _fetch_small(channel, url, target, promise, operation, growing=growing, on_bytes=on_bytes)
    told = _Told(on_bytes)
    large = length is not None and length > channel.settings.range_from_bytes
    # What still grows may also be written anew: two runs could see two files.
    part = PartFile(target, promise, resumable=large and not growing, digest=digest)
    keep = True
    try:
        # Should it be cancelled, the part is left below, when it is open.
        done = await opened_in_thread(part.open, len)
        wanted = Wanted(url, operation, length, growing=growing)
        reading = Reading(channel, wanted, part, told.add, clock or channel.clock)
        await reading.run(done, ranges=large)
        try:
            return await _published(part)
        except ChecksumMismatch:
            if not done:
                raise
        # What an earlier run has left may be what is wrong.
        await to_thread.run_sync(part.restart)
        told.reset()
        await reading.run((), ranges=large)
        return await _published(part)
    except BaseException as exc:
        told.reset()
        keep = not isinstance(exc, ChecksumMismatch | MalformedAnswer | NotFound)
        if isinstance(exc, OSError):
            raise not_written(target, exc) from exc
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(lambda: part.leave(keep=keep))


async def _fetch_small(
    channel: Channel,
    url: str,
    target: Path,
    promise: Promise,
    operation: str,
    *,
    growing: bool,
    on_bytes: Callable[[int], None],
) -> Fetched:
    answer = await channel.call("GET", url, operation=operation, replay=Replay.SAFE)
    data = answer.content
    if growing and promise.length is not None:
        data = data[: promise.length]
    on_bytes(len(data))
    try:
        return await channel.threads.run(write_whole, target, data, promise)
    except (AcompsError, OSError) as exc:
        on_bytes(-len(data))
        if isinstance(exc, OSError):
            raise not_written(target, exc) from exc
        raise


async def _published(part: PartFile) -> Fetched:
    while await to_thread.run_sync(part.hash_some):
        pass
    return await to_thread.run_sync(part.publish)


class _Told:
    """What the caller has been told of, so that it can be taken back."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        self._on_bytes, self._sum = on_bytes, 0

    def add(self, count: int) -> None:
        self._sum += count
        self._on_bytes(count)

    def reset(self) -> None:
        if self._sum:
            self.add(-self._sum)

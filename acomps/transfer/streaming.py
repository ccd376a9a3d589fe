"""The bytes of a file as they arrive, from the byte on where the stream broke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.errors import OutcomeUnknown, Refused
from acomps.transfer.reading import OUT_OF_RANGE, OtherRange, Patience, RangesIgnored, Wanted
from acomps.wire.ranges import encode_range

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from acomps.transport import Channel, Clock

__all__ = ["stream_bytes"]


async def stream_bytes(
    channel: Channel, url: str, *, operation: str, start: int, length: int, clock: Clock | None = None
) -> AsyncGenerator[bytes]:
    """The bytes of the file at `url` from `start` up to `length`, in pieces of any size; it may have grown since."""
    wanted = Wanted(url, operation, length, growing=True)
    patience = Patience(channel.settings.retry, clock or channel.clock)
    at = start
    ignored = False
    while at < length:
        began = at
        whole = ignored or at == 0
        headers = {} if whole else {"Range": encode_range(at, length)}
        try:
            async with channel.stream("GET", url, operation=operation, headers=headers) as answer:
                if whole:
                    wanted.require_whole(answer)
                    skip = at
                else:
                    wanted.require_part(answer, at, length)
                    skip = 0
                async for piece in answer.chunks():
                    new = piece[skip : skip + length - at]
                    skip = max(0, skip - len(piece))
                    at += len(new)
                    if new:
                        yield new
                    if at == length:
                        return
        except (OutcomeUnknown, OtherRange) as exc:
            await patience.wait(exc, at - began)
        except RangesIgnored:
            ignored = True
        except Refused as exc:
            if exc.status != OUT_OF_RANGE:
                raise
            raise wanted.changed() from exc
        else:
            if at == began:
                await patience.wait(OutcomeUnknown(f"{operation}: the answer was empty"), 0)

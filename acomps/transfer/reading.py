"""The bytes of one file from the server into a part file: in one stream or several ranges, again where it breaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from acomps.errors import AcompsError, ChecksumMismatch, MalformedAnswer, OutcomeUnknown, Refused
from acomps.transfer.blocks import Blocks
from acomps.transfer.spans import Missing, total
from acomps.wire.ranges import decode_content_range, encode_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from acomps.settings import RetrySettings
    from acomps.transfer.partfile import PartFile
    from acomps.transfer.spans import Span
    from acomps.transport import Channel, Clock, StreamedAnswer

__all__ = ["OUT_OF_RANGE", "OtherRange", "Patience", "RangesIgnored", "Reading", "Wanted"]

_OK: Final = 200
_PARTIAL: Final = 206
OUT_OF_RANGE: Final = 416
#: A break after this much is no sign that it will never work.
_PROGRESS_BYTES: Final = 1024 * 1024


class RangesIgnored(Exception):
    """The server sends the whole file, whatever part of it was asked for."""


class OtherRange(MalformedAnswer):
    """The server sent other bytes than those that were asked for; it may do better the next time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file on the server; of one that is `growing`, the first `length` bytes are wanted."""

    url: str
    operation: str
    length: int | None
    growing: bool = field(kw_only=True, default=False)

    def require_whole(self, answer: StreamedAnswer) -> None:
        """Check the head of an answer that should bring the whole file."""
        if answer.status != _OK:
            raise MalformedAnswer(f"{self.operation}: the server answered with status {answer.status}, not {_OK}")
        announced = answer.headers.get("content-length", "")
        if announced.isdecimal():
            self._require_length(int(announced))

    def require_part(self, answer: StreamedAnswer, first: int, end: int) -> int:
        """Check the head of an answer that should bring the bytes `first` to `end`; how many of them it brings."""
        if answer.status != _PARTIAL:
            raise RangesIgnored
        said = answer.headers.get("content-range")
        sent = decode_content_range(said)
        if sent is None or sent.first != first or sent.last >= end:
            raise OtherRange(f"{self.operation}: asked for bytes {first}-{end - 1}, the server sent {said!r}")
        if sent.total is not None:
            self._require_length(sent.total)
        announced = answer.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) != sent.length:
            raise OtherRange(f"{self.operation}: the server sent {announced} bytes and called them {said!r}")
        return sent.length

    def changed(self, length: int | None = None) -> ChecksumMismatch:
        """The error of a file that is not as long as it was when it was listed."""
        has = "is shorter" if length is None else f"has {length} bytes"
        return ChecksumMismatch(
            f"{self.operation}: it {has} now, where {self.length} were promised; list it again, then fetch it"
        )

    def _require_length(self, length: int) -> None:
        if self.length is None or length == self.length or (self.growing and length > self.length):
            return
        raise self.changed(length)


class Reading:
    """The way of one file into `part`; `tell` hears of what is there, negative when it does not count any more."""

    def __init__(
        self, channel: Channel, wanted: Wanted, part: PartFile, tell: Callable[[int], None], clock: Clock
    ) -> None:
        self._channel, self._wanted, self._part, self._clock = channel, wanted, part, clock
        self._tell_sink, self._told = tell, 0
        self._failure: Exception | None = None

    async def run(self, done: Iterable[Span], *, ranges: bool) -> None:
        """Read everything but `done`; `ranges` says that it pays to read several at once."""
        length = self._wanted.length
        if length is not None:
            spans = tuple(done)
            self._told = 0
            self._tell(total(spans))
            try:
                await self._read_ranges(Missing(spans, length), ranges=ranges)
                return
            except RangesIgnored:
                pass
        await self._read_whole()

    async def _read_ranges(self, missing: Missing, *, ranges: bool) -> None:
        settings = self._channel.settings
        most = settings.range_bytes if ranges else missing.bytes
        workers = min(settings.ranges_at_once, -(-missing.bytes // most)) if missing.bytes else 0
        self._failure = None
        async with anyio.create_task_group() as tasks:
            for _ in range(workers):
                tasks.start_soon(self._work, missing, most, workers, tasks.cancel_scope)
        if self._failure is not None:
            raise self._failure

    async def _work(self, missing: Missing, most: int, workers: int, scope: anyio.CancelScope) -> None:
        try:
            while missing.bytes:
                await self._read_range(*missing.take(most, workers))
        except Exception as exc:
            # The first failure is the caller's to hear, as it is and not in a group.
            self._failure = self._failure or exc
            scope.cancel()

    async def _read_range(self, first: int, end: int) -> None:
        blocks = Blocks(self._part, first)
        patience = Patience(self._channel.settings.retry, self._clock)
        while blocks.at < end:
            began = blocks.at
            try:
                await self._read_once(blocks, end)
            except (OutcomeUnknown, OtherRange) as exc:
                await patience.wait(exc, blocks.at - began)
            except Refused as exc:
                if exc.status != OUT_OF_RANGE:
                    raise
                raise self._wanted.changed() from exc
        await blocks.flush()

    async def _read_once(self, blocks: Blocks, end: int) -> None:
        """One request for what is missing of a range, as far as its answer goes."""
        wanted, first = self._wanted, blocks.at
        whole = first == 0 and end == wanted.length
        headers = {} if whole else {"Range": encode_range(first, end)}
        async with self._channel.stream("GET", wanted.url, operation=wanted.operation, headers=headers) as answer:
            if whole:
                wanted.require_whole(answer)
                left = end
            else:
                left = wanted.require_part(answer, first, end)
            async for piece in answer.chunks():
                if len(piece) > left:
                    if not wanted.growing:
                        raise OtherRange(f"{wanted.operation}: more bytes came than the server had announced")
                    piece = piece[:left]
                await blocks.add(piece)
                self._tell(len(piece))
                left -= len(piece)
                if not left and wanted.growing:
                    return
        if left:
            raise OutcomeUnknown(f"{wanted.operation}: {left} bytes of the answer are missing")

    async def _read_whole(self) -> None:
        """One stream from the beginning to the end, from the beginning again if it breaks."""
        wanted = self._wanted
        patience = Patience(self._channel.settings.retry, self._clock)
        while True:
            self._tell(-self._told)
            await to_thread.run_sync(self._part.restart)
            blocks = Blocks(self._part, 0)
            try:
                async with self._channel.stream("GET", wanted.url, operation=wanted.operation) as answer:
                    wanted.require_whole(answer)
                    async for piece in answer.chunks():
                        if wanted.length is not None:
                            piece = piece[: wanted.length - blocks.at] if wanted.growing else piece
                        await blocks.add(piece)
                        self._tell(len(piece))
                        if wanted.growing and blocks.at == wanted.length:
                            break
                await blocks.flush()
                return
            except OutcomeUnknown as exc:
                await patience.wait(exc, 0)

    def _tell(self, count: int) -> None:
        self._told += count
        if count:
            self._tell_sink(count)


class Patience:
    """How often a stream may break."""

    def __init__(self, settings: RetrySettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._fruitless = 0

    async def wait(self, failure: AcompsError, arrived: int) -> None:
        """Wait before the next attempt, or raise the failure if there were too many that brought hardly anything."""
        if arrived >= _PROGRESS_BYTES:
            self._fruitless = 0
            return
        self._fruitless += 1
        if self._fruitless >= self._settings.attempts:
            failure.args = (f"{failure} (gave up after {self._fruitless} attempts)",)
            raise failure
        longest = min(self._settings.longest_wait_s, self._settings.first_wait_s * 2.0 ** (self._fruitless - 1))
        await self._clock.sleep(self._clock.jitter() * longest)

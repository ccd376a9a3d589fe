"""Large contents sent in chunks, from wherever the server says that it is (protocol 6.13)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from acomps.errors import (
    AcompsError,
    ChecksumMismatch,
    NotFound,
    TooLarge,
    ValidationFailed,
)
from acomps.transfer.content import FileContent, Measured
from acomps.transport import Replay, in_doubt
from acomps.wire.uploads import RANGES_HEADER, decode_size, decode_spans, takes_any_order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

    from acomps.transport import Answer, Channel
    from acomps.wire.uploads import Span

__all__ = ["RANGES_AT_ONCE", "is_stored", "upload"]

#: Chunks of one content that travel at the same time, where the server takes them in any order.
RANGES_AT_ONCE: Final = 4

KIB: Final = 1024
MIB: Final = 1024 * KIB
FIRST_CHUNK_BYTES: Final = 1 * MIB
LEAST_CHUNK_BYTES: Final = 64 * KIB
MOST_CHUNK_BYTES: Final = 32 * MIB
#: A chunk that took less than this is followed by one of four times its size, ...
VERY_FAST_S: Final = 0.5
#: ... less than this: twice, ...
FAST_S: Final = 2.0
#: ... and more than this: half.
SLOW_S: Final = 10.0

_PIECE_BYTES: Final = 1 * MIB


async def is_stored(channel: Channel, content: Measured) -> bool:
    """Whether the server has the whole of `content`."""
    return await _Upload(channel, content, 1, _quiet).check()


async def upload(
    channel: Channel,
    content: Measured,
    *,
    ranges_at_once: int = RANGES_AT_ONCE,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> int:
    """Bring `content`, which is not empty, to the server; returns how many bytes travelled, 0 if all was there.

    Goes on where an earlier upload by anybody has ended, and after every failure where the server says that it is.
    `on_bytes` is told what the server has or is being sent; it is negative when bytes must be sent again. Raises
    ChecksumMismatch when the server does not accept the whole as what its md5 says, ContentError when the source
    changes meanwhile.
    """
    return await _Upload(channel, content, ranges_at_once, on_bytes).run()


class _Upload:
    def __init__(
        self, channel: Channel, content: Measured, ranges_at_once: int, on_bytes: Callable[[int], None]
    ) -> None:
        self._channel, self._content = channel, content
        self._ranges_at_once, self._on_bytes = ranges_at_once, on_bytes
        self._clock = channel.clock
        self._any_order = False
        self._chunk_bytes = FIRST_CHUNK_BYTES
        self._most_bytes = MOST_CHUNK_BYTES
        #: What the server has, by its own words.
        self._held: tuple[Span, ...] = ()
        self._told = 0
        self._bytes_sent = 0
        self._failure: AcompsError | None = None

    async def run(self) -> int:
        fruitless = 0
        while not await self.check():
            before = _size(self._held)
            failure = await self._send()
            if await self.check():
                break
            if failure is None:
                raise self._mismatch("the server has taken all of its bytes and still does not have it")
            fruitless = 0 if _size(self._held) > before else fruitless + 1
            await self._pause(fruitless, failure)
        return self._bytes_sent

    async def check(self) -> bool:
        """Ask the server what it has; whether that is all."""
        content = self._content
        try:
            answer = await self._channel.call(
                "GET",
                f"/upload/check/{content.md5}",
                operation=f"ask what the server has of {content.name}",
                replay=Replay.SAFE,
            )
        except NotFound:
            self._held = ()
        else:
            self._learn(answer)
            document = answer.json() if answer.content else None
            if answer.status != 206:
                self._held = ((0, content.length),)
                size = decode_size(document)
                if size not in {None, content.length}:
                    raise self._mismatch(
                        f"the server has {size} bytes under this md5, and {content.length} were hashed"
                    )
                self._tell(content.length - self._told)
                return True
            self._held = decode_spans(document, content.length)
        self._tell(_size(self._held) - self._told)
        return False

    async def _send(self) -> AcompsError | None:
        """Send what is missing until all is sent, or a failure is worth a new question, which is returned."""
        missing = _Missing(self._held, self._content.length)
        while missing.bytes and self._failure is None:
            workers = self._ranges_at_once if self._any_order else 1
            async with anyio.create_task_group() as tasks:
                for _ in range(workers):
                    tasks.start_soon(self._work, missing, workers, tasks.cancel_scope)
        failure, self._failure = self._failure, None
        if failure is None or in_doubt(failure):
            return failure
        if isinstance(failure, ValidationFailed) and not missing.bytes:
            raise self._mismatch(failure.server_message or str(failure)) from failure
        raise failure

    async def _work(self, missing: _Missing, workers: int, scope: anyio.CancelScope) -> None:
        alone = not self._any_order
        while missing.bytes and self._failure is None:
            # The last chunks are smaller, so that all workers are done at about the same time.
            share = max(FIRST_CHUNK_BYTES, -(-missing.bytes // workers))
            first, end = missing.take(min(self._chunk_bytes, share))
            try:
                await self._post(first, end)
            except TooLarge as exc:
                if not self._shrink(end - first):
                    self._failure = self._failure or exc
                    return
                missing.give_back(first, end)
            except AcompsError as exc:
                self._failure = self._failure or exc
                self._chunk_bytes = max(self._chunk_bytes // 2, LEAST_CHUNK_BYTES)
                if not in_doubt(exc):
                    scope.cancel()
                return
            if alone and self._any_order:
                return  # The server has just said that others can help.

    async def _post(self, first: int, end: int) -> None:
        content, started = self._content, self._clock.monotonic()
        answer = await self._channel.call(
            "POST",
            f"/upload/{content.md5}",
            operation=f"send bytes {first} to {end - 1} of {content.name}",
            # It would be safe to repeat it blindly, but asking first saves the bytes that have arrived.
            replay=Replay.CHECKED,
            body=_Chunk(content, first, end, self._count),
            headers={"Content-Range": f"bytes {first}-{end - 1}/{content.length}"},
        )
        self._learn(answer)
        took = self._clock.monotonic() - started
        if took < FAST_S:
            factor = 4 if took < VERY_FAST_S else 2
            self._chunk_bytes = max(self._chunk_bytes, min((end - first) * factor, self._most_bytes))
        elif took > SLOW_S:
            self._chunk_bytes = max((end - first) // 2, LEAST_CHUNK_BYTES)

    def _shrink(self, refused: int) -> bool:
        """Something on the way takes no requests of that many bytes; whether smaller ones make sense."""
        self._most_bytes = min(self._most_bytes, refused // 2)
        self._chunk_bytes = min(self._chunk_bytes, self._most_bytes)
        return self._most_bytes >= LEAST_CHUNK_BYTES

    async def _pause(self, fruitless: int, failure: AcompsError) -> None:
        """Wait after failures during which nothing came through; too many of them are raised."""
        retry = self._channel.settings.retry
        if fruitless >= retry.attempts:
            failure.args = (f"{failure} (gave up after {fruitless} attempts in which nothing arrived)",)
            raise failure
        if fruitless:
            longest = min(retry.longest_wait_s, retry.first_wait_s * 2.0 ** (fruitless - 1))
            await self._clock.sleep(self._clock.jitter() * longest)

    def _learn(self, answer: Answer) -> None:
        self._any_order = self._any_order or takes_any_order(answer.headers.get(RANGES_HEADER))

    def _count(self, count: int) -> None:
        """Bytes of a chunk have been handed to the connection, or were taken back."""
        self._bytes_sent += max(0, count)
        self._tell(count)

    def _tell(self, count: int) -> None:
        self._told += count
        if count:
            self._on_bytes(count)

    def _mismatch(self, reason: str) -> ChecksumMismatch:
        return ChecksumMismatch(f"{self._content.name} was not accepted as {self._content.md5}: {reason}")


@dataclass(slots=True)
class _Chunk:
    """The body of one chunk, read from the source piece by piece whenever it is sent."""

    _content: Measured
    _first: int
    _end: int
    _on_bytes: Callable[[int], None]
    _handed: int = 0
    content_type: str = "application/octet-stream"

    @property
    def length(self) -> int:
        return self._end - self._first

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._on_bytes(-self._handed)
        self._handed = 0
        async with aclosing(_pieces(self._content.content, self._first, self.length)) as pieces:
            async for piece in pieces:
                self._handed += len(piece)
                self._on_bytes(len(piece))
                yield piece


class _Missing:
    """What is still to be handed out to the workers, in order."""

    def __init__(self, held: Iterable[Span], total: int) -> None:
        self._spans: list[Span] = []
        at = 0
        for begin, end in held:
            if at < begin:
                self._spans.append((at, begin))
            at = end
        if at < total:
            self._spans.append((at, total))
        if not self._spans:
            # All is there, and yet the whole is not: the last bytes, sent again, have the server look at it.
            self._spans.append((max(0, total - LEAST_CHUNK_BYTES), total))
        self._spans.reverse()
        self.bytes = _size(self._spans)

    def take(self, most: int) -> Span:
        """The next bytes, at most so many."""
        first, end = self._spans.pop()
        if end - first > most:
            self._spans.append((first + most, end))
            end = first + most
        self.bytes -= end - first
        return first, end

    def give_back(self, first: int, end: int) -> None:
        """These have not been sent after all."""
        self._spans.append((first, end))
        self.bytes += end - first


def _size(spans: Iterable[Span]) -> int:
    return sum(end - begin for begin, end in spans)


async def _pieces(content: bytes | FileContent, first: int, length: int) -> AsyncGenerator[bytes]:
    if isinstance(content, FileContent):
        async with aclosing(content.blocks(first, length)) as blocks:
            async for block in blocks:
                yield block
        return
    for at in range(first, first + length, _PIECE_BYTES):
        yield content[at : min(at + _PIECE_BYTES, first + length)]


def _quiet(count: int) -> None:
    """Nobody asked for progress."""

"""Contents that are stored ahead of what refers to them: large ones in chunks, small ones many at a time."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from acomps.errors import AcompsError, AuthenticationFailed, ChecksumMismatch, NotSent, UsageError
from acomps.events import Sink, Uploaded, ignore
from acomps.streams import each, spread, task_group
from acomps.transfer import FileContent, HashCache, Measured, Source, is_stored, measured, upload
from acomps.transport import Replay
from acomps.wire import spelling
from acomps.wire.multipart import Multipart, Part, documents_part, media_type

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence

    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["ASK_BYTES", "UploadOutcome", "Uploads"]

T = TypeVar("T")

#: A request with contents must stay below this many bytes and this many files (protocol 7).
_REQUEST_BYTES: Final = 407_552 * 1024
_REQUEST_FILES: Final = 100
#: From this size on it pays to ask whether the server has a content before sending it.
ASK_BYTES: Final = 256 * 1024
_UPLOADS_AT_ONCE: Final = 4
_QUESTIONS_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOutcome:
    """What became of one source: `error` is None when the server has it.

    `md5` and `length` are None when the source could not be read. `bytes_sent` is 0 when the server had it already.
    """

    source: Source
    md5: uuid.UUID | None = None
    length: int | None = None
    bytes_sent: int = 0
    error: AcompsError | None = None


class Uploads:
    """`comps.uploads`: bring files and bytes to the server, to be referred to by their md5."""

    def __init__(self, channel: Channel, settings: Settings) -> None:
        self._channel = channel
        self._settings = settings
        self.hashes = HashCache(settings.hash_cache_dir)
        # Tasks that have the same content do not send it twice.
        self._under_way: WeakValueDictionary[uuid.UUID, anyio.Lock] = WeakValueDictionary()

    async def upload(self, source: Source, *, on_progress: Sink = ignore) -> uuid.UUID:
        """Bring a file, or bytes, to the server in chunks; the md5 by which entities can refer to it.

        What the server has is not sent, and an upload that was cut short, by whichever program, goes on where it
        ended. Raises ContentError when the file changes meanwhile, and ChecksumMismatch when the server does not
        accept what it got.
        """
        content, _ = await self._upload(source, on_progress)
        return content.md5

    async def upload_many(
        self,
        sources: Iterable[Source] | AsyncIterable[Source],
        *,
        at_once: int = _UPLOADS_AT_ONCE,
        on_progress: Sink = ignore,
    ) -> list[UploadOutcome]:
        """Upload several, `at_once` at the same time; one outcome for each, in the order of the input.

        A failure does not keep the others from being sent, unless the server is lost, or the login.
        """
        if at_once < 1:
            raise UsageError("at_once must be at least 1")
        outcomes: dict[int, UploadOutcome] = {}
        lost: AcompsError | None = None

        async def one(numbered: tuple[int, Source]) -> None:
            nonlocal lost
            index, source = numbered
            if lost is not None:
                outcomes[index] = UploadOutcome(source=source, error=lost)
                return
            try:
                content, sent = await self._upload(source, on_progress)
            except AcompsError as exc:
                outcomes[index] = UploadOutcome(source=source, error=exc)
                if isinstance(exc, NotSent | AuthenticationFailed):
                    lost = exc
            else:
                outcomes[index] = UploadOutcome(source=source, md5=content.md5, length=content.length, bytes_sent=sent)

        await spread(_numbered(sources), one, at_once)
        return [outcomes[index] for index in sorted(outcomes)]

    async def store(self, contents: Iterable[Measured], *, ask: bool = True, on_progress: Sink = ignore) -> None:
        """Make sure that the server has these contents, sending what it lacks.

        `ask=False` says that it lacks the small ones, which saves a question for each.
        """
        unique = {content.md5: content for content in contents}
        limit = self._settings.inline_bytes
        small = [content for content in unique.values() if not content.length or content.length <= limit]
        large = [content for content in unique.values() if content.length and content.length > limit]
        if ask:
            small = await self._lacking(small)
        async with task_group() as tasks:
            send, post = partial(self._send, on_progress=on_progress), partial(self._post, on_progress=on_progress)
            tasks.start_soon(spread, large, send, _UPLOADS_AT_ONCE)
            tasks.start_soon(spread, _requests(small), post, self._settings.saves_at_once)

    async def _upload(self, source: Source, on_progress: Sink) -> tuple[Measured, int]:
        if isinstance(source, str):
            raise UsageError(f"{source!r:.80} is a text; give bytes (text.encode()) or a pathlib.Path of the file")
        content = await self._measured(source)
        try:
            return content, await self._send(content, on_progress)
        except ChecksumMismatch:
            if not content.recalled:
                raise
        # The cache of hashes was wrong, and has forgotten it: now the file is really read.
        content = await self._measured(source)
        return content, await self._send(content, on_progress)

    async def _measured(self, source: Source) -> Measured:
        return await anyio.to_thread.run_sync(measured, source, self.hashes, abandon_on_cancel=True)

    async def _send(self, content: Measured, on_progress: Sink) -> int:
        """Send one content by the chunk route; how many bytes that took."""
        if not content.length:  # A range cannot name nothing.
            return await self._post([content], on_progress)
        lock = self._under_way.setdefault(content.md5, anyio.Lock())
        name = content.name
        async with lock:
            try:
                return await upload(
                    self._channel,
                    content,
                    on_bytes=lambda count: on_progress(Uploaded(name=name, bytes=count)),
                )
            except ChecksumMismatch:
                if content.recalled and isinstance(content.content, FileContent):
                    await anyio.to_thread.run_sync(self.hashes.forget, content.content.path)
                raise

    async def _lacking(self, contents: Sequence[Measured]) -> list[Measured]:
        """Those that the server does not have; about tiny ones it is not asked."""
        known: set[uuid.UUID] = set()

        async def ask(content: Measured) -> None:
            if await is_stored(self._channel, content):
                known.add(content.md5)

        await spread([one for one in contents if one.length >= ASK_BYTES], ask, _QUESTIONS_AT_ONCE)
        return [content for content in contents if content.md5 not in known]

    async def _post(self, contents: Sequence[Measured], on_progress: Sink) -> int:
        """Store contents with one request, which makes no collection; how many bytes they are."""
        plural = spelling.ASSET_COLLECTION.plural
        head = documents_part(plural, b"[]")
        await self._channel.call(
            "POST",
            f"/{plural}",
            operation=f"send {len(contents)} contents",
            replay=Replay.SAFE,
            body=Multipart((head, *map(_part, contents))),
        )
        for content in contents:
            on_progress(Uploaded(name=content.name, bytes=content.length))
        return sum(content.length for content in contents)


async def _numbered(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[tuple[int, T]]:
    number = 0
    async for item in each(items):
        yield number, item
        number += 1


def _part(content: Measured) -> Part:
    name = content.content.path.name if isinstance(content.content, FileContent) else "content"
    return Part(str(content.md5), name, media_type(name), content.content)


def _requests(contents: Iterable[Measured]) -> Iterator[list[Measured]]:
    """The contents in as few requests as the limits allow."""
    batch: list[Measured] = []
    size = 0
    for content in contents:
        cost = _part(content).cost
        if batch and (len(batch) == _REQUEST_FILES or size + cost >= _REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(content)
        size += cost
    if batch:
        yield batch

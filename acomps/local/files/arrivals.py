"""Contents that are arriving: in ranges, in any order, over any number of connections (protocol 6.13)."""

from __future__ import annotations

import errno
import logging
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
from starlette.requests import ClientDisconnect

from acomps.local.errors import Refused
from acomps.local.files.bodies import BLOCK_BYTES
from acomps.local.files.parts import open_part, remove_abandoned

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from anyio.abc import TaskGroup

    from acomps.local.core import Core
    from acomps.local.files.parts import PartFile
    from acomps.local.files.spans import Spans

__all__ = ["Arrivals"]

_log = logging.getLogger("acomps.local")

#: Hashing follows the arriving bytes in steps of this size.
_HASH_BYTES: Final = 4 * 1024 * 1024
#: So much of one request waits in memory while a block before it is written.
_WAITING_BYTES: Final = 2 * BLOCK_BYTES
#: So many arrivals without a request are remembered.
_KEPT: Final = 64
#: More holes than this are no upload of a sane client.
_MOST_SPANS: Final = 10_000


class Arrivals:
    """The contents of which a part has arrived."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._folder = core.settings.data_dir / "uploads"
        #: Those with requests, and some that had one lately, whose files are closed.
        self._open: OrderedDict[str, _Arrival] = OrderedDict()
        # Only one request at a time opens or closes the files of parts; that takes no time.
        self._door = anyio.Lock()
        self._remove_abandoned()

    async def held(self, md5: str) -> Spans | None:
        """What has arrived of a content and is not complete; None when there is nothing, or all."""
        async with self._arrival(md5, None) as arrival:
            if arrival is None:
                return None
            await arrival.flush()
            if not arrival.complete:
                return arrival.file.spans
            try:
                # Whoever sent the last bytes may be gone, and the service with them.
                await arrival.finish()
            except Refused as exc:
                _log.info("%s", exc.message)
            return None

    async def receive(self, md5: str, pieces: AsyncIterator[bytes], first: int, end: int, total: int) -> None:
        """Take the bytes from `first` to `end` of a content of `total`; with the last ones its md5 is checked."""
        async with self._arrival(md5, total) as arrival:
            if arrival is None:  # It is stored, and what comes again is the same.
                async for _ in pieces:
                    pass
                return
            await arrival.receive(pieces, first, end)
            if arrival.complete:
                await arrival.finish()

    @asynccontextmanager
    async def _arrival(self, md5: str, total: int | None) -> AsyncGenerator[_Arrival | None]:
        async with self._door:
            arrival = await self._known(md5)
            if arrival is not None and total not in {None, arrival.file.total}:
                if arrival.users:
                    raise Refused(400, f"an upload of {md5} with {arrival.file.total} bytes, not {total}, is under way")
                await self._core.job(arrival.file.close)
                arrival = None
            if arrival is None:
                file = await self._core.job(self._open_file, md5, total)
                arrival = None if file is None else _Arrival(self._core, file)
            if arrival is not None:
                arrival.users += 1
                self._open[md5] = arrival
                self._open.move_to_end(md5)
        try:
            yield arrival
        finally:
            if arrival is not None:
                with anyio.CancelScope(shield=True):
                    await self._leave(md5, arrival)

    async def _known(self, md5: str) -> _Arrival | None:
        """An arrival that goes on, or went on a while ago; its files are open."""
        arrival = self._open.get(md5)
        if arrival is None or arrival.finished:
            return None
        if not arrival.users:
            try:
                await self._core.job(arrival.file.open)
            except FileNotFoundError:
                return None
        return arrival

    def _open_file(self, md5: str, total: int | None) -> PartFile | None:
        if total is not None and md5 in self._core.contents.lengths([md5]):
            return None
        file = open_part(self._folder, md5, total)
        if file is not None and total is not None and file.total != total:
            # One of two is wrong about the length; it cannot be this one for ever.
            file.discard()
            file.close()
            file = open_part(self._folder, md5, total)
        if total is not None:
            self._remove_abandoned()
        return file

    async def _leave(self, md5: str, arrival: _Arrival) -> None:
        async with self._door:
            arrival.users -= 1
            if arrival.users:
                return
            if arrival.finished and self._open.get(md5) is arrival:
                del self._open[md5]
            await self._core.job(arrival.file.close)
            # The next chunk comes soon, as a rule: then the hash goes on where it stands.
            for old in [key for key, one in self._open.items() if not one.users][:-_KEPT]:
                del self._open[old]

    def _remove_abandoned(self) -> None:
        in_use = {md5 for md5, arrival in list(self._open.items()) if arrival.users}
        remove_abandoned(self._folder, self._core.settings.keep_uploads_s, in_use)


class _Arrival:
    """One content of which requests are being answered right now."""

    def __init__(self, core: Core, file: PartFile) -> None:
        self._core = core
        self.file = file
        self.users = 0
        self._writers: set[_Writer] = set()
        self._advanced = anyio.Event()
        self._hashing = anyio.Lock()
        self._sealed = False
        self._done = anyio.Event()
        self._refusal: str | None = None

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return self.file.spans.frontier == self.file.total

    @property
    def finished(self) -> bool:
        """Whether it is stored or dropped, and a new one would begin afresh."""
        return self._done.is_set()

    async def receive(self, pieces: AsyncIterator[bytes], first: int, end: int) -> None:
        """Write the body of one request; what has arrived counts, also when the rest never comes."""
        if len(self.file.spans) >= _MOST_SPANS:
            raise Refused(400, f"{self.file.md5} has arrived in more than {_MOST_SPANS} separate ranges: fill the gaps")
        writer = _Writer(self, first)
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hash_along)
            self._writers.add(writer)
            try:
                await writer.take(pieces, end, tasks)
            except Exception as exc:
                failure = exc
            finally:
                self._writers.discard(writer)
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise _told(failure)

    async def flush(self) -> None:
        """Write what has been read from the connections."""
        for writer in list(self._writers):
            await writer.flush()

    async def write(self, at: int, pieces: list[bytes], count: int) -> None:
        """Write bytes; those that come after the whole was there are the same again."""
        if self._sealed:
            return
        await self._core.bulk(self.file.write, at, pieces)
        self.file.spans.add(at, at + count)
        self._advanced.set()
        self._advanced = anyio.Event()

    async def finish(self) -> None:
        """Check the whole, and store or drop it. All who sent parts of it learn the outcome."""
        if not self._sealed:
            self._sealed = True
            try:
                await self._settle()
            finally:
                self._done.set()
        await self._done.wait()
        if self._refusal is not None:
            raise Refused(400, self._refusal)

    async def _settle(self) -> None:
        self._refusal = f"{self.file.md5} could not be checked: send its last bytes again"
        for writer in list(self._writers):
            await writer.settled()
        async with self._hashing:
            found = await self._core.bulk(self.file.keep, self._core.contents)
        self._refusal = (
            None
            if found is None
            else f"the md5 of the uploaded file is {found}, not {self.file.md5}: it was dropped, send it again"
        )

    async def _hash_along(self) -> None:
        """Hash behind the arriving bytes, so that little is left to do when the last one is there."""
        while True:
            async with self._hashing:
                while not self._sealed and self.file.spans.frontier - self.file.hashed >= _HASH_BYTES:
                    await self._core.bulk(self.file.hash_to, self.file.hashed + _HASH_BYTES)
            await self._advanced.wait()


class _Writer:
    """The body of one request on its way to the disk, gathered to blocks."""

    def __init__(self, arrival: _Arrival, at: int) -> None:
        self._arrival = arrival
        self._at = at
        self._waiting: list[bytes] = []
        self._gathered = 0
        self._writing = anyio.Lock()
        self._failure: Exception | None = None

    async def take(self, pieces: AsyncIterator[bytes], end: int, tasks: TaskGroup) -> None:
        """Write all pieces, which must end at `end`; one block is written while the next one comes."""
        try:
            async for piece in pieces:
                if self._at + self._gathered + len(piece) > end:
                    raise Refused(400, "the body is longer than its Content-Range says")
                self._waiting.append(piece)
                self._gathered += len(piece)
                if self._gathered >= _WAITING_BYTES:
                    await self.flush()
                elif self._gathered >= BLOCK_BYTES and not self._writing.locked():
                    tasks.start_soon(self.flush)
                if self._failure is not None:
                    break
        finally:
            await self.flush()
        if self._failure is not None:
            raise self._failure
        if self._at != end:
            raise Refused(400, "the body is shorter than its Content-Range says")

    async def flush(self) -> None:
        """Write what has been gathered; whoever asks for it, a failure is the sender's to hear."""
        async with self._writing:
            pieces, count, at = self._waiting, self._gathered, self._at
            if count:
                self._waiting, self._gathered, self._at = [], 0, at + count
                try:
                    await self._arrival.write(at, pieces, count)
                except Exception as exc:
                    self._failure = exc

    async def settled(self) -> None:
        """Return when no write is under way."""
        async with self._writing:
            pass


def _told(failure: Exception) -> Exception:
    """The failure in the words of an answer."""
    if isinstance(failure, ClientDisconnect):
        return Refused(400, "the client went away before the end of its slice")
    if isinstance(failure, OSError) and failure.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Refused(507, "the disk of the service is full: make room, then send the rest")
    return failure

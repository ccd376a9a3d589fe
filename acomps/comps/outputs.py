"""The files in the working directory of a simulation or work item."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from acomps.comps.following import Follower, Polling
from acomps.comps.output_listing import OutputListing, Producer
from acomps.comps.output_parts import PartialOutput, RangeForm, read_part, whole_characters
from acomps.comps.output_zips import zip_outputs
from acomps.errors import UsageError
from acomps.events import Downloaded, Sink, ignore
from acomps.transfer import Fetched, Promise, fetch, stream_bytes
from acomps.transport import Replay

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from acomps.entities import HpcJob, OutputFile
    from acomps.transport import Channel

__all__ = ["Outputs", "PartialOutput", "Polling"]


def _quiet(count: int) -> None:
    """Nobody asked for progress."""


def _unheard(job: HpcJob) -> None:
    """Nobody asked for attempts."""


class Outputs:
    """`comps.outputs`: of the newest attempt, unless another is named by `job`.

    Paths are compared without regard to case, and `\\` is the same as `/`; where several files are wanted they may
    also be patterns such as `output/*.json` or `**/*.csv`. Paths below `Assets/` are files of the asset collection of
    the simulation, or of its experiment. An entity that was never run has no output, which is NotFound.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._listing = OutputListing(channel)

    async def list(
        self, entity: Producer, paths: Sequence[str] | None = None, *, job: HpcJob | None = None
    ) -> list[OutputFile]:
        """All files but the assets, or those at `paths` in that order; NotFound names the first that is not there."""
        if isinstance(paths, str):
            raise UsageError(f"paths is the text {paths!r}; give a list of paths")
        return await (self._listing.all(entity, job) if paths is None else self._listing.select(entity, paths, job))

    async def read(
        self,
        entity: Producer,
        path: str,
        *,
        start: int | None = None,
        end: int | None = None,
        job: HpcJob | None = None,
    ) -> bytes:
        """The bytes of one file, or a range of them as in `read_range`, in memory; `download` is for large ones."""
        if start is not None or end is not None:
            return (await self.read_range(entity, path, start=start or 0, end=end, job=job)).data
        file = await self._listing.one(entity, path, job)
        answer = await self._channel.call(
            "GET", file.url, operation=f"read {path!r} of {entity.described}", replay=Replay.SAFE
        )
        return answer.content

    async def read_range(
        self, entity: Producer, path: str, *, start: int, end: int | None = None, job: HpcJob | None = None
    ) -> PartialOutput:
        """The bytes from `start` up to and with `end`, or to the file's end; a negative `start` gives the last ones.

        The result tells which bytes these are: fewer than asked for where the file ends before.
        """
        form = RangeForm(start, end)
        file = await self._listing.one(entity, path, job)
        part = await read_part(self._channel, file.url, form, f"read {path!r} of {entity.described}")
        if part is None:
            raise UsageError(f"{path!r} of {entity.described} has {file.length} bytes, and none at {start}")
        return part

    async def tail(self, entity: Producer, path: str, *, bytes: int = 1024, job: HpcJob | None = None) -> str:
        """The text at the end of one file, of at most so many bytes and of whole characters."""
        if bytes < 1:
            raise UsageError("tail: bytes must be at least 1")
        file = await self._listing.one(entity, path, job)
        operation = f"read the end of {path!r} of {entity.described}"
        part = await read_part(self._channel, file.url, RangeForm(-bytes), operation)
        return "" if part is None else whole_characters(part)

    @asynccontextmanager
    async def stream(
        self, entity: Producer, path: str, *, start: int = 0, job: HpcJob | None = None
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        """The bytes of one file from `start` on, as they arrive; a stream that breaks goes on where it broke.

        async with comps.outputs.stream(simulation, "output/large.bin") as pieces:
            async for piece in pieces:
                ...
        """
        if start < 0:
            raise UsageError("stream: start cannot be negative")
        file = await self._listing.one(entity, path, job)
        operation = f"stream {path!r} of {entity.described}"
        async with aclosing(
            stream_bytes(self._channel, file.url, operation=operation, start=start, length=file.length)
        ) as pieces:
            yield pieces

    async def download(
        self,
        entity: Producer,
        path: str,
        to: Path | str,
        *,
        job: HpcJob | None = None,
        on_progress: Sink = ignore,
    ) -> Path:
        """Fetch one file to the path `to`, whose folders are made; returns it.

        The file appears under its name when it is whole. A large one that is cut short, even by a killed process, goes
        on where it was when it is downloaded again. What a running simulation still writes to is fetched as it is now.
        """
        target = Path(to)
        file = await self._listing.one(entity, path, job)
        await fetch(
            self._channel,
            file.url,
            target,
            _promise(file),
            operation=f"download {path!r} of {entity.described}",
            growing=await self._listing.may_grow(entity, file),
            digest=False,
            on_bytes=lambda count: on_progress(Downloaded(path=file.path, bytes=count)),
        )
        return target

    async def fetch_file(
        self,
        file: OutputFile,
        to: Path,
        *,
        on_bytes: Callable[[int], None] = _quiet,
        digest: bool = True,
        growing: bool = False,
    ) -> Fetched:
        """Fetch a listed file to the path `to`, resumed as in `download`.

        `digest=False` saves hashing a large file of which the server tells no md5. With `growing`, a file that has
        become longer since it was listed is fetched up to its listed length; else that is ChecksumMismatch.
        """
        return await fetch(
            self._channel,
            file.url,
            to,
            _promise(file),
            operation=f"fetch {file.path!r}",
            growing=growing,
            digest=digest,
            on_bytes=on_bytes,
        )

    async def zip(
        self,
        entity: Producer,
        paths: Sequence[str] | None,
        to: Path | str,
        *,
        job: HpcJob | None = None,
        on_progress: Sink = ignore,
    ) -> tuple[Path, ...]:
        """Download the files at `paths`, or all of them, as a zip at `to`; returns where it lies.

        The server packs up to 1 GiB into one; what is more goes on in `<name>-2.zip` and so on. Assets are not among
        them: `comps.asset_collections.zip` has those.
        """
        files = await self._listing.outputs(entity, paths, job)
        return await zip_outputs(self._channel, entity, files, Path(to), job, on_progress)

    def follow(
        self,
        entity: Producer,
        path: str = "stdout.txt",
        *,
        polling: Polling | None = None,
        on_attempt: Callable[[HpcJob], None] = _unheard,
    ) -> AsyncGenerator[str]:
        """The text of one file while it is written: what is there, then what is new, until the entity has ended.

        It waits for the entity to run and for the file to appear; NotFound if there is none at the end. A file that
        only grows is expected. When a simulation is tried again, the new attempt's file follows from its beginning;
        `on_attempt` hears of each attempt before its first text.

        async for text in comps.outputs.follow(simulation, "stdout.txt"):
            print(text, end="")
        """
        return Follower(self._channel, self._listing, entity, path, polling or Polling(), on_attempt).text()


def _promise(file: OutputFile) -> Promise:
    return Promise(length=file.length, md5=file.md5_checksum, identity=f"{file.id} {file.path}")

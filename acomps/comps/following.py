"""The text of an output file as it is written, like `tail -f`."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.comps.output_parts import RangeForm, read_part
from acomps.entities import HpcJob, Simulation, WorkItem
from acomps.errors import AuthenticationFailed, NotFound, PermissionDenied, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from acomps.comps.output_listing import OutputListing, Producer
    from acomps.transport import Channel, Clock

__all__ = ["Follower", "Polling"]

_READ_BYTES: Final = 256 * 1024
_SLOWER: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How long to wait between two looks, in seconds: `least_s` while something comes, up to `most_s` when not."""

    least_s: float = 0.25
    most_s: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.least_s <= self.most_s:
            raise UsageError("Polling: least_s must be more than 0 and at most most_s")


class Follower:
    """One file of one entity, of its newest attempt: when another begins, that one is followed from its beginning."""

    def __init__(
        self,
        channel: Channel,
        listing: OutputListing,
        entity: Producer,
        path: str,
        polling: Polling,
        on_attempt: Callable[[HpcJob], None],
        clock: Clock | None = None,
    ) -> None:
        self._channel, self._listing, self._entity, self._path = channel, listing, entity, path
        self._polling, self._on_attempt, self._clock = polling, on_attempt, clock or channel.clock
        self._operation = f"follow {path!r} of {entity.described}"
        self._job: HpcJob | None = None
        self._url: str | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at = 0

    async def text(self) -> AsyncGenerator[str]:
        """What is new, until the entity is final and everything was yielded."""
        wait_s = self._polling.least_s
        while True:
            # The state first: what is read after a final one is all that there will ever be.
            final, job = await self._look()
            if job is not None and (self._job is None or job.id != self._job.id):
                async for text in self._rest():
                    yield text
                self._begin(job)
            came = False
            async for text in self._rest():
                came = True
                yield text
            if final:
                if self._url is None and not await self._find():
                    raise NotFound(
                        f"{self._entity.described} has ended and has no output file {self._path!r}", status=404
                    )
                end = self._decoder.decode(b"", final=True)
                if end:
                    yield end
                return
            wait_s = self._polling.least_s if came else min(wait_s * _SLOWER, self._polling.most_s)
            await self._clock.sleep(wait_s)

    async def _look(self) -> tuple[bool, HpcJob | None]:
        """Whether the entity is final, and its newest attempt."""
        if isinstance(self._entity, WorkItem):
            return await self._listing.ended(self._entity), None
        final, jobs = await self._listing.attempts(self._entity)
        return final, jobs[-1] if jobs else None

    def _begin(self, job: HpcJob) -> None:
        self._job, self._url, self._at = job, None, 0
        self._decoder.reset()
        self._on_attempt(job)

    async def _rest(self) -> AsyncGenerator[str]:
        """The text that is there now and was not yet yielded."""
        renewed = False
        while self._url is not None or await self._find():
            try:
                data = await self._read()
            except (AuthenticationFailed, PermissionDenied, NotFound):
                # Links are good for a while only.
                self._url = None
                if renewed:
                    raise
                renewed = True
                continue
            if not data:
                return
            self._at += len(data)
            text = self._decoder.decode(data)
            if text:
                yield text
            if len(data) < _READ_BYTES:
                return

    async def _find(self) -> bool:
        """Look for the file; whether it is there."""
        if self._job is None and isinstance(self._entity, Simulation):
            return False
        try:
            self._url = (await self._listing.one(self._entity, self._path, self._job)).url
        except NotFound:
            return False
        return True

    async def _read(self) -> bytes:
        if self._url is None:
            return b""
        form = RangeForm(self._at, self._at + _READ_BYTES - 1)
        part = await read_part(self._channel, self._url, form, self._operation)
        return b"" if part is None else part.data

"""The run of a bulk save: a bounded number of batches on their way, one outcome per entity, in input order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

import anyio
import anyio.to_thread

from acomps.comps.batches import Batch, Prepared, as_saved, batches, prepare
from acomps.comps.report import SaveFailed, SaveFailure, SaveReport
from acomps.comps.streams import each
from acomps.entities import Simulation, WorkItem
from acomps.errors import AcompsError, AuthenticationFailed, MalformedAnswer, TransportError
from acomps.events import Saved, Sink
from acomps.transport import Replay
from acomps.wire.decode import decode_ids

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["Saving"]

E = TypeVar("E", Simulation, WorkItem)
_Group: TypeAlias = list[tuple[int, E]]

#: After one of these the next batch would fare no better.
_HOPELESS: Final = (TransportError, AuthenticationFailed)


class Saving(Generic[E]):
    """One call of `save_all`."""

    def __init__(self, channel: Channel, settings: Settings, plural: str, on_progress: Sink) -> None:
        self._channel = channel
        self._settings = settings
        self._plural = plural
        self._on_progress = on_progress
        self._saved: dict[int, E] = {}
        self._failures: dict[int, SaveFailure[E]] = {}
        self._requests = 0
        self._bytes_sent = 0
        self._stopped_by: AcompsError | None = None

    async def run(self, entities: Iterable[E] | AsyncIterable[E]) -> SaveReport[E]:
        """Save them all. When the server is lost on the way, SaveFailed holds the report of what was confirmed."""
        owner = (await self._channel.token()).user
        send, receive = anyio.create_memory_object_stream[_Group[E]](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._feed, entities, send)
            for _ in range(self._settings.saves_at_once):
                tasks.start_soon(self._work, receive.clone(), owner)
            receive.close()
        report = self._report()
        if self._stopped_by is not None:
            raise SaveFailed(report) from self._stopped_by
        return report

    def _report(self) -> SaveReport[E]:
        return SaveReport(
            saved=tuple(self._saved[index] for index in sorted(self._saved)),
            failures=tuple(self._failures[index] for index in sorted(self._failures)),
            requests=self._requests,
            bytes_sent=self._bytes_sent,
        )

    async def _feed(self, entities: Iterable[E] | AsyncIterable[E], send: MemoryObjectSendStream[_Group[E]]) -> None:
        """Hand the input out in groups; a group waits until a worker is free, so little of the input is in memory."""
        group: _Group[E] = []
        async with send:
            counter = itertools.count()
            async for entity in each(entities):
                group.append((next(counter), entity))
                if len(group) == self._settings.batch_entities:
                    await send.send(group)
                    group = []
                    if self._stopped_by is not None:
                        return
            if group:
                await send.send(group)

    async def _work(self, receive: MemoryObjectReceiveStream[_Group[E]], owner: str) -> None:
        async with receive:
            async for group in receive:
                for batch in await anyio.to_thread.run_sync(self._batches, group, owner):
                    await self._send(batch, owner)

    def _batches(self, group: _Group[E], owner: str) -> list[Batch[E]]:
        """The requests for one group, as a rule a single one; what needs no request is settled here."""
        to_send: list[Prepared[E]] = []
        for item in prepare(group, owner):
            if isinstance(item, SaveFailure):
                self._failures[item.index] = item
            elif item.document is None:
                self._saved[item.index] = as_saved(item, None, owner)
            else:
                to_send.append(item)
        ready: list[Batch[E]] = []
        for batch in batches(to_send, self._plural, self._settings):
            if isinstance(batch, SaveFailure):
                self._failures[batch.index] = batch
            else:
                ready.append(batch)
        return ready

    async def _send(self, batch: Batch[E], owner: str) -> None:
        if self._stopped_by is not None:
            self._fail(batch, self._stopped_by)
            return
        operation = f"save {len(batch.items)} {self._plural}"
        try:
            answer = await self._channel.call(
                "POST", f"/{self._plural}", operation=operation, replay=Replay.CHECKED, body=batch.body
            )
            ids = decode_ids(answer.json())
            expected = [item.entity.id for item in batch.items]
            if len(ids) != len(expected) or any(old not in {None, new} for old, new in zip(expected, ids, strict=True)):
                raise MalformedAnswer(
                    f"{operation}: the server answered with {len(ids)} ids that do not fit the request"
                )
        except AcompsError as exc:
            if isinstance(exc, _HOPELESS):
                self._stopped_by = exc
            self._fail(batch, exc)
            return
        for item, entity_id in zip(batch.items, ids, strict=True):
            self._saved[item.index] = as_saved(item, entity_id if item.entity.id is None else None, owner)
        self._requests += 1
        self._bytes_sent += batch.body.length
        self._on_progress(Saved(entities=len(ids), total=len(self._saved), bytes_sent=self._bytes_sent))

    def _fail(self, batch: Batch[E], error: AcompsError) -> None:
        for item in batch.items:
            self._failures[item.index] = SaveFailure(item.index, item.entity, error)

"""The run of a bulk save: groups of the input on their way at the server's pace, one outcome per entity."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

import anyio
import anyio.lowlevel

from acomps.collector import settle
from acomps.comps.batches import Numbered, Prepared, Preparer, as_saved, is_quick
from acomps.comps.contents import Contents, Store
from acomps.comps.delivery import Delivery, hopeless
from acomps.comps.journal import Entry, Journal
from acomps.comps.keys import RunKeys, SaveKey, new_run
from acomps.comps.pace import Pace
from acomps.comps.report import Missing, SavedEntity, SaveFailed, SaveFailure, SaveOutcome, SaveReport, attach_report
from acomps.entities import Simulation, WorkItem
from acomps.errors import AcompsError, NotWritten, UsageError
from acomps.events import Saved, Sink
from acomps.settings import Settings
from acomps.streams import each, task_group
from acomps.transport import Channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable
    from pathlib import Path

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream


__all__ = ["Saving", "Way"]

E = TypeVar("E", Simulation, WorkItem)
_Group: TypeAlias = list[Numbered[E]]

#: So many entities are made ready in a millisecond or two; then others have the loop.
_STRETCH: Final = 20


@dataclass(frozen=True, slots=True)
class Way:
    """What a save needs of the session, and where it is told about."""

    channel: Channel
    settings: Settings
    plural: str
    store: Store
    on_progress: Sink


class Saving(Generic[E]):
    """One call of `save_all`: a feeder that reads the input, and workers that deliver what it hands them."""

    def __init__(
        self,
        way: Way,
        *,
        journal: Path | None = None,
        keys: bool = True,
        key: SaveKey | None = None,
        missing: Missing = "upload",
    ) -> None:
        if key is not None and journal is not None:
            raise UsageError("a journal has a key of its own: give a journal, or a key")
        self._way = way
        self._journal_path = journal
        self._with_keys = keys or journal is not None or key is not None
        self._key = key or SaveKey(run=new_run())
        self._missing: Missing = missing
        self._each: MemoryObjectSendStream[SaveOutcome[E]] | None = None
        self._outcomes: dict[int, SaveOutcome[E]] = {}
        self._stopped_by: AcompsError | None = None
        self._total = 0
        self._journal: Journal | None = None
        self._turn = anyio.Lock()

    async def run(self, entities: Iterable[E] | AsyncIterable[E]) -> SaveReport[E]:
        """Save them all. When the server is lost on the way, SaveFailed holds the report of what was confirmed."""
        # What was there before is nothing that the collector has to look through in the middle of this.
        settle()
        channel, settings = self._way.channel, self._way.settings
        run = self._key.run
        if self._journal_path is not None:
            self._journal = await Journal.open(
                self._journal_path, server=channel.address.root, kind=self._way.plural, new_run=run
            )
            run = self._journal.run
        keys = RunKeys(channel, self._way.plural, run) if self._with_keys else None
        pace = Pace(settings.saves_at_once, settings.saves_at_most)
        contents = Contents(self._way.store)
        delivery = Delivery[E](channel, settings, self._way.plural, keys, contents, pace, self._missing)
        try:
            owner = (await channel.token()).user
            key = keys.key if keys is not None else None
            preparer = Preparer(owner, key, digests=self._journal is not None)
            await self._deliver_all(entities, delivery, preparer)
            if self._stopped_by is None:
                await delivery.settle_doubts()
        except BaseException as exc:
            attach_report(exc, self._report(delivery))
            raise
        finally:
            if self._journal is not None:
                self._journal.close()
        report = self._report(delivery)
        if self._stopped_by is not None:
            raise SaveFailed(report) from self._stopped_by
        return report

    async def run_each(
        self, entities: Iterable[E] | AsyncIterable[E], each_one: MemoryObjectSendStream[SaveOutcome[E]]
    ) -> None:
        """Save them all, and send every outcome to `each_one` instead of keeping it for a report."""
        async with each_one:
            self._each = each_one
            await self.run(entities)

    async def _deliver_all(
        self, entities: Iterable[E] | AsyncIterable[E], delivery: Delivery[E], preparer: Preparer
    ) -> None:
        send, receive = anyio.create_memory_object_stream[_Group[E]](0)
        # Open to the end: workers that are cancelled must not look to the feeder like a broken stream.
        async with receive, task_group() as tasks:
            tasks.start_soon(self._feed, entities, send)
            for _ in range(self._way.settings.saves_at_most):
                tasks.start_soon(self._work, receive.clone(), delivery, preparer)

    def _report(self, delivery: Delivery[E]) -> SaveReport[E]:
        ordered = [self._outcomes[index] for index in sorted(self._outcomes)]
        return SaveReport(
            saved=tuple(one.entity for one in ordered if isinstance(one, SavedEntity)),
            failures=tuple(one for one in ordered if isinstance(one, SaveFailure)),
            requests=delivery.requests,
            bytes_sent=delivery.bytes_sent,
            bytes_shared=delivery.bytes_shared,
            missing=self._missing,
        )

    async def _feed(self, entities: Iterable[E] | AsyncIterable[E], send: MemoryObjectSendStream[_Group[E]]) -> None:
        """Hand the input out in groups; a group waits until a worker is free, so little of the input is in memory."""
        group: _Group[E] = []
        counter = itertools.count() if self._key.places is None else iter(self._key.places)
        async with send:
            async for entity in each(entities):
                group.append((next(counter), entity))
                if len(group) == self._way.settings.batch_entities:
                    await send.send(group)
                    group = []
                    if self._stopped_by is not None:
                        return
            if group:
                await send.send(group)

    async def _work(
        self, receive: MemoryObjectReceiveStream[_Group[E]], delivery: Delivery[E], preparer: Preparer
    ) -> None:
        async with receive:
            async for group in receive:
                if self._stopped_by is not None:
                    await self._record(
                        [SaveFailure(index, entity, self._stopped_by) for index, entity in group], delivery
                    )
                    continue
                prepared = await self._prepared(preparer, group)
                await self._deliver(prepared, delivery, preparer.owner)

    async def _prepared(self, preparer: Preparer, group: _Group[E]) -> list[Prepared[E] | SaveFailure[E]]:
        """The group made ready to be sent; what takes long in a thread.

        A thread that only computes keeps the loop waiting each time that this has sent something. And one group after
        the other: the first is to be on its way before the last is ready.
        """
        if not all(is_quick(entity) for _, entity in group):
            return await self._way.channel.threads.run(_all_prepared, preparer, group)
        prepared: list[Prepared[E] | SaveFailure[E]] = []
        async with self._turn:
            for item in preparer.prepare(group):
                prepared.append(item)
                if len(prepared) % _STRETCH == 0:
                    await anyio.lowlevel.checkpoint()
        return prepared

    async def _deliver(self, prepared: list[Prepared[E] | SaveFailure[E]], delivery: Delivery[E], owner: str) -> None:
        settled: list[SaveOutcome[E]] = []
        to_send: list[Prepared[E]] = []
        for item in prepared:
            if isinstance(item, SaveFailure):
                settled.append(item)
            elif item.document is None:
                settled.append(SavedEntity(item.index, as_saved(item, None, owner)))
            else:
                known = self._journal.confirmed(item.index, item.digest) if self._journal is not None else None
                if known is None:
                    to_send.append(item)
                else:
                    settled.append(SavedEntity(item.index, as_saved(item, known, owner)))
        await self._record(settled, delivery)
        try:
            if self._journal is not None:
                to_send = await self._resumed(self._journal, to_send, delivery, owner)
            elif self._key.again:
                to_send = await self._left(to_send, delivery, owner)
            if to_send:
                outcomes = await delivery.deliver(to_send, owner)
                try:
                    await self._confirm(outcomes, to_send)
                except NotWritten:
                    # They are saved nevertheless, which the report has to say.
                    await self._record(outcomes, delivery)
                    raise
                await self._record(outcomes, delivery)
        except NotWritten:
            # The journal cannot go on, and so the save does not.
            raise
        except AcompsError as exc:
            await self._record([SaveFailure(item.index, item.given, exc) for item in to_send], delivery)

    async def _resumed(
        self, journal: Journal, items: list[Prepared[E]], delivery: Delivery[E], owner: str
    ) -> list[Prepared[E]]:
        """What is left to send, after a look for what an interrupted run has sent without knowing the answer."""
        doubtful = [item for item in items if journal.begun(RunKeys.group(item.index))]
        found = await delivery.found(doubtful, owner) if doubtful else []
        await self._confirm(found, doubtful)
        await self._record(found, delivery)
        there = {one.index for one in found}
        left = [item for item in items if item.index not in there]
        await journal.begin(RunKeys.group(item.index) for item in left)
        return left

    async def _left(self, items: list[Prepared[E]], delivery: Delivery[E], owner: str) -> list[Prepared[E]]:
        """What is left to send of what an earlier call with the same key may have saved."""
        found = await delivery.found_again(items, owner)
        await self._record(found, delivery)
        there = {one.index for one in found}
        return [item for item in items if item.index not in there]

    async def _confirm(self, outcomes: list[SaveOutcome[E]], items: list[Prepared[E]]) -> None:
        if self._journal is None:
            return
        digests = {item.index: item.digest for item in items}
        await self._journal.confirm(
            {
                one.index: Entry(digests[one.index], one.entity.saved_id)
                for one in outcomes
                if isinstance(one, SavedEntity)
            }
        )

    async def _record(self, outcomes: list[SaveOutcome[E]], delivery: Delivery[E]) -> None:
        saved = 0
        for one in outcomes:
            if self._each is None:
                self._outcomes[one.index] = one
            else:
                await self._each.send(one)
            if isinstance(one, SavedEntity):
                saved += 1
            elif self._stopped_by is None and hopeless(one.error):
                self._stopped_by = one.error
        self._total += saved
        if saved:
            self._way.on_progress(Saved(entities=saved, total=self._total, bytes_sent=delivery.bytes_sent))


def _all_prepared(preparer: Preparer, group: _Group[E]) -> list[Prepared[E] | SaveFailure[E]]:
    return list(preparer.prepare(group))

"""Suites and experiments: groups that are saved one by one, as JSON."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Generic, TypeVar

from acomps.comps.report import SaveFailure, SaveReport
from acomps.comps.resource import Reference, Runnable, id_of
from acomps.entities import Experiment, Suite
from acomps.errors import AcompsError, MalformedAnswer
from acomps.events import Saved, Sink, ignore
from acomps.query import Query
from acomps.streams import each
from acomps.transport import Replay
from acomps.wire import spelling
from acomps.wire.decode import confirmed, decode_ids
from acomps.wire.encode import create_document, encode, update_document

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable

    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["Experiments", "Suites"]

G = TypeVar("G", Suite, Experiment)


class _Groups(Runnable[G], Generic[G]):
    async def save(self, entity: G) -> G:
        """Create the entity, or update it if it has an id; the saved value has its id.

        An update sends what changed, and only if anything did. Configurations are merged by the server: what is None
        stays as it is.
        """
        owner = (await self._channel.token()).user
        document = create_document(entity, entity.owner or owner) if entity.id is None else update_document(entity)
        if document is None:
            return entity
        operation = f"save {entity.described}"
        answer = await self._channel.call(
            "POST",
            self._path,
            operation=operation,
            replay=Replay.CHECKED,
            json=encode({self._spelling.plural: [document]}),
        )
        ids = decode_ids(answer.json())
        if len(ids) != 1 or entity.id not in {None, ids[0]}:
            raise MalformedAnswer(f"{operation}: the server answered with ids that do not fit the request: {ids}")
        return confirmed(dataclasses.replace(entity, id=ids[0], owner=entity.owner or owner))

    async def save_all(self, entities: Iterable[G] | AsyncIterable[G], *, on_progress: Sink = ignore) -> SaveReport[G]:
        """Save them one after another; one outcome per entity, and one failure never hides the others."""
        saved: list[G] = []
        failures: list[SaveFailure[G]] = []
        index = 0
        async for entity in each(entities):
            try:
                saved.append(await self.save(entity))
                on_progress(Saved(entities=1, total=len(saved), bytes_sent=0))
            except AcompsError as exc:
                failures.append(SaveFailure(index, entity, exc))
            index += 1
        return SaveReport(saved=tuple(saved), failures=tuple(failures), requests=index)


class Suites(_Groups[Suite]):
    """`comps.suites`."""

    def __init__(self, channel: Channel, settings: Settings) -> None:
        super().__init__(channel, settings, Suite, spelling.SUITE)


class Experiments(_Groups[Experiment]):
    """`comps.experiments`."""

    def __init__(self, channel: Channel, settings: Settings) -> None:
        super().__init__(channel, settings, Experiment, spelling.EXPERIMENT)

    def of(self, suite: Reference, query: Query | None = None) -> AsyncGenerator[Experiment]:
        """The experiments of a suite."""
        return self.iterate((query or Query()).where(suite_id=id_of(suite, "suite")))

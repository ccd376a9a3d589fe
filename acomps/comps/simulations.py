"""Simulations and work items: what is saved in batches, with files."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from acomps.comps.report import SaveOutcome
from acomps.comps.resource import Reference, Runnable, id_of
from acomps.comps.saving import Saving, Way
from acomps.entities import Simulation, SimulationState, WorkItem
from acomps.events import Sink, ignore
from acomps.query import Query
from acomps.streams import task_group
from acomps.wire import spelling

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping

    from acomps.comps.contents import Store
    from acomps.comps.keys import SaveKey
    from acomps.comps.report import Missing, SaveReport
    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["Batched", "Simulations"]

B = TypeVar("B", Simulation, WorkItem)


class Batched(Runnable[B], Generic[B]):
    """A kind of entity that is saved in batches."""

    _store: Store

    async def save(self, entity: B) -> B:
        """Create the entity with its files, or update it if it has an id; the saved value has its id.

        An update sends what changed, and only if anything did. MissingFiles when a file is given by an md5 that the
        server does not have.
        """
        report = await self.save_all([entity])
        for failure in report.failures:
            raise failure.error
        return report.saved[0]

    async def save_all(
        self,
        entities: Iterable[B] | AsyncIterable[B],
        *,
        journal: Path | str | None = None,
        keys: bool = True,
        key: SaveKey | None = None,
        missing: Missing = "upload",
        on_progress: Sink = ignore,
    ) -> SaveReport[B]:
        """Save any number of entities in batches, several at once; the input is read as fast as it is sent.

        New and changed entities may be mixed; a changed one sends what changed. The report has one outcome per entity,
        and a refused one never hides the others. When the server is lost, or the login, SaveFailed is raised and holds
        the report of what was confirmed; `acomps.report_of` finds that on a cancellation too.

        Each new entity gets a tag `acomps_key`, by which it is found when an answer is lost, so that none is made
        twice; without `keys` such an entity is a failure that has to be looked into. A `journal` is a file that notes
        what is confirmed: the same call with the same entities then does only what is missing; NotWritten ends the save
        when it cannot be written any more. `key` does that for a caller with a journal of its own. `missing` says what
        happens to entities with files, given by md5, that the server lacks.

            report = await comps.simulations.save_all(sweep, journal="sweep.journal")
            report.raise_for_failures()
        """
        return await self._saving(journal, keys, key, missing, on_progress).run(entities)

    @asynccontextmanager
    async def save_each(
        self,
        entities: Iterable[B] | AsyncIterable[B],
        *,
        journal: Path | str | None = None,
        keys: bool = True,
        key: SaveKey | None = None,
        missing: Missing = "upload",
        on_progress: Sink = ignore,
    ) -> AsyncGenerator[AsyncIterable[SaveOutcome[B]]]:
        """As `save_all`, but every outcome as it comes, in any order; nothing is kept. Leaving the block ends the save.

        async with comps.simulations.save_each(sweep) as outcomes:
            async for outcome in outcomes:
                ...
        """
        saving = self._saving(journal, keys, key, missing, on_progress)
        send, receive = anyio.create_memory_object_stream[SaveOutcome[B]](0)
        async with receive, task_group() as tasks:
            tasks.start_soon(saving.run_each, entities, send)
            yield receive
            tasks.cancel_scope.cancel()

    def _saving(
        self, journal: Path | str | None, keys: bool, key: SaveKey | None, missing: Missing, on_progress: Sink
    ) -> Saving[B]:
        way = Way(self._channel, self._settings, self._spelling.plural, self._store, on_progress)
        path = None if journal is None else Path(journal)
        return Saving[B](way, journal=path, keys=keys, key=key, missing=missing)


class Simulations(Batched[Simulation]):
    """`comps.simulations`."""

    def __init__(self, channel: Channel, settings: Settings, store: Store) -> None:
        super().__init__(channel, settings, Simulation, spelling.SIMULATION)
        self._store = store

    def of(self, experiment: Reference, query: Query | None = None) -> AsyncGenerator[Simulation]:
        """The simulations of an experiment."""
        return self.iterate((query or Query()).where(experiment_id=id_of(experiment, "experiment")))

    async def count_by_state(self, scope: Reference | Query) -> Mapping[SimulationState, int]:
        """How many simulations of an experiment, or of what a query describes, are in each state; none are fetched."""
        query = scope if isinstance(scope, Query) else Query().where(experiment_id=id_of(scope, "experiment"))
        counts: dict[SimulationState, int] = {}

        async def count(state: SimulationState) -> None:
            counts[state] = await self.count(query.where(state=state))

        async with task_group() as tasks:
            for state in SimulationState:
                if state != SimulationState.UNKNOWN:
                    tasks.start_soon(count, state)
        return {state: counts[state] for state in SimulationState if counts.get(state)}

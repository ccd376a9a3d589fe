"""Simulations and work items: what is saved in batches, with files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from acomps.comps.resource import Reference, Runnable, id_of
from acomps.comps.saving import Saving
from acomps.entities import Simulation, SimulationState, WorkItem
from acomps.events import Sink, ignore
from acomps.query import Query
from acomps.wire import spelling

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping

    from acomps.comps.report import SaveReport
    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["Batched", "Simulations"]

B = TypeVar("B", Simulation, WorkItem)


class Batched(Runnable[B], Generic[B]):
    """A kind of entity that is saved in batches."""

    async def save(self, entity: B) -> B:
        """Create the entity with its files, or update it if it has an id; the saved value has its id.

        An update sends what changed, and only if anything did. MissingFiles when a file is given by an md5 that the
        server does not have.
        """
        report = await self.save_all([entity])
        for failure in report.failures:
            raise failure.error
        return report.saved[0]

    async def save_all(self, entities: Iterable[B] | AsyncIterable[B], *, on_progress: Sink = ignore) -> SaveReport[B]:
        """Save any number of entities in batches, several at once; the input is read as fast as it is sent.

        The report has one outcome per entity, and a failed batch never hides the others. When the server is lost, or
        the login, SaveFailed is raised and holds the report of what was confirmed.
        """
        return await Saving[B](self._channel, self._settings, self._spelling.plural, on_progress).run(entities)


class Simulations(Batched[Simulation]):
    """`comps.simulations`."""

    def __init__(self, channel: Channel, settings: Settings) -> None:
        super().__init__(channel, settings, Simulation, spelling.SIMULATION)

    def of(self, experiment: Reference, query: Query | None = None) -> AsyncIterator[Simulation]:
        """The simulations of an experiment."""
        return self.iterate((query or Query()).where(experiment_id=id_of(experiment, "experiment")))

    async def count_by_state(self, scope: Reference | Query) -> Mapping[SimulationState, int]:
        """How many simulations of an experiment, or of what a query describes, are in each state; none are fetched."""
        query = scope if isinstance(scope, Query) else Query().where(experiment_id=id_of(scope, "experiment"))
        counts: dict[SimulationState, int] = {}

        async def count(state: SimulationState) -> None:
            counts[state] = await self.count(query.where(state=state))

        async with anyio.create_task_group() as tasks:
            for state in SimulationState:
                if state != SimulationState.UNKNOWN:
                    tasks.start_soon(count, state)
        return {state: counts[state] for state in SimulationState if counts.get(state)}

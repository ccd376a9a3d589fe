"""What can be harvested, as a stream of simulations."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from acomps.comps.groups import Experiments
from acomps.comps.simulations import Simulations
from acomps.entities import Experiment, Simulation, Suite
from acomps.entities.checks import as_uuid
from acomps.errors import UsageError
from acomps.query import Query
from acomps.streams import each

__all__ = ["Harvestable", "Source", "Sources"]

Harvestable: TypeAlias = Simulation | uuid.UUID | str
#: An id alone is that of an experiment; several are those of simulations.
Source: TypeAlias = (
    Experiment | Suite | Simulation | Query | uuid.UUID | str | Iterable[Harvestable] | AsyncIterable[Harvestable]
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Reads one source. `with_jobs` has simulations come with their attempts."""

    simulations: Simulations
    experiments: Experiments
    source: Source
    with_jobs: bool

    async def each(self) -> AsyncIterator[Harvestable]:
        """The simulations of the source, each once however often they occur in it; of some only the id."""
        seen: set[int] = set()
        async for item in self._all(self.source):
            simulation_id = item.saved_id if isinstance(item, Simulation) else _id(item)
            key = hash(simulation_id.bytes)
            if key not in seen:
                seen.add(key)
                yield item

    async def current(self, item: Harvestable) -> Simulation:
        """The simulation with what has to be known of it; one that was given, and had not ended, as it is now."""
        listed = isinstance(self.source, Experiment | Suite | Query | uuid.UUID | str)
        if isinstance(item, Simulation) and (listed or not self.with_jobs or _ended(item)):
            return item
        return await self.simulations.get(item, self._complete(Query()))

    async def experiment(self, experiment_id: uuid.UUID) -> Experiment:
        """An experiment with what a layout may name."""
        return await self.experiments.get(experiment_id, Query().children("tags"))

    async def _all(self, source: Source) -> AsyncIterator[Harvestable]:
        if isinstance(source, Query):
            async for simulation in self.simulations.iterate(self._complete(source)):
                yield simulation
        elif isinstance(source, Suite):
            async for experiment in self.experiments.of(source):
                async for simulation in self._of(experiment):
                    yield simulation
        elif isinstance(source, Experiment):
            async for simulation in self._of(source):
                yield simulation
        elif isinstance(source, uuid.UUID | str):
            # An id that is none of an experiment must not look like an experiment without simulations.
            async for simulation in self._of(await self.experiments.get(source)):
                yield simulation
        elif isinstance(source, Simulation):
            yield source
        elif isinstance(source, AsyncIterable | Iterable):
            async for item in each(source):
                yield item
        else:
            raise UsageError(
                f"a {type(source).__name__} cannot be harvested: give an experiment, a suite, a query of simulations, "
                "or simulations or their ids"
            )

    def _of(self, experiment: Experiment) -> AsyncIterator[Simulation]:
        return self.simulations.of(experiment, self._complete(Query()))

    def _complete(self, query: Query) -> Query:
        """The query with what a harvest has to know of a simulation."""
        fields = (*query.fields, "experiment_id", "name", "state", "error_message") if query.fields else ()
        children = (*query.child_names, "tags", *(["hpc_jobs"] if self.with_jobs else []))
        return dataclasses.replace(query, fields=fields, child_names=children)


def _ended(simulation: Simulation) -> bool:
    return simulation.state is not None and simulation.state.final


def _id(item: uuid.UUID | str) -> uuid.UUID:
    return as_uuid(item, "the id of a simulation")

"""What can be harvested, as a stream of simulations."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
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

    async def each(self) -> AsyncGenerator[Harvestable]:
        """The simulations of the source, each once however often they occur in it; of some only the id."""
        seen: set[int] = set()
        async with aclosing(self._all(self.source)) as items:
            async for item in items:
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

    def _all(self, source: Source) -> AsyncGenerator[Harvestable]:
        if isinstance(source, Query):
            return self.simulations.iterate(self._complete(source))
        if isinstance(source, Suite):
            return self._of_suite(source)
        if isinstance(source, Experiment):
            return self._of(source)
        if isinstance(source, uuid.UUID | str):
            return self._of_id(source)
        if isinstance(source, Simulation):
            return each([source])
        if isinstance(source, AsyncIterable | Iterable):
            return each(source)
        raise UsageError(
            f"a {type(source).__name__} cannot be harvested: give an experiment, a suite, a query of simulations, "
            "or simulations or their ids"
        )

    async def _of_suite(self, suite: Suite) -> AsyncGenerator[Simulation]:
        async with aclosing(self.experiments.of(suite)) as experiments:
            async for experiment in experiments:
                async with aclosing(self._of(experiment)) as simulations:
                    async for simulation in simulations:
                        yield simulation

    async def _of_id(self, experiment_id: uuid.UUID | str) -> AsyncGenerator[Simulation]:
        some = False
        async with aclosing(self._of(experiment_id)) as simulations:
            async for simulation in simulations:
                some = True
                yield simulation
        if not some:
            # An id that is none of an experiment must not look like an experiment without simulations.
            await self.experiments.get(experiment_id)

    def _of(self, experiment: Experiment | uuid.UUID | str) -> AsyncGenerator[Simulation]:
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

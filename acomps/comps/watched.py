"""What is watched, whatever it is: its units, looked at within a number of requests, and the failures among them."""

from __future__ import annotations

import dataclasses
import uuid
from collections import Counter, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TypeAlias

from acomps.comps.counting import Counting, in_experiment
from acomps.comps.progress import is_final
from acomps.comps.units import (
    REQUESTS_PER_POLL,
    ExperimentUnit,
    MembersUnit,
    QueryUnit,
    SinglesUnit,
    SuiteUnit,
)
from acomps.entities import Experiment, Simulation, SimulationState, Suite, WorkItem
from acomps.entities.checks import as_uuid
from acomps.entities.record import Record
from acomps.errors import NotFound, UsageError
from acomps.query import Query
from acomps.streams import task_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acomps.comps.progress import Counts, State
    from acomps.comps.resource import Reference, Resource
    from acomps.comps.units import Part, Unit
    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["Watchable", "Watched", "Watching", "settled"]

#: What is fetched of a failure: a work item belongs to no experiment.
_FAILED_ITEM: Final = Query().select("id", "name", "state", "error_message").children("tags")
_FAILED_SIMULATION: Final = _FAILED_ITEM.select("experiment_id")

#: What can be watched. An id alone is an experiment's, ids in an iterable are simulations'.
Watchable: TypeAlias = "Reference | Query | Iterable[Reference]"


def settled(source: Watchable) -> Watchable:
    """The same, and an iterable that can be read only once as a list."""
    return source if isinstance(source, str) or not isinstance(source, Iterable) else list(source)


class Watching:
    """Finds the units of what is to be watched, for all watches of a session."""

    def __init__(
        self, channel: Channel, settings: Settings, simulations: Resource[Simulation], work_items: Resource[WorkItem]
    ) -> None:
        self._channel, self._settings = channel, settings
        self._simulations, self._work_items = simulations, work_items
        self._counting = Counting(channel, simulations)

    async def watched(self, source: Watchable) -> Watched:
        """The units of a source; ids of simulations without their experiment are looked up."""
        return Watched(self._simulations, await self._units(source))

    async def _units(self, source: Watchable) -> list[Unit]:
        match source:
            case Query():
                if source.first or source.count is not None:
                    raise UsageError("a query to watch says which simulations; leave out its offset and limit")
                bare = dataclasses.replace(source, fields=(), child_names=(), order=None)
                return [QueryUnit(self._counting, bare)]
            case Suite():
                return [SuiteUnit(self._counting, source.saved_id)]
            case Experiment():
                return [ExperimentUnit(self._counting, source.saved_id)]
            case Simulation() | WorkItem():
                return await self._several([source])
            case Record():
                raise UsageError(f"{source.described} has no state that could be watched")
            case str() | uuid.UUID():
                return [ExperimentUnit(self._counting, as_uuid(source, "the id of the experiment to watch"))]
            case Iterable():
                return await self._several([*source])
            case _:
                raise UsageError(
                    f"a {type(source).__name__} cannot be watched; give an experiment, a suite, a work item, a query, "
                    "or simulations or their ids"
                )

    async def _several(self, items: Sequence[Reference]) -> list[Unit]:
        experiments = dict.fromkeys(item.saved_id for item in items if isinstance(item, Experiment))
        work_items = dict.fromkeys(item.saved_id for item in items if isinstance(item, WorkItem))
        simulations: dict[uuid.UUID, uuid.UUID | None] = {}
        for item in items:
            if isinstance(item, Simulation):
                simulations[item.saved_id] = item.experiment_id
            elif not isinstance(item, Record):
                simulations.setdefault(as_uuid(item, "the id of a simulation to watch"), None)
            elif not isinstance(item, Experiment | WorkItem):
                raise UsageError(f"{item.described} cannot be watched together with others")
        if sum(map(bool, (experiments, work_items, simulations))) > 1:
            raise UsageError("simulations, experiments and work items cannot be watched together: watch them apart")
        units: list[Unit] = [ExperimentUnit(self._counting, experiment_id) for experiment_id in experiments]
        if work_items:
            units.append(SinglesUnit(self._work_items, work_items))
        if len(simulations) > REQUESTS_PER_POLL:
            units += await self._members(simulations)
        elif simulations:
            units.append(SinglesUnit(self._simulations, simulations))
        return units

    async def _members(self, simulations: dict[uuid.UUID, uuid.UUID | None]) -> list[Unit]:
        """The units of many simulations, one for each experiment; two requests find the place of all in one."""
        groups: dict[uuid.UUID, set[uuid.UUID]] = {}
        unplaced: list[uuid.UUID] = [key for key, experiment_id in simulations.items() if experiment_id is None]
        for key, experiment_id in simulations.items():
            if experiment_id is not None:
                groups.setdefault(experiment_id, set()).add(key)
        orphans: list[uuid.UUID] = []
        while unplaced:
            first = await self._simulations.get(unplaced[0], Query().select("id", "experiment_id"))
            if first.experiment_id is None:
                orphans.append(unplaced.pop(0))
                continue
            query = in_experiment(first.experiment_id).select("id")
            inside = {first.saved_id}
            inside |= {simulation.saved_id async for simulation in self._simulations.iterate(query)}
            groups.setdefault(first.experiment_id, set()).update(inside.intersection(unplaced))
            unplaced = [key for key in unplaced if key not in inside]
        units: list[Unit] = [SinglesUnit(self._simulations, orphans)] if orphans else []
        for experiment_id, ids in groups.items():
            members = MembersUnit(self._channel, self._settings, self._counting, experiment_id, ids)
            units.append(ExperimentUnit(self._counting, experiment_id, members))
        return units


class Watched:
    """Units, and what the looks at them have found; a unit that is at its end is not asked again."""

    def __init__(self, simulations: Resource[Simulation], units: Sequence[Unit]) -> None:
        self._units = deque(units)
        singles = [unit for unit in units if isinstance(unit, SinglesUnit)]
        self._resource = singles[0].resource if singles else simulations
        self._failure = _FAILED_SIMULATION if self._resource is simulations else _FAILED_ITEM
        self._failures: dict[uuid.UUID, Simulation | WorkItem | None] = {}
        #: How many failures of each part have been fetched, or are gone.
        self._fetched: Counter[uuid.UUID | None] = Counter()

    @property
    def parts(self) -> list[Part] | None:
        """What was seen of all units; None as long as one of them was not seen."""
        known = [unit.parts for unit in self._units if unit.parts is not None]
        return [part for parts in known for part in parts] if len(known) == len(self._units) else None

    @property
    def counts(self) -> Counts | None:
        """The counts of all units together; None as long as one of them was not seen."""
        parts = self.parts
        if parts is None:
            return None
        together: Counter[State] = Counter()
        for part in parts:
            together.update(part.counts)
        return together

    @property
    def failures(self) -> tuple[Simulation | WorkItem, ...]:
        """The failures that have been fetched."""
        return tuple(failure for failure in self._failures.values() if failure is not None)

    def missing(self, failures: int) -> bool:
        """Whether there are more failures to fetch, if one wants so many."""
        return len(self.failures) < failures and any(
            part.failed > self._fetched[part.key] for unit in self._units for part in unit.parts or ()
        )

    async def poll(self, failures: int = 0) -> None:
        """Look at as many units as ten requests allow, in turn; and fetch failures until there are so many."""
        left = REQUESTS_PER_POLL
        left -= await self._fetch(failures, left)
        chosen: list[Unit] = []
        for unit in [unit for unit in self._units if not _through(unit)]:
            if unit.cost > left:
                break
            left -= unit.cost
            chosen.append(unit)
        async with task_group() as tasks:
            for unit in chosen:
                tasks.start_soon(self._look, unit)
        await self._fetch(failures, left)

    async def _look(self, unit: Unit) -> None:
        others = await unit.look()
        # Who was asked is the last in the next turn.
        self._units.remove(unit)
        self._units += others or [unit]

    async def _fetch(self, wanted: int, left: int) -> int:
        """Fetch failures with at most so many requests; returns how many it took."""
        taken = 0
        for part in [part for unit in self._units for part in unit.parts or ()]:
            room = min(left - taken - 1, wanted - len(self.failures))
            if room < 1 or part.failed <= self._fetched[part.key]:
                continue
            ids = await self._failed_ids(part, self._fetched[part.key] + room)
            new = [entity_id for entity_id in ids if entity_id not in self._failures][:room]
            async with task_group() as tasks:
                for entity_id in new:
                    tasks.start_soon(self._fetch_one, entity_id)
            taken += 1 + len(new)
            # Where there is none that was not seen, the others are gone.
            self._fetched[part.key] = self._fetched[part.key] + len(new) if new else part.failed
        return taken

    async def _failed_ids(self, part: Part, most: int) -> Sequence[uuid.UUID]:
        if part.scope is None:
            return part.failed_ids
        query = part.scope.where(state=SimulationState.FAILED).select("id").limit(most)
        return [entity.saved_id async for entity in self._resource.iterate(query)]

    async def _fetch_one(self, entity_id: uuid.UUID) -> None:
        try:
            self._failures[entity_id] = await self._resource.get(entity_id, self._failure)
        except NotFound:
            self._failures[entity_id] = None


def _through(unit: Unit) -> bool:
    return unit.parts is not None and all(is_final(part.counts) for part in unit.parts)

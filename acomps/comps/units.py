"""The pieces of what is watched: each knows its counts as of its last look, and what a look costs."""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from acomps.comps.counting import in_experiment
from acomps.comps.progress import Counts
from acomps.comps.resource import Resource
from acomps.entities import Simulation, SimulationState, WorkItem
from acomps.query import Query
from acomps.streams import task_group
from acomps.wire import spelling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acomps.comps.counting import Counting
    from acomps.comps.progress import State
    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = [
    "REQUESTS_PER_POLL",
    "ExperimentUnit",
    "MembersUnit",
    "Part",
    "QueryUnit",
    "SinglesUnit",
    "SuiteUnit",
    "Unit",
]

#: However much is watched, a poll is at most so many requests.
REQUESTS_PER_POLL: Final = 10
#: A page of a listing holds at most so many entities.
_LARGEST_PAGE: Final = 100_000
#: Of the requests of a poll, one counts, and one may find that there is no further page.
_PAGES_PER_POLL: Final = REQUESTS_PER_POLL - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Counts, and what they are of: a query describes it, or else the ids of what failed are known."""

    key: uuid.UUID | None
    counts: Counts
    scope: Query | None = None
    failed_ids: Sequence[uuid.UUID] = ()

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(count for state, count in self.counts.items() if state.name == "FAILED")


class Unit(Protocol):
    """A piece of what is watched."""

    @property
    def cost(self) -> int:
        """The requests that the next look makes, at most."""
        ...

    @property
    def parts(self) -> Sequence[Part] | None:
        """What the last look saw; None as long as not all of it was seen."""
        ...

    async def look(self) -> Sequence[Unit]:
        """Ask the server. What it returns takes the place of this unit, unless it is nothing."""
        ...


class ExperimentUnit:
    """The simulations of one experiment. `members` counts the same things as long as these are all that is in it."""

    def __init__(self, counting: Counting, experiment_id: uuid.UUID, members: MembersUnit | None = None) -> None:
        self._counting, self._id, self._members = counting, experiment_id, members
        self.parts: Sequence[Part] | None = None

    @property
    def cost(self) -> int:
        return self._counting.cost

    async def look(self) -> Sequence[Unit]:
        counts = await self._counting.experiment(self._id)
        if counts is not None and self._members is not None and sum(counts.values()) != self._members.size:
            return [self._members]
        if counts is not None:
            self.parts = [Part(key=self._id, counts=counts, scope=in_experiment(self._id))]
        return ()


class SuiteUnit:
    """All experiments of a suite in one request; on a server without statistics each becomes a unit of its own."""

    cost = 1

    def __init__(self, counting: Counting, suite_id: uuid.UUID) -> None:
        self._counting, self._id = counting, suite_id
        self.parts: Sequence[Part] | None = None

    async def look(self) -> Sequence[Unit]:
        found = await self._counting.suite(self._id)
        if self._counting.statistics is False and found:
            return [ExperimentUnit(self._counting, experiment_id) for experiment_id in found]
        self.parts = [Part(key=key, counts=counts or {}, scope=in_experiment(key)) for key, counts in found.items()]
        return ()


class QueryUnit:
    """The simulations that a query describes."""

    cost = REQUESTS_PER_POLL

    def __init__(self, counting: Counting, query: Query) -> None:
        self._counting, self._query = counting, query
        self.parts: Sequence[Part] | None = None

    async def look(self) -> Sequence[Unit]:
        self.parts = [Part(key=None, counts=await self._counting.query(self._query), scope=self._query)]
        return ()


class SinglesUnit:
    """Entities that are asked for one by one, in turn; those that are at their end are not asked again."""

    cost = REQUESTS_PER_POLL

    def __init__(self, resource: Resource[Simulation] | Resource[WorkItem], ids: Iterable[uuid.UUID]) -> None:
        self.resource = resource
        self._turn = deque(dict.fromkeys(ids))
        self._states: dict[uuid.UUID, State] = {}
        self._all = len(self._turn)

    @property
    def parts(self) -> Sequence[Part] | None:
        if len(self._states) < self._all:
            return None
        failed = [key for key, state in self._states.items() if state.name == "FAILED"]
        return [Part(key=None, counts=Counter(self._states.values()), failed_ids=failed)]

    async def look(self) -> Sequence[Unit]:
        asked = [self._turn.popleft() for _ in range(min(REQUESTS_PER_POLL, len(self._turn)))]
        try:
            async with task_group() as tasks:
                for entity_id in asked:
                    tasks.start_soon(self._ask, entity_id)
        finally:
            self._turn += [item for item in asked if item not in self._states or not self._states[item].final]
        return ()

    async def _ask(self, entity_id: uuid.UUID) -> None:
        entity = await self.resource.get(entity_id, Query().select("id", "state"))
        self._states[entity_id] = entity.state or SimulationState.UNKNOWN


class MembersUnit:
    """Some simulations of one experiment, known by their ids: the states of all in it are listed, a few large pages.

    On a server with statistics, only when these have changed.
    """

    cost = REQUESTS_PER_POLL

    def __init__(
        self, channel: Channel, settings: Settings, counting: Counting, experiment_id: uuid.UUID, ids: set[uuid.UUID]
    ) -> None:
        self._channel, self._settings = channel, settings
        self._counting, self._id, self._ids = counting, experiment_id, ids
        self._whole: Counts | None = None
        self.parts: Sequence[Part] | None = None

    @property
    def size(self) -> int:
        """How many simulations these are."""
        return len(self._ids)

    async def look(self) -> Sequence[Unit]:
        whole = None
        if self._counting.statistics is not False:
            whole = await self._counting.experiment(self._id)
            if whole is not None and whole == self._whole:
                return ()
        await self._list(await self._counting.total(in_experiment(self._id)) if whole is None else sum(whole.values()))
        self._whole = whole
        return ()

    async def _list(self, size: int) -> None:
        """Ask for all ids and states, in so few pages that a poll stays within its requests."""
        page = min(_LARGEST_PAGE, max(self._settings.page_size, math.ceil(size / _PAGES_PER_POLL)))
        paged = dataclasses.replace(self._settings, page_size=page)
        pages = Resource(self._channel, paged, Simulation, spelling.SIMULATION)
        counts: Counter[State] = Counter()
        failed: list[uuid.UUID] = []
        async for simulation in pages.iterate(in_experiment(self._id).select("id", "state")):
            if simulation.saved_id in self._ids:
                counts[simulation.state or SimulationState.UNKNOWN] += 1
                if simulation.state == SimulationState.FAILED:
                    failed.append(simulation.saved_id)
        self.parts = [Part(key=self._id, counts=counts, failed_ids=failed)]

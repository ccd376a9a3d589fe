"""Simulations that have come to an end, each once, in listings that begin where the last one found all at its end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from acomps.entities import SimulationState
from acomps.errors import UsageError, ValidationFailed
from acomps.query import Query

if TYPE_CHECKING:
    import uuid

    from acomps.comps.resource import Resource
    from acomps.comps.units import Part
    from acomps.comps.watched import Watchable
    from acomps.entities import Simulation

__all__ = ["Gatherer"]

_FINAL: Final = tuple(state for state in SimulationState if state.final)
_OPEN: Final = tuple(f"state!={state.text}" for state in _FINAL)


class Gatherer:
    """Finds what the parts of a watch have newly at its end."""

    def __init__(
        self, simulations: Resource[Simulation], page_size: int, source: Watchable, query: Query | None = None
    ) -> None:
        self._simulations, self._page_size = simulations, page_size
        self._shape = source if isinstance(source, Query) else query or Query().children("tags")
        if query is not None and (query.conditions or query.tag_conditions or query.first or query.count):
            raise UsageError("the query beside what is watched selects fields and children; it cannot filter or page")
        self._followers: dict[uuid.UUID | None, _Follower] = {}

    def wants(self, part: Part) -> bool:
        """Whether there is a page to ask for."""
        return self._follower(part).wants(part)

    async def page(self, part: Part) -> list[Simulation]:
        """The next simulations that are at their end; an error loses none of them."""
        return await self._follower(part).page(part)

    def _follower(self, part: Part) -> _Follower:
        follower = self._followers.get(part.key)
        if follower is None:
            if part.scope is None:
                raise UsageError("what finishes can be followed of an experiment, a suite or a query")
            shaped = part.scope.select(*self._shape.fields).children(*self._shape.child_names)
            shaped = shaped.extra(**self._shape.extras).order_by("id")
            follower = self._followers[part.key] = _Follower(self._simulations, self._page_size, part.scope, shaped)
        return follower


class _Follower:
    """What is known of one experiment or query.

    Ids are kept as whole numbers, so that a hundred thousand of them are a few megabytes. All with an id below `_low`
    were at their end, and listed, when the last round ended, so that a round begins there. If it then has not found
    as many as there should be, the order of the server is another one than we think: the next round lists them all.
    """

    def __init__(self, simulations: Resource[Simulation], page_size: int, scope: Query, shaped: Query) -> None:
        self._simulations, self._page_size = simulations, page_size
        self._scope, self._shaped = scope, shaped
        self._seen: set[int] = set()
        #: Per state, how many were found, and how many cannot be found any more.
        self._found: Counter[SimulationState] = Counter()
        self._gone: Counter[SimulationState] = Counter()
        self._low: uuid.UUID | None = None
        self._next_low: uuid.UUID | None = None
        self._left: list[SimulationState] = []
        self._offset = 0

    def _behind(self, part: Part) -> list[SimulationState]:
        return [state for state in _FINAL if part.counts.get(state, 0) > self._found[state] + self._gone[state]]

    def wants(self, part: Part) -> bool:
        """Whether a round is under way or due."""
        return bool(self._left or self._behind(part))

    async def page(self, part: Part) -> list[Simulation]:
        """One page of this round, without what was in others."""
        if not self._left:
            self._next_low = await self._lowest_open()
            self._left, self._offset = self._behind(part), 0
        state = self._left[0]
        page = await self._listed(state)
        new = [simulation for simulation in page if simulation.saved_id.int not in self._seen]
        self._seen.update(simulation.saved_id.int for simulation in new)
        self._found[state] += len(new)
        self._offset += len(page)
        if len(page) < self._page_size:
            self._left, self._offset = self._left[1:], 0
            if not self._left:
                self._end_round(part)
        return new

    async def _lowest_open(self) -> uuid.UUID | None:
        """The first of those that are not at their end."""
        query = self._scope.where(*_OPEN).select("id").order_by("id").limit(1)
        return next((simulation.saved_id for simulation in await self._simulations.list(query)), None)

    async def _listed(self, state: SimulationState) -> list[Simulation]:
        query = self._shaped.where(state=state).limit(self._page_size).offset(self._offset)
        if self._low is None:
            return await self._simulations.list(query)
        try:
            return await self._simulations.list(query.where(f"id>={self._low}"))
        except ValidationFailed:
            # A server that does not compare ids.
            self._low, self._offset = None, 0
            return await self._simulations.list(query.offset(0))

    def _end_round(self, part: Part) -> None:
        behind = self._behind(part)
        if not behind:
            self._low = self._next_low or self._low
        elif self._low is not None:
            self._low = None
        else:
            # All were listed and there are fewer: the others were deleted in between.
            for state in behind:
                self._gone[state] = part.counts.get(state, 0) - self._found[state]

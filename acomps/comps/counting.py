"""How many simulations are in each state, in few small requests: statistics where the server has them, else counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from acomps.entities import Simulation, SimulationState
from acomps.errors import MalformedAnswer, ValidationFailed
from acomps.query import Query
from acomps.streams import task_group
from acomps.transport import Replay
from acomps.wire import spelling
from acomps.wire.decode import decode_references
from acomps.wire.params import query_params
from acomps.wire.statistics import STATE_COUNTS, decode_state_counts

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    from acomps.comps.progress import State
    from acomps.comps.resource import Resource
    from acomps.transport import Answer, Channel

__all__ = ["COUNTED_STATES", "Counting", "StateCounts", "in_experiment"]

StateCounts: TypeAlias = "dict[State, int]"
_Statistics: TypeAlias = "Mapping[uuid.UUID, Mapping[SimulationState, int]]"

#: What is counted one by one. Whatever else there is counts as Created, which keeps a count within ten requests:
#: one for each of these, and one for all together.
COUNTED_STATES: Final = tuple(
    state for state in SimulationState if state not in {SimulationState.CREATED, SimulationState.UNKNOWN}
)
_EXPERIMENTS: Final = f"/{spelling.EXPERIMENT.plural}"
#: A suite of more experiments than this takes another request.
_PAGE: Final = 5_000


def in_experiment(experiment_id: uuid.UUID) -> Query:
    """The simulations of an experiment."""
    return Query().where(experiment_id=experiment_id)


class Counting:
    """Counts for the watches of one session; `statistics` is whether the server has them, None before it was asked."""

    def __init__(self, channel: Channel, simulations: Resource[Simulation]) -> None:
        self._channel = channel
        self._simulations = simulations
        self.statistics: bool | None = None

    @property
    def cost(self) -> int:
        """The requests that one experiment takes."""
        return 1 + len(COUNTED_STATES) if self.statistics is False else 1

    async def experiment(self, experiment_id: uuid.UUID) -> StateCounts | None:
        """The counts of one experiment, or None when the server was found to have no statistics: ask again."""
        if self.statistics is False:
            return await self.query(in_experiment(experiment_id))
        found = await self._statistics(
            f"{_EXPERIMENTS}/{experiment_id}", {}, f"count the simulations of experiment {experiment_id}"
        )
        return None if found is None else _own(found, experiment_id)

    async def suite(self, suite_id: uuid.UUID) -> dict[uuid.UUID, StateCounts | None]:
        """The experiments of a suite, with their counts if the server has statistics."""
        found: dict[uuid.UUID, StateCounts | None] = {}
        params = {
            **query_params(Query().select("id").where(suite_id=suite_id), spelling.EXPERIMENT),
            "orderby": "Id",
            "count": str(_PAGE),
        }
        operation = f"count the simulations of suite {suite_id}"
        while True:
            answer = await self._ask(
                _EXPERIMENTS, {**params, "offset": str(len(found))} if found else params, operation
            )
            ids = decode_references(answer.json(), spelling.EXPERIMENT.plural)
            counts = self._read(answer)
            found.update({item: None if counts is None else _own(counts, item) for item in ids})
            if len(ids) < _PAGE:
                return found

    async def query(self, query: Query) -> StateCounts:
        """The counts of what a query describes.

        They are of slightly different moments. A simulation that moves on in between may be counted as Created, but
        what is final is never counted too early.
        """
        counts: StateCounts = {}

        async def count(state: SimulationState) -> None:
            counts[state] = await self._simulations.count(query.where(state=state))

        async with task_group() as tasks:
            for state in COUNTED_STATES:
                tasks.start_soon(count, state)
        # The whole is counted last, so that the final ones can make it up only when there are no others.
        total = await self._simulations.count(query)
        for state in COUNTED_STATES:
            twice = sum(counts.values()) - total
            if twice > 0 and not state.final:
                counts[state] -= min(twice, counts[state])
        counts[SimulationState.CREATED] = max(0, total - sum(counts.values()))
        return counts

    async def total(self, query: Query) -> int:
        """How many simulations a query describes."""
        return await self._simulations.count(query)

    async def _statistics(self, path: str, params: Mapping[str, str], operation: str) -> _Statistics | None:
        return self._read(await self._ask(path, {**params, "fields": "Id"}, operation))

    async def _ask(self, path: str, params: Mapping[str, str], operation: str) -> Answer:
        async def ask(query: list[tuple[str, str]]) -> Answer:
            return await self._channel.call("GET", path, operation=operation, replay=Replay.SAFE, query=query)

        if self.statistics is not False:
            try:
                return await ask([*params.items(), STATE_COUNTS])
            except ValidationFailed:
                # A server that is strict about queries and does not know this one.
                self.statistics = False
        return await ask([*params.items()])

    def _read(self, answer: Answer) -> _Statistics | None:
        if self.statistics is False:
            return None
        try:
            counts = decode_state_counts(answer.json())
        except MalformedAnswer:
            counts = None
        self.statistics = counts is not None
        return counts


def _own(found: _Statistics, experiment_id: uuid.UUID) -> StateCounts:
    """The counts of one experiment; one without simulations may be left out by the server."""
    return dict(found.get(experiment_id, {}).items())

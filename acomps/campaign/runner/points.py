"""The points of a campaign as its store has them: what each is, how it stands, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

import anyio.to_thread

from acomps.campaign.documents import as_dict, as_list
from acomps.campaign.model import Iteration, Task
from acomps.campaign.runner.results import Result, Results
from acomps.collector import made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acomps.campaign.model import RunMetadata
    from acomps.campaign.reading import Reading

__all__ = ["ACTION", "INPUT", "OUTPUT", "Point", "Standing", "read_points", "read_results", "read_stages", "round_of"]

#: The one action of every stage: to simulate. Its inputs are under their names, its output is one parameter.
ACTION: Final = 0
INPUT: Final = "inputs."
OUTPUT: Final = "outputs.result"


class Standing(Enum):
    """How a point stands, by its newest attempt."""

    WAITING = "waiting"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Point:
    """One point in one round: the position of its element and of its iteration in the task of its stage."""

    element: int
    position: int
    round: int
    iteration: Iteration

    @property
    def newest(self) -> RunMetadata:
        """What became of the newest attempt."""
        return self.iteration.actions[ACTION][-1].metadata

    @property
    def attempts(self) -> int:
        """How many attempts there were, or are planned."""
        return len(self.iteration.actions[ACTION])

    @property
    def standing(self) -> Standing:
        """How it stands."""
        newest = self.newest
        if newest.end_time is not None:
            return Standing.SUCCEEDED if newest.success else Standing.FAILED
        return Standing.WAITING if newest.submission_idx is None else Standing.SENT

    @property
    def error(self) -> str:
        """Why the newest attempt failed; empty when it did not."""
        return str(self.newest.more.get("error") or "")

    def parameter(self, path: str) -> int:
        """The index of one of its parameters."""
        return cast("int", self.iteration.data_idx[path])


async def read_stages(store: Reading) -> list[Task]:
    """The stages in their order: `more` has the name, the element sets are the rounds that were planned."""
    template = await store.get_template()
    return [Task.from_dict(as_dict(one, "a task")) for one in as_list(template["tasks"], "the tasks of a template")]


async def read_points(store: Reading, stage: int, loop: str = "") -> list[Point]:
    """The points of a stage, round by round; those of `loop` know their round."""
    found = await store.get_task_iterations(stage, stage)
    return await anyio.to_thread.run_sync(_points, found, loop)


async def read_results(store: Reading) -> Results:
    """All that was found."""
    values = await store.get_all_parameter_data()
    found: list[Result] = []
    for number, stage in enumerate(await read_stages(store)):
        points = await read_points(store, number, str(stage.more.get("loop") or ""))
        found += await anyio.to_thread.run_sync(_results, str(stage.more["name"]), points, values)
    return Results(found)


def round_of(iteration: Iteration, loop: str) -> int:
    """The round that an iteration belongs to."""
    return iteration.loop_idx.get(loop, 0)


def _points(found: Sequence[tuple[int, int, Iteration]], loop: str) -> list[Point]:
    points = made(Point(element, position, round_of(one, loop), one) for element, position, one in found)
    # An element has its rounds in order, but the rounds go through all elements.
    return sorted(points, key=lambda point: (point.round, point.element))


def _results(stage: str, points: list[Point], values: dict[int, tuple[bool, object]]) -> list[Result]:
    return made(
        Result(
            stage=stage,
            round=point.round,
            point=point.element,
            inputs={
                path.removeprefix(INPUT): values[cast("int", index)][1]
                for path, index in point.iteration.data_idx.items()
                if path.startswith(INPUT)
            },
            outputs=cast("dict[str, object] | None", values[point.parameter(OUTPUT)][1]),
            error=point.error if point.standing is Standing.FAILED else "",
            attempts=sum(run.metadata.submission_idx is not None for run in point.iteration.actions[ACTION]),
            id=cast("str | None", point.newest.more.get("id")),
        )
        for point in points
    )

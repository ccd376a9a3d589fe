"""How far a campaign is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.campaign.runner.points import Standing, read_points, read_stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acomps.campaign.model import Task
    from acomps.campaign.reading import Reading
    from acomps.campaign.runner.points import Point

__all__ = ["CampaignStatus", "StageStatus", "read_status"]

_ERRORS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """How far a stage is: of the `points` planned in `rounds` rounds so far, how many are where.

    `waiting` are not sent, `sent` are with the gateway; `attempts` are all that were sent. `errors` are the first
    different reasons of failures. A stage is `complete` when no more rounds will come and every point is settled.
    """

    name: str
    rounds: int = 0
    points: int = 0
    waiting: int = 0
    sent: int = 0
    succeeded: int = 0
    failed: int = 0
    attempts: int = 0
    complete: bool = False
    errors: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.points:
            return f"{self.name}: {'nothing to do' if self.complete else 'not planned yet'}"
        counts = {"succeeded": self.succeeded, "failed": self.failed, "sent": self.sent, "waiting": self.waiting}
        words = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        return f"{self.name}: {words} of {self.points:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStatus:
    """How far a campaign is."""

    name: str
    stages: tuple[StageStatus, ...]

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to do."""
        return all(stage.complete for stage in self.stages)

    @property
    def succeeded(self) -> int:
        """How many points have succeeded."""
        return sum(stage.succeeded for stage in self.stages)

    @property
    def failed(self) -> int:
        """How many points have failed, as far as is known now."""
        return sum(stage.failed for stage in self.stages)

    def __str__(self) -> str:
        return f"{self.name}: {'complete; ' if self.complete else ''}{'; '.join(map(str, self.stages))}"


async def read_status(store: Reading) -> CampaignStatus:
    """How far the campaign in a store is."""
    stages: list[StageStatus] = []
    for number, task in enumerate(await read_stages(store)):
        points = await read_points(store, number, str(task.more.get("loop") or ""))
        stages.append(await anyio.to_thread.run_sync(_stage_status, task, points))
    template = await store.get_template()
    return CampaignStatus(name=str(template["name"]), stages=tuple(stages))


def _stage_status(task: Task, points: Sequence[Point]) -> StageStatus:
    counts = Counter(point.standing for point in points)
    planned = [one.more for one in task.element_sets]
    # A round without points is the word that there are no more.
    over = bool(planned) and (len(planned) >= int(str(task.more["rounds"])) or not planned[-1]["points"])
    return StageStatus(
        name=str(task.more["name"]),
        rounds=sum(bool(one["points"]) for one in planned),
        points=len(points),
        waiting=counts[Standing.WAITING],
        sent=counts[Standing.SENT],
        succeeded=counts[Standing.SUCCEEDED],
        failed=counts[Standing.FAILED],
        attempts=sum(point.attempts for point in points) - counts[Standing.WAITING],
        complete=over and not counts[Standing.WAITING] + counts[Standing.SENT],
        errors=tuple(dict.fromkeys(point.error for point in points if point.error))[:_ERRORS],
    )

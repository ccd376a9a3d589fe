"""How far things are: one immutable value per look, with the rate and the end that follow from the looks before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

from acomps.entities import Simulation, SimulationState, WorkItem, WorkItemState

__all__ = ["Counts", "Progress", "ProgressMaker", "State", "is_final", "same"]

State: TypeAlias = SimulationState | WorkItemState
Counts: TypeAlias = Mapping[State, int]

#: How fast the rate forgets: what happened this long ago weighs about a third of what happens now.
_MEMORY_S: Final = 30.0
#: An end that is further away is no estimate.
_FURTHEST: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a watch saw at one look.

    `counts` has the states that occur, in the order of a life. `rate_per_s` is how many finish per second, smoothed
    over half a minute; `estimated_end` follows from it, and is None as long as nothing finishes, and the moment of the
    look when all is final. `failures` are the first of what failed, with their error messages, if they were asked for.
    """

    counts: Counts
    elapsed_s: float
    rate_per_s: float = 0.0
    estimated_end: datetime | None = None
    failures: tuple[Simulation | WorkItem, ...] = ()

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def finished(self) -> int:
        """How many will not change any more: succeeded, failed or cancelled."""
        return sum(count for state, count in self.counts.items() if state.final)

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(count for state, count in self.counts.items() if state.name == "FAILED")

    @property
    def active(self) -> int:
        """How many are commissioned and not yet at an end."""
        return sum(count for state, count in self.counts.items() if state.active)

    @property
    def final(self) -> bool:
        """True when nothing will change any more."""
        return is_final(self.counts)

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        return f"{self.finished} of {self.total} finished: {states}"


def is_final(counts: Counts) -> bool:
    """Whether all that is counted is at its end."""
    return all(state.final for state, count in counts.items() if count)


def same(one: Progress | None, other: Progress) -> bool:
    """Whether two looks saw the same things; only the time is another."""
    return one is not None and (one.counts, one.failures) == (other.counts, other.failures)


class ProgressMaker:
    """Makes the progress of one watch out of its looks."""

    def __init__(self, started: float) -> None:
        self._started = self._last = started
        self._finished: int | None = None
        self._rate_per_s = 0.0
        self._weight = 0.0

    def at(
        self, counts: Counts, failures: tuple[Simulation | WorkItem, ...], *, now: float, wall: datetime
    ) -> Progress:
        """The progress at a look; `now` is the time of the clock that `started` was read from."""
        occurring = sorted(((state, count) for state, count in counts.items() if count), key=lambda item: item[0].code)
        seen = Progress(counts=MappingProxyType(dict(occurring)), elapsed_s=now - self._started, failures=failures)
        self._learn(seen.finished, now)
        return Progress(
            counts=seen.counts,
            elapsed_s=seen.elapsed_s,
            rate_per_s=self._rate_per_s,
            estimated_end=wall if seen.final else self._end(seen.total - seen.finished, wall),
            failures=failures,
        )

    def _learn(self, finished: int, now: float) -> None:
        """An average of the rate in which older time weighs less; what was finished before the watch does not count."""
        passed, self._last = now - self._last, now
        before, self._finished = self._finished, finished
        if before is None or passed <= 0:
            return
        kept = math.exp(-passed / _MEMORY_S)
        weight = kept * self._weight + (1 - kept)
        newly = max(0, finished - before) / passed
        self._rate_per_s = (kept * self._weight * self._rate_per_s + (1 - kept) * newly) / weight
        self._weight = weight

    def _end(self, left: int, wall: datetime) -> datetime | None:
        if self._rate_per_s <= 0 or left > self._rate_per_s * _FURTHEST.total_seconds():
            return None
        return wall + timedelta(seconds=left / self._rate_per_s)

"""What a campaign is made of: its stages, and how often a failed attempt is repeated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from acomps.campaign.runner.results import Results
    from acomps.entities import Simulation

__all__ = ["PointSource", "RerunPolicy", "Stage", "SweepLike"]

#: Names become parts of tags and of paths of parameters.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,63}")


class SweepLike(Protocol):
    """Points, and how each becomes a simulation: what `acomps.sweep` makes."""

    def points(self) -> Iterator[dict[str, object]]:
        """The parameters of each point, in order."""
        ...

    def simulation(self, point: Mapping[str, object]) -> Simulation:
        """The simulation of a point."""
        ...

    def digest(self) -> str:
        """What tells it from another sweep."""
        ...


#: A stage's next sweep, from what has been found so far; None when there is nothing more to ask.
PointSource: TypeAlias = "Callable[[Results], SweepLike | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A sweep, or a function of the results so far that gives one, asked once for each of up to `rounds` rounds.

    The function is called again when an interrupted campaign goes on, but the points of a round that has begun stay
    those that were planned.
    """

    name: str
    sweep: SweepLike | PointSource
    rounds: int = 1

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"the name of a stage is up to 64 letters, digits, '_', '-', '.' or spaces: {self.name!r}")
        if self.rounds < 1:
            raise UsageError(f"stage {self.name!r} needs at least 1 round, not {self.rounds}")
        if self.rounds > 1 and not callable(self.sweep):
            raise UsageError(
                f"stage {self.name!r} has {self.rounds} rounds, so its sweep must be a function of results"
            )

    @property
    def loop(self) -> str:
        """The name of its loop in the store."""
        return f"{self.name} rounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunPolicy:
    """How often a point is tried in all, and after which errors again: regular expressions found in the message.

    What the gateway refuses to create is not tried again.
    """

    attempts: int = 2
    errors: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise UsageError(f"RerunPolicy.attempts must be at least 1, not {self.attempts}")
        for pattern in self.errors:
            try:
                re.compile(pattern)
            except re.error as exc:
                raise UsageError(f"RerunPolicy.errors has {pattern!r}, which is no regular expression: {exc}") from exc

    def again(self, tried: int, error: str) -> bool:
        """Whether there is another attempt after `tried` ones, the last of which ended with this error."""
        return tried < self.attempts and any(re.search(pattern, error) for pattern in self.errors)

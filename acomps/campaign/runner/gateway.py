"""What the runner asks of a gateway: five verbs and one question, in values of its own.

A gateway that takes jobs one by one, or knows no groups, fits as well: it creates in a loop, has one name for all
groups, and polls the jobs whose end is waited for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Created", "Ended", "Gateway", "Group", "Job", "JobFile", "JobTag", "Order"]

JobTag: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A file that a job finds in its folder."""

    name: str
    content: bytes | Path = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job to be made: its place in its order, and what makes it this one."""

    place: int
    name: str
    tags: Mapping[str, JobTag] = field(default_factory=dict[str, JobTag])
    files: Sequence[JobFile] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Jobs that belong together, such as a round of a stage; the key is theirs alone, and fixed before it is asked."""

    key: str
    name: str
    tags: Mapping[str, JobTag] = field(default_factory=dict[str, JobTag])


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Jobs to be made, read as fast as they are sent; `places` are theirs, in that order.

    The key and the place name a job for ever. With `again`, an order with this key was sent before and its answer is
    not known: what it has made must be found and taken over.
    """

    key: str
    group: str
    places: Sequence[int]
    jobs: Iterable[Job]
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What became of one job of an order: its id, or the reason why the gateway refuses it for good."""

    place: int
    id: str | None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job has come to its end."""

    id: str
    succeeded: bool
    error: str = ""


@runtime_checkable
class Gateway(Protocol):
    """Where jobs run. Any AcompsError ends the run of a campaign, which can go on later; nothing is lost by that."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    async def prepare(self, group: Group, known: str | None) -> str:
        """Make the group, or find it by its key; gives its id. UsageError when the gateway lacks the `known` one."""
        ...

    async def create(self, order: Order, note: Callable[[Created], Awaitable[None]]) -> None:
        """Make the jobs of an order, each exactly once, and tell of each as soon as it is known, in any order."""
        ...

    async def commission(self, group: str, jobs: Collection[str]) -> None:
        """Have these jobs run, and perhaps others of the group; jobs that do already are left alone."""
        ...

    async def states(self, group: str, jobs: Collection[str], note: Callable[[Ended], Awaitable[None]]) -> None:
        """Follow a group until all its jobs are at their end, and tell of each that is.

        `jobs` are those that are waited for, at any time while this goes on. It may tell of others too.
        """
        ...

    async def outputs(self, job: str, paths: Sequence[str]) -> Mapping[str, bytes]:
        """The files that a job has left at these paths; NotFound names one that is not there."""
        ...

    async def cancel(self, group: str, jobs: Collection[str]) -> None:
        """Stop what runs or waits of these jobs, and perhaps of the whole group."""
        ...

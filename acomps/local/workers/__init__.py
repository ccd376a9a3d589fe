"""Who does work items: what a worker is given, what it does, and how its work ends (protocol 10.2 and 11)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from acomps.entities.states import WorkItemState
from acomps.local.environments import Environment

__all__ = ["RELEASE", "Item", "ItemFile", "Outcome", "Worker", "WorkerKey"]

#: The version of all workers that are in use.
RELEASE: Final = "1.0.0.0_RELEASE"


@dataclass(frozen=True, slots=True)
class WorkerKey:
    """A worker is found by its name and its version, both exactly as they are written."""

    name: str
    version: str = RELEASE

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFile:
    """A file that came with a work item; its content is in the content store."""

    name: str
    #: Such as `WorkOrder` or `input`; empty when nobody has said it.
    type: str
    md5: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A work item as its worker sees it. Its files lie in `directory`, its asset collection there in `Assets`."""

    id: str
    name: str
    owner: str
    environment: Environment
    directory: Path
    files: tuple[ItemFile, ...] = ()
    #: The folder that `Assets` leads to; None without an asset collection.
    assets: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where a work item is when its worker is through with it: Succeeded, Failed, or Waiting.

    An item in Waiting is brought back to its worker when all that it depends on has ended.
    """

    state: WorkItemState
    message: str | None = None


class Worker(Protocol):
    """Does the work items of one name and version."""

    @property
    def key(self) -> WorkerKey:
        """What work items call it."""
        ...

    def check(self, item: Item) -> None:
        """Refuse (`Refused`) an item that cannot be done, before it runs. This may block."""
        ...

    async def work(self, item: Item) -> Outcome:
        """Do it, and say how it ended; `Refused` is a failure with its message.

        The call is cancelled when the item is, or when the service stops; then nothing of it may go on. After a crash
        of the service the same item comes again, and what was done already must not be done twice.
        """
        ...

    def forget(self, item_id: str) -> None:
        """The end of the item is on record: what was kept about it beside its directory can go. This may block."""
        ...

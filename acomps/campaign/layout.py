"""What a form of checkpoint must be able to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from acomps.campaign.arrays import StoredArray
    from acomps.campaign.features import PersistentStoreFeatures
    from acomps.campaign.state import State
    from acomps.campaign.times import Times

__all__ = ["Layout"]


class Layout(Protocol):
    """A form of checkpoint; everything blocks.

    A checkpoint becomes the one that counts by renaming the files that `write` left in the folder of drafts into the
    store. Whatever else `write` makes has the generation in its name, so that it disturbs nobody before.
    """

    @property
    def name(self) -> str:
        """What the store is called."""
        ...

    @property
    def features(self) -> PersistentStoreFeatures:
        """What workflows in it can do."""
        ...

    @property
    def arrays(self) -> bool:
        """Whether parameters can hold numeric arrays."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """The files that a store of this form has, by which it is known."""
        ...

    def is_here(self, store: Path) -> bool:
        """Whether the folder has a store of this form."""
        ...

    def write(self, store: Path, drafts: Path, generation: int, state: State, times: Times) -> None:
        """Write the tables: the files into `drafts`, all else beside what is there."""
        ...

    def read(self, store: Path, times: Times) -> State:
        """The tables of the checkpoint that counts."""
        ...

    def read_array(self, store: Path, array: StoredArray) -> bytes:
        """The bytes of an array that a checkpoint has."""
        ...

    def sweep(self, store: Path) -> None:
        """Remove what no checkpoint that counts refers to."""
        ...

"""What workflows in a store can do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PersistentStoreFeatures"]


@dataclass(frozen=True, slots=True)
class PersistentStoreFeatures:
    """Whether jobscripts and runs may be active side by side, schedulers are supported, and it can be submitted at all.

    A store without `submission` is an archive.
    """

    jobscript_parallelism: bool = False
    EAR_parallelism: bool = False
    schedulers: bool = False
    submission: bool = False

"""What becomes of each file of a harvest."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from acomps.entities import Simulation
from acomps.errors import AcompsError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HarvestFailed", "Harvested"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvested:
    """One file of one simulation: in its place `local`, or as `content`; or else the `error` that says why not.

    `fetched` is False for a file that was there already, whole. `path` is the file's on the server; of what is
    missing it is the path or pattern that was asked for, and it is empty when the simulation as a whole has an error.
    """

    simulation: Simulation
    path: str
    local: Path | None = None
    content: bytes | None = field(default=None, repr=False)
    length: int = 0
    md5: uuid.UUID | None = None
    fetched: bool = False
    error: AcompsError | None = None


class HarvestFailed(AcompsError):
    """A strict harvest has fetched what there was; `count` files are missing or failed, `failures` has the first."""

    def __init__(self, failures: Sequence[Harvested], count: int) -> None:
        first = failures[0]
        super().__init__(
            f"{count} of the files that were asked for could not be harvested; the first is "
            f"{first.path or 'all'} of {first.simulation.described}: {first.error}"
        )
        self.failures = tuple(failures)
        self.count = count

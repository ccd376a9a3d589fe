"""How far a harvest is: what its progress events tell, and what a strict one raises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from acomps.comps.harvesting.harvested import Harvested, HarvestFailed
from acomps.events import Harvesting

__all__ = ["Tally"]

#: So many of the failures are kept for the error of a strict harvest.
_FAILURES_KEPT: Final = 100


@dataclass(slots=True)
class Tally:
    """Counts what is handed out."""

    files: int = 0
    bytes: int = 0
    skipped: int = 0
    errors: int = 0
    failures: list[Harvested] = field(default_factory=list[Harvested])

    def count(self, one: Harvested) -> Harvesting:
        """Add one file; what there is so far."""
        if one.error is not None:
            self.errors += 1
            if len(self.failures) < _FAILURES_KEPT:
                self.failures.append(one)
        elif one.fetched:
            self.files += 1
            self.bytes += one.length
        else:
            self.skipped += 1
        return Harvesting(files=self.files, bytes=self.bytes, skipped=self.skipped, errors=self.errors)

    def require_success(self) -> None:
        """Raise HarvestFailed if anything is missing or failed."""
        if self.errors:
            raise HarvestFailed(self.failures, self.errors)

"""What became of a bulk save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from acomps.entities.record import Record
from acomps.errors import AcompsError

__all__ = ["SaveFailed", "SaveFailure", "SaveReport"]

E_co = TypeVar("E_co", bound=Record, covariant=True)


@dataclass(frozen=True, slots=True)
class SaveFailure(Generic[E_co]):
    """One entity that was not saved: its place in the input, the entity as it was given, and why."""

    index: int
    entity: E_co
    error: AcompsError


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveReport(Generic[E_co]):
    """What became of every entity of a `save_all`: `saved` and `failures` are both in the order of the input."""

    saved: tuple[E_co, ...]
    failures: tuple[SaveFailure[E_co], ...] = ()
    requests: int = 0
    bytes_sent: int = 0

    def raise_for_failures(self) -> None:
        """Raise SaveFailed when anything was not saved."""
        if self.failures:
            raise SaveFailed(self) from self.failures[0].error


class SaveFailed(AcompsError):
    """Some entities were not saved; `report` tells which ones were."""

    def __init__(self, report: SaveReport[Record]) -> None:
        failures = report.failures
        super().__init__(
            f"{len(failures)} of {len(failures) + len(report.saved)} were not saved; "
            f"the first is {failures[0].entity.described}: {failures[0].error}"
        )
        self.report = report

"""What became of a bulk save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from acomps.entities.record import Record
from acomps.errors import AcompsError, MissingFiles

if TYPE_CHECKING:
    import uuid

__all__ = [
    "Missing",
    "SaveFailed",
    "SaveFailure",
    "SaveOutcome",
    "SaveReport",
    "SavedEntity",
    "attach_report",
    "report_of",
]

E_co = TypeVar("E_co", bound=Record, covariant=True)


@dataclass(frozen=True, slots=True)
class SavedEntity(Generic[E_co]):
    """One entity that was saved: its place in the input, and the entity as the server has it."""

    index: int
    entity: E_co


@dataclass(frozen=True, slots=True)
class SaveFailure(Generic[E_co]):
    """One entity that was not saved: its place in the input, the entity as it was given, and why."""

    index: int
    entity: E_co
    error: AcompsError


SaveOutcome: TypeAlias = SavedEntity[E_co] | SaveFailure[E_co]

#: What happens to an entity that refers to contents that the server lacks. "upload": they are sent where they are at
#: hand, else the entity is a failure; "error": it is a failure; "return": it is in the report's `missing_files`, and
#: no reason to raise.
Missing: TypeAlias = Literal["upload", "error", "return"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveReport(Generic[E_co]):
    """What became of every entity of a `save_all`: `saved` and `failures` are both in the order of the input.

    `missing_files` are the md5s that the server does not have and nobody could send. `bytes_shared` is what did not
    travel because several entities share a content, or because the server had it.
    """

    saved: tuple[E_co, ...]
    failures: tuple[SaveFailure[E_co], ...] = ()
    requests: int = 0
    bytes_sent: int = 0
    bytes_shared: int = 0
    missing: Missing = "upload"

    @property
    def missing_files(self) -> tuple[uuid.UUID, ...]:
        """The md5s that the server lacks, each once."""
        found = (md5 for one in self.failures if isinstance(one.error, MissingFiles) for md5 in one.error.md5s)
        return tuple(dict.fromkeys(found))

    def raise_for_failures(self) -> None:
        """Raise SaveFailed when anything was not saved, but for what `missing="return"` asked to be told instead."""
        for failure in self.failures:
            if self.missing != "return" or not isinstance(failure.error, MissingFiles):
                raise SaveFailed(self) from failure.error


class SaveFailed(AcompsError):
    """Some entities were not saved; `report` tells which ones were."""

    def __init__(self, report: SaveReport[Record]) -> None:
        failures = report.failures
        first = f"; the first is {failures[0].entity.described}: {failures[0].error}" if failures else ""
        super().__init__(f"{len(failures)} of {len(failures) + len(report.saved)} were not saved{first}")
        self.report = report


def attach_report(exc: BaseException, report: SaveReport[Record]) -> None:
    """Let `report_of` find the report on an exception that ends a save."""
    exc.__dict__["acomps_report"] = report


def report_of(exc: BaseException) -> SaveReport[Record] | None:
    """What a save had confirmed when this exception ended it, cancellation and Ctrl-C included; else None."""
    if isinstance(exc, SaveFailed):
        return exc.report
    found: SaveReport[Record] | None = exc.__dict__.get("acomps_report")
    return found

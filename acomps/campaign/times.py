"""Times in a store: aware UTC values here, UTC texts without a zone in the files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

__all__ = ["TS_FMT", "TS_NAME_FMT", "Times", "utc"]

#: How times are written unless the workflow says otherwise, and how they become part of a name.
TS_FMT: Final = "%Y-%m-%d %H:%M:%S.%f"
TS_NAME_FMT: Final = "%Y-%m-%d_%H%M%S"


def utc(moment: datetime) -> datetime:
    """The aware UTC time; one without a zone is UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Times:
    """Texts <-> times in one format."""

    def __init__(self, ts_fmt: str) -> None:
        self.ts_fmt = ts_fmt

    def text(self, moment: datetime | None) -> str | None:
        """The text of a UTC time."""
        return None if moment is None else moment.strftime(self.ts_fmt)

    def as_text(self, thing: object) -> str:
        """The text of a time with or without a zone; TypeError for anything else."""
        if isinstance(thing, datetime):
            return utc(thing).strftime(self.ts_fmt)
        raise TypeError(f"{type(thing)} is no JSON")

    def moment(self, found: object) -> datetime | None:
        """The time of a text; nothing for nothing."""
        if not found:
            return None
        if isinstance(found, datetime):
            return utc(found)
        if self.ts_fmt == TS_FMT:
            return utc(datetime.fromisoformat(str(found)))
        return utc(datetime.strptime(str(found), self.ts_fmt))

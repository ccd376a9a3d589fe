"""Where the working directories of jobs are, remembered: the files of one job are asked for one after another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Place", "Places"]

#: A job and its working directory.
Place: TypeAlias = "tuple[str, Path]"

#: So many are remembered.
MOST: Final = 10_000


class Places:
    """Working directories of named jobs. They never move; all are forgotten when something is deleted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str], Place] = {}
        self._deletions = 0

    def find(
        self, collection: str, entity_id: str, job_id: str | None, look: Callable[[], Place | None]
    ) -> Place | None:
        """The directory of a job, which `look` finds when it is not known; the newest job may always be another one."""
        known = None if job_id is None else self._known.get((collection, entity_id, job_id))
        if known is not None:
            return known
        before = self._deletions
        found = look()
        with self._lock:
            # What was found before a deletion may be what was deleted.
            if found is not None and self._deletions == before:
                if len(self._known) >= MOST:
                    self._known.clear()
                self._known[(collection, entity_id, found[0])] = found
        return found

    def forget(self) -> None:
        """Something has been deleted, and that is committed."""
        with self._lock:
            self._deletions += 1
            self._known.clear()

"""All workers of a service, by name and version."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acomps.local.workers import Worker, WorkerKey

__all__ = ["Workers"]


class Workers:
    """The workers that there are. A later one takes the place of an earlier one of the same name and version."""

    def __init__(self, workers: Iterable[Worker]) -> None:
        self._workers = {worker.key: worker for worker in workers}

    def get(self, key: WorkerKey) -> Worker | None:
        """The worker of that name and version, or None."""
        return self._workers.get(key)

    def missing(self, key: WorkerKey) -> str:
        """What to tell whoever has asked for a worker that does not exist."""
        known = ", ".join(sorted(str(key) for key in self._workers)) or "none"
        return f"no worker {key} exists here, so the work item waits until it is cancelled; workers: {known}"[:1000]

"""Jobs that are with Slurm, and what the end of one means that its own status does not explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.local.executors import Ending
from acomps.local.executors.slurm.batches import Batch
from acomps.local.executors.slurm.statuses import Began, Ended

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OpenJob", "explained"]

#: Ends by which the cluster says that it, and not the simulation, is the cause.
_LOST_STATES: Final = frozenset({"BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "REVOKED"})


@dataclass(slots=True)
class OpenJob:
    """A job whose end has not been reported."""

    batch: Batch
    index: int
    began: Began | None = None
    ended: Ended | None = None
    canceled: bool = False
    #: So many looks have found its task over, and the number of the one when its cancel was passed on.
    over_for: int = 0
    asked_at: int | None = None

    @property
    def number(self) -> int | None:
        """Of its array. There may be copies of one, when nobody knew whether Slurm had it: it runs in one of them."""
        return self.batch.array_id if self.began is None else self.began.array_id


def explained(job_id: str, job: OpenJob, open_jobs: Mapping[str, OpenJob], state: str, words: str = "") -> Ending:
    """The end of a job; `state` is Slurm's, empty when it has forgotten it, `words` what its log says."""
    at_s = None if job.ended is None else job.ended.at_s
    if job.canceled or state == "CANCELLED":
        return Ending(job_id=job_id, canceled=True, at_s=at_s)
    task = f"{job.number}_{job.index}"
    if job.began is None and any(_has_begun(job.batch, other, open_jobs) for other in job.batch.tasks[job.index]):
        return Ending(job_id=job_id, stopped=True, reason=f"Slurm's task {task} ended before its turn came")
    said = f"; Slurm's log: {words}" if words else ""
    if not state:
        reason = f"Slurm has forgotten its task {task}, which left no exit code{said}"
        return Ending(job_id=job_id, lost=True, reason=reason, at_s=at_s)
    unseen = job.ended is None and state in {"COMPLETED", "FAILED"}
    reason = f"Slurm ended its task {task}: {state}{said}"
    return Ending(job_id=job_id, lost=unseen or state in _LOST_STATES, reason=reason, at_s=at_s)


def _has_begun(batch: Batch, job_id: str, open_jobs: Mapping[str, OpenJob]) -> bool:
    """Whether a job of a batch has begun; one whose end was reported counts as such."""
    return job_id not in batch.open or open_jobs[job_id].began is not None

"""The workloads of the comparison with pyCOMPS, by name, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.workloads.collections import COLLECTION
from benchmarks.workloads.harvest import HARVEST
from benchmarks.workloads.large import DOWNLOAD, UPLOAD, UPLOAD_AGAIN
from benchmarks.workloads.listing import LISTING, LONG_LISTING, STATUS
from benchmarks.workloads.login import LOGIN
from benchmarks.workloads.saving import SAVING

if TYPE_CHECKING:
    from benchmarks.workload import Workload

__all__ = ["WORKLOADS"]

WORKLOADS: Final[dict[str, Workload]] = {
    workload.name: workload
    for workload in (
        LOGIN,
        SAVING,
        LISTING,
        LONG_LISTING,
        STATUS,
        HARVEST,
        UPLOAD,
        UPLOAD_AGAIN,
        DOWNLOAD,
        COLLECTION,
    )
}

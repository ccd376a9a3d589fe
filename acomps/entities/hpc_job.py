"""One attempt to run a simulation on the cluster; the newest is the last of its simulation."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from acomps.entities.configuration import Configuration
from acomps.entities.states import JobState, Priority

__all__ = ["HpcJob"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HpcJob:
    """What the server tells of an attempt; the size of its folder is in bytes, times are in UTC."""

    id: uuid.UUID | None = None
    job_id: int | None = None
    job_state: JobState | None = None
    priority: Priority | None = None
    working_directory: str | None = None
    output_directory_size: int | None = None
    submit_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    error_message: str | None = None
    configuration: Configuration | None = None

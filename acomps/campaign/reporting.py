"""What a store, and a process that only reports to it, say in the same words: how runs and their jobscripts go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from acomps.campaign.documents import dump
from acomps.campaign.settings import SetJobscript, SetRunEnd, SetRunStart
from acomps.campaign.times import utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acomps.campaign.change import Change
    from acomps.campaign.times import Times

__all__ = ["Reporting"]


class Reporting(ABC):
    """The methods of the runs themselves, over whatever makes a change durable."""

    _times: Times

    @abstractmethod
    async def _change(self, change: Change) -> object:
        """Make a change; it is on the disk when this returns, unless it belongs to a batch."""

    async def set_EAR_start(
        self, task_insert_ID: int, element_iteration_idx: int, action_idx: int, run_idx: int
    ) -> None:
        """The run begins now."""
        now = datetime.now(UTC)
        await self._change(SetRunStart(task_insert_ID, element_iteration_idx, action_idx, run_idx, now))

    async def set_EAR_end(
        self,
        task_insert_ID: int,
        element_iteration_idx: int,
        action_idx: int,
        run_idx: int,
        *,
        success: bool | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        """The run has ended now; how, if it is known, and what else is to be noted (exit code, message)."""
        now = datetime.now(UTC)
        noted = dump(dict(more), "what is noted of a run") if more else b""
        await self._change(SetRunEnd(task_insert_ID, element_iteration_idx, action_idx, run_idx, now, success, noted))

    async def set_jobscript_submit_time(self, sub_idx: int, js_idx: int, submit_time: datetime) -> None:
        """When a jobscript was sent; a time without a zone is UTC."""
        text = dump(self._times.text(utc(submit_time)), "a time")
        await self._change(SetJobscript(sub_idx, js_idx, "submit_time", text))

    async def set_jobscript_job_ID(self, sub_idx: int, js_idx: int, job_ID: int | str) -> None:
        """The id that a jobscript got."""
        await self._change(SetJobscript(sub_idx, js_idx, "scheduler_job_ID", dump(job_ID, "a job ID")))

"""Campaigns on CyberGIS-Compute: every job is made of one template, and a point is what its parameters are set to."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from acomps.campaign.runner.gateway import Created, Ended
from acomps.cybergis import JobState
from acomps.errors import Conflict, NotFound, UsageError, ValidationFailed
from acomps.streams import spread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from acomps.campaign.runner.gateway import Group, Order
    from acomps.campaign.runner.gateway import Job as Wanted
    from acomps.cybergis import CyberGISCompute, Job, JobPlan, JobRecord

__all__ = ["CyberGISGateway"]


class CyberGISGateway:
    """A session as a campaign sees it; `plan` has the template, and whatever is the same for all points.

    The parameters of the template that a point names are set to its values; the configuration file that a sweep makes
    stays at home, as templates have files of their own. Outputs need a server that offers the result folder as a zip.
    """

    def __init__(self, cybergis: CyberGISCompute, plan: JobPlan) -> None:
        self._cybergis, self._plan = cybergis, plan
        self._at_once = cybergis.settings.saves_at_once

    @property
    def place(self) -> str:
        """The server."""
        return self._cybergis.server

    async def prepare(self, group: Group, known: str | None) -> str:
        """There are no groups: the key stands for one."""
        return group.key

    async def create(self, order: Order, note: Callable[[Created], Awaitable[None]]) -> None:
        """Jobs that are set and not submitted: they run nothing, so that one that is forgotten does no harm."""

        async def create(wanted: Wanted) -> None:
            made = await self._cybergis.create_job(self._plan.maintainer, self._plan.hpc)
            try:
                await self._set(made, wanted)
            except (UsageError, ValidationFailed) as exc:
                await note(Created(place=wanted.place, id=None, error=str(exc)))
            else:
                await note(Created(place=wanted.place, id=made.id))

        await spread(order.jobs, create, self._at_once)

    async def commission(self, group: str, jobs: Collection[str]) -> None:
        """Submit those that were not."""

        async def submit(job_id: str) -> None:
            job = await self._cybergis.get_job_by_id(job_id)
            if job.record.state is JobState.CREATED:
                try:
                    await job.submit()
                except Conflict:
                    return  # An earlier run of the campaign has submitted it a moment ago.

        await spread(list(jobs), submit, self._at_once)

    async def states(self, group: str, jobs: Collection[str], note: Callable[[Ended], Awaitable[None]]) -> None:
        """Jobs as they end; a server that is away is waited for."""
        told: set[str] = set()
        while waiting := [job for job in jobs if job not in told]:
            async for progress in self._cybergis.watch(waiting):
                for record in progress.ended:
                    told.add(record.id)
                    await note(_ended(record))

    async def outputs(self, job: str, paths: Sequence[str]) -> Mapping[str, bytes]:
        """Files of the result folder."""
        made = await self._cybergis.get_job_by_id(job)
        folder = await anyio.to_thread.run_sync(partial(tempfile.mkdtemp, prefix="acomps-"))
        try:
            await made.download_result_folder(folder)
            return await anyio.to_thread.run_sync(_read, Path(folder), paths, job)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))

    async def cancel(self, group: str, jobs: Collection[str]) -> None:
        """End those that are not over."""

        async def cancel(job_id: str) -> None:
            try:
                await (await self._cybergis.get_job_by_id(job_id)).cancel()
            except Conflict:
                return  # It is over.

        await spread(list(jobs), cancel, self._at_once)

    async def _set(self, made: Job, wanted: Wanted) -> None:
        plan = self._plan
        await made.set(
            executable_folder=plan.executable_folder,
            data_folder=plan.data_folder,
            param={**(plan.param or {}), **wanted.tags},
            env=plan.env,
            slurm=plan.slurm,
        )


def _ended(record: JobRecord) -> Ended:
    # A server that tells no exit code leaves it to the outputs to show that the program has failed.
    succeeded = record.succeeded is not False
    error = "" if succeeded else f"{record.state.value}, exit code {record.exit_code}"
    return Ended(id=record.id, succeeded=succeeded, error=error)


def _read(folder: Path, paths: Sequence[str], job: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in paths:
        file = folder / path
        if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
            raise NotFound(f"job {job} has left no {path}", status=404)
        found[path] = file.read_bytes()
    return found

"""Jobs: making, setting, submitting, reading and cancelling them, and their results (cybergis-compute 3.2 and 4)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import StreamingResponse

from acomps.local.cybergis import schema
from acomps.local.cybergis.calls import CallRefused
from acomps.local.cybergis.documents import Job, job_document
from acomps.local.cybergis.listing_routes import MAINTAINER
from acomps.local.cybergis.parameters import check_depth, check_names, check_parameters
from acomps.local.cybergis.places import template_id
from acomps.local.cybergis.records import events_of, folders_of_jobs, job_of, logs_of
from acomps.local.cybergis.resources import read_resources
from acomps.local.cybergis.results import result_files, zip_bytes
from acomps.local.files.zipping import pack
from acomps.local.routes.answers import ZIP_TYPE
from acomps.local.routes.output_zips import blocks_inside, packed_in_threads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acomps.local.core import Core
    from acomps.local.cybergis.calls import Call, Router
    from acomps.local.cybergis.hub import Hub
    from acomps.local.cybergis.ledger import Ledger
    from acomps.local.cybergis.pool import Pool
    from acomps.local.cybergis.settings import Hpc
    from acomps.local.cybergis.templates import Templates
    from acomps.local.jsons import JSON
    from acomps.local.routing import Route

__all__ = ["JobRoutes"]

#: What a job can be told, and the column in which it is kept.
_COLUMNS: Final = {
    "param": "param",
    "env": "env",
    "slurm": "slurm",
    "localExecutableFolder": "local_executable",
    "localDataFolder": "local_data",
}


class JobRoutes:
    """The handlers of /job. Every one of them knows the caller's own jobs only."""

    def __init__(
        self, core: Core, hub: Hub, ledger: Ledger, pool: Pool, templates: Templates, hpcs: Mapping[str, Hpc]
    ) -> None:
        self._core = core
        self._hub = hub
        self._ledger = ledger
        self._pool = pool
        self._templates = templates
        self._hpcs = hpcs

    def routes(self, router: Router) -> list[Route]:
        """The routes."""
        return [
            router.route("POST", "/job", self.create),
            router.route("GET", "/job/{id}", self.read),
            router.route("PUT", "/job/{id}", self.set),
            router.route("POST", "/job/{id}/submit", self.submit),
            router.route("PUT", "/job/{id}/cancel", self.cancel),
            router.route("PUT", "/job/{id}/pause", self.never),
            router.route("PUT", "/job/{id}/resume", self.never),
            router.route("PUT", "/clean", self.never),
            router.route("GET", "/job/{id}/events", self.events),
            router.route("GET", "/job/{id}/logs", self.logs),
            router.route("GET", "/job/{id}/result-folder-content", self.result_folders),
            router.route("GET", "/job/{id}/result-folder-zip", self.result_zip),
            router.route("GET", "/statistic/job/{id}", self.statistic),
        ]

    async def create(self, call: Call) -> object:
        """A new job, on the resource that was named or on the first one."""
        maintainer, hpc_name = call.text("maintainer"), call.text("hpc") or next(iter(self._hpcs))
        owner = call.owner()
        if maintainer not in {None, MAINTAINER}:
            raise CallRefused(401, "unrecognized maintainer")
        hpc = self._hpcs.get(hpc_name)
        if hpc is None:
            raise CallRefused(401, "unrecognized hpc")
        user = {owner.lower(), self._hub.user_id(owner).lower()}
        if user & {name.lower() for name in hpc.denylist} or (
            hpc.allowlist and not user & {name.lower() for name in hpc.allowlist}
        ):
            raise CallRefused(401, "Not authorized for HPC")
        job = await self._core.job(self._ledger.create, owner, hpc.name, MAINTAINER)
        return job_document(job, self._hub.user_id(owner), events=None, logs=None)

    async def read(self, call: Call) -> object:
        """Everything about a job."""
        owner = call.worker()

        def read(job_id: str) -> dict[str, JSON]:
            with self._core.database.reading() as connection:
                job = _found(job_of(connection, job_id, owner))
                return job_document(
                    job,
                    self._hub.user_id(owner),
                    folders=folders_of_jobs(connection, [job])[job.number],
                    events=events_of(connection, job.number),
                    logs=logs_of(connection, job.number),
                )

        return await self._core.job(read, call.path("id"))

    async def set(self, call: Call) -> object:
        """Replace what is given, each as a whole."""
        owner = call.owner()
        fields = {name: call.object(name) for name in _COLUMNS}
        given: dict[str, JSON] = {_COLUMNS[name]: value for name, value in fields.items() if value is not None}
        if not given:
            raise CallRefused(403, "internal error", ("there is nothing to change",))
        for value in given.values():
            check_depth(value)
        check_names(fields["param"] or {}, fields["env"] or {})
        job = _found(await self._core.job(self._ledger.set, call.path("id"), owner, given))
        return job_document(job, self._hub.user_id(owner))

    async def submit(self, call: Call) -> object:
        """Check a job, and put it into the queue."""
        job = await self._job(call)
        if job.state != schema.CREATED:
            raise _submitted()
        template = await self._templates.get(template_id(job.local_executable))
        hpc = self._hpcs.get(job.hpc)
        if hpc is None:
            raise CallRefused(401, "unrecognized hpc")
        read_resources(job.slurm, hpc.ceilings)
        check_parameters(job.param, template.manifest.param_rules)
        submitted = await self._core.job(self._ledger.submit, job)
        if submitted is None:
            raise _submitted()
        self._pool.wake()
        return job_document(submitted, self._hub.user_id(job.owner))

    async def cancel(self, call: Call) -> object:
        """Have a job end, whether it runs or waits."""
        job = await self._job(call)
        if not await self._core.job(self._ledger.ask_to_cancel, job):
            raise CallRefused(402, "job is not in queue or running jobs")
        self._pool.cancel(job.id)
        return {"messages": ["job successfully added to cancel queue"]}

    async def never(self, _call: Call) -> object:
        """What the real server leaves without an answer."""
        raise CallRefused(405, "this service neither pauses jobs nor cleans up on demand", ())

    async def events(self, call: Call) -> object:
        """What has happened to a job, in its order."""
        job = await self._job(call)

        def read() -> list[object]:
            with self._core.database.reading() as connection:
                return [event.document(job.id) for event in events_of(connection, job.number)]

        return await self._core.job(read)

    async def logs(self, call: Call) -> object:
        """What a job has said."""
        job = await self._job(call)

        def read() -> list[object]:
            with self._core.database.reading() as connection:
                return [log.document(job.id) for log in logs_of(connection, job.number)]

        return await self._core.job(read)

    async def result_folders(self, call: Call) -> object:
        """The folders in the result of a job that has ended."""
        return [*(await self._job(call)).result]

    async def result_zip(self, call: Call) -> object:
        """The whole result of a job that has ended, packed while it is sent."""
        job = await self._job(call)
        path = await self._core.job(self._ledger.result_path, job)
        if job.state != schema.ENDED or path is None:
            raise CallRefused(402, "the job has left no result, or has not ended yet", ())
        result = Path(path)
        files = await self._core.job(result_files, result, self._core.settings.max_zip_bytes)
        packing = pack((name, blocks_inside(result, name, length)) for name, length in files)
        headers = {
            "Content-Length": str(zip_bytes(files)),
            "Content-Disposition": f'attachment; filename="{job.id}.zip"',
        }
        return StreamingResponse(packed_in_threads(self._core, packing), 200, headers, ZIP_TYPE)

    async def statistic(self, call: Call) -> object:
        """For how long a job ran, in milliseconds."""
        job = await self._job(call, 402, "invalid token")
        if job.initialized_at is None or job.finished_at is None:
            return {}
        return {"runtime_in_seconds": {"STATISTIC": str(job.finished_at - job.initialized_at), "HPC": job.hpc}}

    async def _job(self, call: Call, status: int = 401, error: str = "submit without login is not allowed") -> Job:
        """The caller's job."""
        owner = call.owner(status, error)

        def read(job_id: str) -> Job | None:
            with self._core.database.reading() as connection:
                return job_of(connection, job_id, owner)

        return _found(await self._core.job(read, call.path("id")))


def _found(job: Job | None) -> Job:
    """A job; that it belongs to somebody else is not told apart from that there is none."""
    if job is None:
        raise CallRefused(401, "invalid access", ())
    return job


def _submitted() -> CallRefused:
    return CallRefused(401, "job already submitted or in queue", ())

"""One job on a server: set, submit, follow, cancel, and fetch its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.cybergis.following import changes, new_events, new_logs
from acomps.cybergis.line import segment
from acomps.cybergis.plan import folder_document, settings_document
from acomps.cybergis.reading import is_list
from acomps.cybergis.records import JobRecord
from acomps.cybergis.results import fetch_zip, unpacked
from acomps.cybergis.transfers import GlobusTransfer, transferred
from acomps.errors import Conflict, MalformedAnswer, UsageError
from acomps.events import Retrying, ignore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from acomps.cybergis.line import Line
    from acomps.cybergis.plan import FolderReference, Slurm
    from acomps.cybergis.records import JobEvent, JobLog
    from acomps.events import Event, Sink

__all__ = ["Job"]


class Job:
    """A job of a session: `CyberGISCompute.create_job` and `get_job_by_id` make it."""

    def __init__(self, line: Line, record: JobRecord) -> None:
        self._line = line
        #: What the server said of it last.
        self.record = record

    @property
    def id(self) -> str:
        """Its id, a text."""
        return self.record.id

    @property
    def hpc(self) -> str:
        """The HPC that it runs on."""
        return self.record.hpc

    @property
    def maintainer(self) -> str:
        """The maintainer that it belongs to."""
        return self.record.maintainer

    def __repr__(self) -> str:
        return f"Job(id={self.id!r}, hpc={self.hpc!r})"

    async def set(
        self,
        *,
        executable_folder: FolderReference | None = None,
        data_folder: FolderReference | None = None,
        param: Mapping[str, object] | None = None,
        env: Mapping[str, object] | None = None,
        slurm: Slurm | Mapping[str, object] | None = None,
    ) -> JobRecord:
        """Say what it shall run. What is None stays as it is; a mapping replaces the whole one, an empty one too.

        A text as folder is a template's id. Raises UsageError when nothing is given.
        """
        body: dict[str, object] = {}
        if executable_folder is not None:
            body["localExecutableFolder"] = folder_document(executable_folder)
        if data_folder is not None:
            body["localDataFolder"] = folder_document(data_folder)
        if param is not None:
            body["param"] = dict(param)
        if env is not None:
            body["env"] = dict(env)
        if slurm is not None:
            body["slurm"] = settings_document(slurm)
        if not body:
            raise UsageError(f"set of job {self.id}: nothing to set")
        document = await self._line.ask("PUT", self._path, operation=f"set job {self.id}", body=body)
        self.record = JobRecord.read(document)
        return self.record

    async def submit(self) -> Job:
        """Put it into the queue, once, also over a connection that loses answers.

        Raises ValidationFailed for what the server does not accept, Conflict for a job that was submitted before.
        """
        repeats: list[Event] = []
        try:
            document = await self._line.ask(
                "POST", f"{self._path}/submit", operation=f"submit job {self.id}", on_event=repeats.append
            )
        except Conflict:
            # The server takes a job once: an earlier attempt of this very call, whose answer was lost, was it.
            if not any(isinstance(event, Retrying) for event in repeats):
                raise
            await self.status()
        else:
            self.record = JobRecord.read(document)
        return self

    async def status(self) -> JobRecord:
        """What the server knows of it now."""
        self.record = JobRecord.read(await self._line.ask("GET", self._path, operation=f"read job {self.id}"))
        return self.record

    async def cancel(self) -> None:
        """End it. Raises Conflict when it is over already or, on some servers, still in the queue."""
        repeats: list[Event] = []
        try:
            await self._line.ask(
                "PUT", f"{self._path}/cancel", operation=f"cancel job {self.id}", on_event=repeats.append
            )
        except Conflict:
            if not repeats:
                raise

    def events(self, *, basic: bool = False, on_progress: Sink = ignore) -> AsyncGenerator[JobEvent]:
        """Its events as they come, each once, until it is over; with `basic` only the ones that matter to most.

        Servers write many at once and in any order: those that came together are given in their causal order.
        A server that is away is waited for, of which `on_progress` hears.
        """
        return new_events(self._line, self.id, on_progress, basic=basic)

    def logs(self, *, on_progress: Sink = ignore) -> AsyncGenerator[JobLog]:
        """Its logs as they come, each once, until it is over; most servers give them only at the end, and cut them."""
        return new_logs(self._line, self.id, on_progress)

    def changes(self, *, on_progress: Sink = ignore) -> AsyncGenerator[JobRecord]:
        """What the server knows of it, now and whenever that has changed, until it is over."""
        return changes(self._line, self.id, on_progress)

    async def wait(self, *, on_progress: Sink = ignore) -> JobRecord:
        """What the server knows of it once it is over; see `JobRecord.succeeded`."""
        async for record in self.changes(on_progress=on_progress):
            self.record = record
        return self.record

    async def result_folder_content(self) -> tuple[str, ...]:
        """The folders in its result folder, `/` among them, the one for downloading first; empty before the end."""
        operation = f"list the results of job {self.id}"
        document = await self._line.ask("GET", f"{self._path}/result-folder-content", operation=operation)
        if not is_list(document):
            raise MalformedAnswer(f"{operation}: the server sent no list")
        return tuple(str(item) for item in document)

    async def download_result_folder_by_globus(
        self,
        *,
        to_endpoint: str | None = None,
        to_path: str | None = None,
        from_path: str = "/",
        on_progress: Sink = ignore,
    ) -> GlobusTransfer:
        """Have Globus copy its results, by default to the user's own folder at the hub; returns when that is done.

        `from_path` is one of `result_folder_content`. Raises GlobusFailed when the transfer fails.
        """
        record = await self.status()
        if record.remote_result_folder is None:
            raise UsageError(f"job {self.id} has no result folder yet; wait for its end")
        return await transferred(
            self._line,
            record.remote_result_folder.id,
            job_id=self.id,
            to_endpoint=to_endpoint,
            to_path=to_path,
            from_path=from_path,
            name=f"globus_download_{self.id}",
            on_progress=on_progress,
        )

    async def download_result_zip(self, to: Path | str, *, on_progress: Sink = ignore) -> Path:
        """Its result folder as a zip at `to`, where the server offers that (the local service does).

        Raises NotFound on servers that do not: use Globus there.
        """
        return await fetch_zip(self._line, self.id, to, on_progress)

    async def download_result_folder(
        self, into: Path | str, *, below: str = "/", on_progress: Sink = ignore
    ) -> tuple[Path, ...]:
        """The files of its result folder, put into the folder `into`; on the same servers as the zip.

        `below` is one of `result_folder_content`: only its files come, under the same paths.
        """
        return await unpacked(self._line, self.id, into, below, on_progress)

    @property
    def _path(self) -> str:
        return f"job/{segment(self.id)}"

"""Folders on the HPCs: listed, renamed, deleted, and copied away by Globus."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.cybergis.line import segment
from acomps.cybergis.listings import JupyterGlobus
from acomps.cybergis.reading import Fields, is_list
from acomps.cybergis.records import Folder
from acomps.errors import AcompsError, MalformedAnswer, NotFound, UsageError
from acomps.events import ignore
from acomps.transport import Replay
from acomps.transport.patience import Interval, Patience

if TYPE_CHECKING:
    from acomps.cybergis.line import Line
    from acomps.events import Sink

__all__ = ["Folders", "GlobusFailed", "GlobusStatus", "GlobusTransfer", "hub_place", "make_name_safe", "transferred"]

#: So often a transfer may be unknown before it counts as lost.
_UNKNOWN_LOOKS: Final = 3


class GlobusFailed(AcompsError):
    """Globus did not copy the folder."""


class GlobusStatus(enum.Enum):
    """How far Globus is."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "?"

    @classmethod
    def _missing_(cls, value: object) -> GlobusStatus:
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobusTransfer:
    """A copy that Globus has made."""

    task_id: str
    status: GlobusStatus
    folder_id: str
    to_endpoint: str
    to_path: str


class Folders:
    """The user's folders on the HPCs of a server."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def list(self) -> tuple[Folder, ...]:
        """All of them, code, data and results of every job."""
        fields = Fields(await self._line.ask("GET", "folder", operation="list folders"), "list folders")
        return tuple(map(Folder.read, fields.items("folder")))

    async def get(self, folder_id: str) -> Folder:
        """One of them. Raises NotFound for one that is not there, or somebody else's."""
        operation = f"read folder {folder_id}"
        document = await self._line.ask("GET", f"folder/{segment(folder_id)}", operation=operation)
        if not is_list(document):
            raise MalformedAnswer(f"{operation}: the server sent no list")
        if not document:
            raise NotFound(f"{operation}: there is no such folder, or it is somebody else's", status=200)
        return Folder.read(document[0])

    async def rename(self, folder_id: str, name: str) -> Folder:
        """Give one a name."""
        if not name:
            raise UsageError("the name of a folder cannot be empty: the server would not change it")
        path, operation = f"folder/{segment(folder_id)}", f"rename folder {folder_id}"
        return Folder.read(await self._line.ask("PUT", path, operation=operation, body={"name": name}))

    async def delete(self, folder_id: str) -> None:
        """Take one off the list; its files stay on the HPC."""
        await self._line.ask("DELETE", f"folder/{segment(folder_id)}", operation=f"delete folder {folder_id}")

    async def download_by_globus(
        self,
        folder: Folder,
        *,
        to_endpoint: str | None = None,
        to_path: str | None = None,
        from_path: str = "/",
        on_progress: Sink = ignore,
    ) -> GlobusTransfer:
        """Have Globus copy one, by default to the user's own folder at the hub; returns when that is done."""
        name = f"{make_name_safe(folder.name)}_" if folder.name else ""
        return await transferred(
            self._line,
            folder.id,
            job_id=None,
            to_endpoint=to_endpoint,
            to_path=to_path,
            from_path=from_path,
            name=f"{name}globus_download_{folder.id}",
            on_progress=on_progress,
        )


def make_name_safe(text: str) -> str:
    """Only the letters and digits, dots and underscores of a text."""
    return "".join(sign for sign in text if sign.isalnum() or sign in "._")


async def hub_place(line: Line) -> JupyterGlobus:
    """The user's own folder at the hub, as Globus reaches it."""
    return JupyterGlobus.read(await line.ask("GET", "user/jupyter-globus", operation="find the hub's Globus place"))


async def transferred(
    line: Line,
    folder_id: str,
    *,
    job_id: str | None,
    to_endpoint: str | None,
    to_path: str | None,
    from_path: str,
    name: str,
    on_progress: Sink,
) -> GlobusTransfer:
    """Start the copy of a folder and follow it to its end, which also frees the folder for the next one.

    Raises GlobusFailed. The order is sent once: a second one would find the folder locked.
    """
    if to_endpoint is None or to_path is None:
        home = await hub_place(line)
        to_endpoint = to_endpoint or home.endpoint
        to_path = to_path or f"{home.root_path.rstrip('/')}/{name}"
    body = {"toEndpoint": to_endpoint, "toPath": to_path, "fromPath": from_path}
    if job_id is not None:
        body["jobId"] = job_id
    path = f"folder/{segment(folder_id)}/download"
    operation = f"download folder {folder_id} by Globus"
    started = await line.ask("POST", f"{path}/globus-init", operation=operation, replay=Replay.NEVER, body=body)
    task_id = Fields(started, operation).required("globus_task_id")
    status = await _followed(line, f"{path}/globus-status", operation, on_progress)
    if status is not GlobusStatus.SUCCEEDED:
        raise GlobusFailed(f"{operation}: the transfer {task_id} to {to_path} is {status.value}; look at it at Globus")
    return GlobusTransfer(task_id=task_id, status=status, folder_id=folder_id, to_endpoint=to_endpoint, to_path=to_path)


async def _followed(line: Line, path: str, operation: str, on_progress: Sink) -> GlobusStatus:
    settings = line.channel.settings.watch
    interval, patience = Interval(settings), Patience(settings, line.clock, on_progress)
    began, unknown = line.clock.monotonic(), 0
    while True:
        document = await patience.around(lambda: line.ask("GET", path, operation=operation))
        status = GlobusStatus(Fields(document, operation).text("status"))
        unknown = unknown + 1 if status is GlobusStatus.UNKNOWN else 0
        if status not in {GlobusStatus.ACTIVE, GlobusStatus.UNKNOWN} or unknown == _UNKNOWN_LOOKS:
            return status
        elapsed_s = line.clock.monotonic() - began
        await line.clock.sleep(interval.next_s(moved=False, elapsed_s=elapsed_s, took_s=0.0))

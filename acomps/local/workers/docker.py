"""The worker `DockerWorker`: runs the command of a work order in the item's directory (protocol 11)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from acomps.entities.states import SimulationState, WorkItemState
from acomps.local.errors import Refused
from acomps.local.executors import Ending, Task
from acomps.local.jsons import renamed, text
from acomps.local.work import workdirs
from acomps.local.work.endings import SHELL_SIGNAL_BASE, History, judge
from acomps.local.work.ledger import LAST_WORDS_BYTES
from acomps.local.workers import Outcome, WorkerKey
from acomps.local.workers.containers import Engine, find_engine
from acomps.local.workers.orders import part, read_order

if TYPE_CHECKING:
    from acomps.local.files.contents import Contents
    from acomps.local.workers import Item
    from acomps.local.workers.logins import Logins
    from acomps.local.workers.processes import Processes

__all__ = ["DockerWorker"]

_log = logging.getLogger("acomps.local")

_NAMES: Final = {"command": "command", "imagename": "image", "additionalmounts": "mounts"}
#: Modules of the asset collection and of the item's own files can be imported (protocol 10.5).
_PYTHONPATH: Final = "./Assets/:./Assets/site-packages/:."
#: A process has one try: what it has done elsewhere would be done again by a second one.
_ONE_TRY: Final = History(state=SimulationState.RUNNING, retries=0, failed=0, lost=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Execution:
    command: str
    image: str | None
    mounts: tuple[Path, ...]


class DockerWorker:
    """A `Worker`: in the named image where a container engine answers, else on the service's own machine."""

    def __init__(
        self, contents: Contents, processes: Processes, logins: Logins, *, search_path: str, renew_login_s: float
    ) -> None:
        self._contents = contents
        self._processes = processes
        self._logins = logins
        self._search_path = search_path
        self._renew_login_s = renew_login_s

    @property
    def key(self) -> WorkerKey:
        """See `Worker`."""
        return WorkerKey("DockerWorker")

    def check(self, item: Item) -> None:
        """See `Worker`."""
        execution = self._execution(item)
        limits = item.environment.limits
        if execution.image is not None and not limits.allows_image(execution.image):
            allowed = ", ".join(limits.images or ()) or "none"
            raise Refused(
                400,
                f"environment {item.environment.name} does not allow the image {execution.image!r}, only: {allowed}"[
                    :1000
                ],
            )
        if self._engine(execution) is None:
            if not limits.allow_host_workers:
                wanted = f"the image {execution.image!r}" if execution.image else "a command without an ImageName"
                raise Refused(
                    400,
                    f"{wanted} cannot be run: neither podman nor docker answers here, and environment "
                    f"{item.environment.name} does not let commands run on the service's own machine"[:1000],
                )
            return
        for mount in execution.mounts:
            inside = mount.resolve().is_relative_to(item.environment.boundary.resolve())
            if not (inside or limits.allow_host_workers) or ":" in str(mount) or not mount.is_dir():
                raise Refused(400, f"AdditionalMounts: {str(mount)!r} is no folder that may be used here"[:1000])

    async def work(self, item: Item) -> Outcome:
        """See `Worker`."""
        execution = await anyio.to_thread.run_sync(self._execution, item)
        engine = await anyio.to_thread.run_sync(self._engine, execution)
        container = f"acomps-{item.id}"
        ending = Ending(job_id=item.id)
        await anyio.to_thread.run_sync(self._logins.renew, item.id, item.owner)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._stay_logged_in, item)
                ending = await self._processes.run(self._task(item, execution, engine, container))
                group.cancel_scope.cancel()
        finally:
            # The engine's command may be gone while the container goes on.
            if engine is not None and (ending.exit_code is None or ending.exit_code > SHELL_SIGNAL_BASE):
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(engine.remove, container)
        last_words = await anyio.to_thread.run_sync(workdirs.tail, item.directory / "stderr.txt", LAST_WORDS_BYTES)
        verdict = judge(ending, _ONE_TRY, last_words)
        succeeded = verdict.simulation == SimulationState.SUCCEEDED
        return Outcome(state=WorkItemState.SUCCEEDED if succeeded else WorkItemState.FAILED, message=verdict.error)

    def forget(self, item_id: str) -> None:
        """See `Worker`."""
        self._processes.forget(item_id)
        self._logins.forget(item_id)

    def _execution(self, item: Item) -> _Execution:
        given = renamed(part(read_order(item, self._contents, self.key), "Execution"), _NAMES)
        command = text(given.get("command", ""), "Execution.Command of the work order")
        if not command.strip():
            raise Refused(400, "the work order has no Execution.Command")
        mounts = given.get("mounts", [])
        if not isinstance(mounts, list):
            raise Refused(400, "Execution.AdditionalMounts of the work order must be a JSON list")
        image = text(given.get("image", ""), "Execution.ImageName of the work order")
        if image.startswith("-"):
            raise Refused(400, f"{image!r} is not the name of an image"[:400])
        return _Execution(
            command=command,
            image=image or None,
            mounts=tuple(Path(text(mount, "each of AdditionalMounts")).absolute() for mount in mounts),
        )

    def _engine(self, execution: _Execution) -> Engine | None:
        return find_engine(self._search_path) if execution.image else None

    def _task(self, item: Item, execution: _Execution, engine: Engine | None, container: str) -> Task:
        variables = {**self._logins.variables(item.id), "PYTHONPATH": _PYTHONPATH}
        if engine is None or execution.image is None:
            line = ("/bin/sh", "-c", execution.command)
            return Task(job_id=item.id, directory=item.directory, command=line, environment=variables)
        command = engine.command(
            container,
            execution.image,
            execution.command,
            directory=item.directory,
            variables=variables,
            readable=[self._logins.folder(item.id), *([] if item.assets is None else [item.assets])],
            writable=execution.mounts,
        )
        return Task(job_id=item.id, directory=item.directory, command=command)

    async def _stay_logged_in(self, item: Item) -> None:
        """Keep a good token in place for as long as the process runs."""
        while True:
            await anyio.sleep(self._renew_login_s)
            try:
                await anyio.to_thread.run_sync(self._logins.renew, item.id, item.owner)
            except OSError as exc:
                _log.warning("the token of work item %s could not be renewed: %s", item.id, exc)

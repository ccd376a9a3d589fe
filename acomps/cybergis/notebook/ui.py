"""The widgets of a notebook put together: five tabs over one session."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from acomps.cybergis.notebook import widgets
from acomps.cybergis.notebook.folders import FoldersTab
from acomps.cybergis.notebook.form import JobForm
from acomps.cybergis.notebook.jobs import JobsTab
from acomps.cybergis.notebook.results import ResultsTab
from acomps.cybergis.notebook.status import StatusTab
from acomps.cybergis.notebook.work import Work
from acomps.cybergis.plan import GlobusFolder, LocalFolder
from acomps.cybergis.tokens import HubToken
from acomps.cybergis.transfers import make_name_safe
from acomps.errors import AcompsError, NotFound, PermissionDenied, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from acomps.cybergis.gateway import CyberGISCompute
    from acomps.cybergis.job import Job
    from acomps.cybergis.listings import Hpc, Template
    from acomps.cybergis.plan import FolderReference
    from acomps.cybergis.records import Folder, JobRecord

__all__ = ["UI", "show_ui"]

_TITLES: Final = ("Job Configuration", "Your Job Status", "Download Job Result", "Your Jobs", "Past Results")
_STATUS, _RESULTS = 1, 2


class UI:
    """What `show_ui` gives: it shows itself as the last line of a cell, and never blocks the notebook."""

    cybergis: CyberGISCompute
    tabs: widgets.Tabs
    templates: Mapping[str, Template]
    hpcs: Mapping[str, Hpc]
    default_job: str
    default_data_folder: Path
    recent_download: str | None
    form: JobForm

    def __init__(
        self,
        cybergis: CyberGISCompute,
        *,
        default_job: str,
        input_params: Mapping[str, object],
        default_data_folder: Path,
        simple: bool,
    ) -> None:
        self.cybergis = cybergis
        self.default_job, self.default_data_folder = default_job, default_data_folder
        self._input_params, self._simple = input_params, simple
        self.recent_download = None
        self.work = Work(self._failed)
        self.job: Job | None = None
        self.status = StatusTab(self._cancel)
        self.results = ResultsTab(self._download, self._copy)
        self.jobs = JobsTab(self.restore)
        self.folders = FoldersTab(self._copy_folder, self._rename_folder)
        self.message = widgets.text()
        self.host, self.token = widgets.entry("JupyterHub:"), widgets.entry("Token:", hidden=True)
        self.login_button = widgets.button("Log in", self._log_in, main=True)
        self.root = widgets.column([self.message])

    def _ipython_display_(self) -> None:
        widgets.show(self.root)

    async def open(self) -> None:
        """Log in and draw the tabs; without a login, ask for one."""
        try:
            user = await self.cybergis.login()
        except UsageError as exc:
            self.message.value = widgets.note(str(exc), bad=True)
            self.root.children = [self.message, self.host, self.token, self.login_button]
            return
        self.templates = {template.id: template for template in await self.cybergis.list_git()}
        self.hpcs = {hpc.name: hpc for hpc in await self.cybergis.list_hpc()}
        self.form = JobForm(
            self.templates,
            self.hpcs,
            user=user,
            announcements=await self.cybergis.list_announcement(),
            default_job=self.default_job,
            input_params=self._input_params,
            data_folder=self.default_data_folder,
            submit=lambda: self.work.begin(self.submit()),
            submit_new=self.submit_new,
        )
        boxes = (self.form.box, self.status.box, self.results.box, self.jobs.box, self.folders.box)
        self.tabs = widgets.tabs(dict(zip(_TITLES, boxes, strict=True)))
        self.root.children = [widgets.styles(), self.tabs, self.message]
        await self.refresh()

    async def aclose(self) -> None:
        """End what is under way; jobs on the server go on."""
        await self.work.aclose()

    async def refresh(self) -> None:
        """Draw the user's jobs and folders as they are now."""
        self.jobs.refresh(await self.cybergis.list_job())
        self.folders.refresh(await self.cybergis.folders.list())

    async def submit(self) -> None:
        """Submit what is chosen, and follow it to its end."""
        self.form.submitting()
        try:
            job = await self.cybergis.submit(self.form.plan(await self._data_folder()))
        except PermissionDenied as exc:
            self.form.refuse(f"You may not use {self.form.hpc.value}: {exc}")
            return
        except AcompsError as exc:
            self.form.refuse(f"Not submitted: {exc}")
            return
        self.form.submitted(job.id)
        await self.follow(job, self.form.wanted_name)

    def submit_new(self) -> None:
        """Let another job be chosen."""
        self.form.editable()
        self._title(_STATUS, "")
        self._title(_RESULTS, "")

    def restore(self, record: JobRecord) -> None:
        """Choose again what a job had, and show what became of it."""
        try:
            self.form.restore(record)
        except UsageError as exc:
            self._failed(str(exc))
            return
        self.work.begin(self._shown_again(record.id))

    async def follow(self, job: Job, name: str = "") -> None:
        """Show a job as it changes until it is over, then offer its results; with a name its folders get it."""
        self.job = job
        self.status.clear()
        self.results.wait()
        self._title(_STATUS, "⏳")
        self.tabs.selected_index = _STATUS
        async for record in job.changes():
            if self.job is not job:
                return
            job.record = record
            self.status.show(record)
        self._title(_STATUS, "✅" if job.record.succeeded is not False else "❌")
        self.results.show(await job.result_folder_content())
        self._title(_RESULTS, "✅")
        if name:
            await self._name_folders(job.record, make_name_safe(name))
        if self._simple:
            await self._downloaded(job)
        await self.refresh()

    async def _shown_again(self, job_id: str) -> None:
        await self.follow(await self.cybergis.get_job_by_id(job_id))

    async def _data_folder(self) -> FolderReference | None:
        """The chosen folder, as the server can reach it."""
        if not self.form.chosen.require_upload_data:
            return None
        path = self.form.upload.path
        if self.cybergis.on_this_machine:
            return LocalFolder(str(path))
        home = await self.cybergis.get_user_jupyter_globus()
        try:
            inside = PurePosixPath(path.as_posix()).relative_to(home.container_home_path)
        except ValueError:
            raise UsageError(f"choose a folder below {home.container_home_path}: Globus reaches no other") from None
        return GlobusFolder(home.endpoint, str(PurePosixPath(home.root_path, inside)))

    async def _name_folders(self, record: JobRecord, name: str) -> None:
        named = {"executable": record.remote_executable_folder, "result": record.remote_result_folder}
        for kind, folder in named.items():
            if folder is not None:
                await self.cybergis.folders.rename(folder.id, f"{name}_{kind}")

    async def _downloaded(self, job: Job) -> None:
        into = self.default_data_folder / f"results_{job.id}"
        self.results.busy(busy=True)
        try:
            self.results.tell(f"Downloading to {into} ...")
            files = await job.download_result_folder(into, below=self.results.folder.value or "/")
            self.recent_download = str(into)
            self.results.tell(f"{len(files)} files are in {into}")
        except NotFound:
            self.results.tell("This server has no direct download: copy the results by Globus", bad=True)
        except AcompsError as exc:
            self.results.tell(str(exc), bad=True)
        finally:
            self.results.busy(busy=False)

    async def _copied(self, job: Job) -> None:
        self.results.busy(busy=True)
        try:
            self.results.tell("Globus copies the results ...")
            transfer = await job.download_result_folder_by_globus(from_path=self.results.folder.value or "/")
            self.recent_download = transfer.to_path
            self.results.tell(f"The results are in {transfer.to_path}")
        except AcompsError as exc:
            self.results.tell(str(exc), bad=True)
        finally:
            self.results.busy(busy=False)

    async def _folder_copied(self, folder: Folder) -> None:
        self.folders.tell(f"Globus copies folder {folder.id} ...")
        try:
            transfer = await self.cybergis.folders.download_by_globus(folder)
            self.recent_download = transfer.to_path
            self.folders.tell(f"Folder {folder.id} is in {transfer.to_path}")
        except AcompsError as exc:
            self.folders.tell(str(exc), bad=True)

    async def _folder_renamed(self, folder: Folder, name: str) -> None:
        try:
            await self.cybergis.folders.rename(folder.id, name)
        except AcompsError as exc:
            self.folders.tell(str(exc), bad=True)
            return
        self.folders.refresh(await self.cybergis.folders.list())

    async def _cancelled(self, job: Job) -> None:
        try:
            await job.cancel()
            self.status.message.value = widgets.note("The job is being cancelled")
        except AcompsError as exc:
            self.status.message.value = widgets.note(str(exc), bad=True)

    async def _logged_in(self) -> None:
        token, self.token.value = self.token.value, ""
        await self.cybergis.login_with(HubToken(self.host.value, token))
        self.message.value = ""
        await self.open()

    def _log_in(self) -> None:
        self.work.begin(self._logged_in())

    def _cancel(self) -> None:
        if self.job is not None:
            self.work.begin(self._cancelled(self.job))

    def _download(self) -> None:
        if self.job is not None:
            self.work.begin(self._downloaded(self.job))

    def _copy(self) -> None:
        if self.job is not None:
            self.work.begin(self._copied(self.job))

    def _copy_folder(self, folder: Folder) -> None:
        self.work.begin(self._folder_copied(folder))

    def _rename_folder(self, folder: Folder, name: str) -> None:
        self.work.begin(self._folder_renamed(folder, name))

    def _failed(self, message: str) -> None:
        self.message.value = widgets.note(message, bad=True)

    def _title(self, tab: int, mark: str) -> None:
        titles = list(self.tabs.titles)
        titles[tab] = f"{mark} {_TITLES[tab]}".strip()
        self.tabs.titles = titles


async def show_ui(
    cybergis: CyberGISCompute,
    *,
    default_job: str,
    input_params: Mapping[str, object],
    default_data_folder: Path,
    simple: bool,
) -> UI:
    """The widgets over a session; see `CyberGISCompute.show_ui`."""
    ui = UI(
        cybergis,
        default_job=default_job,
        input_params=input_params,
        default_data_folder=default_data_folder,
        simple=simple,
    )
    await ui.open()
    return ui

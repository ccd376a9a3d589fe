"""CyberGIS-Compute: one login to one server, and everything that can be asked of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from acomps.cybergis.access import Access
from acomps.cybergis.dialect import TOKEN_FIELD, CyberGISDialect
from acomps.cybergis.job import Job
from acomps.cybergis.line import Line, segment
from acomps.cybergis.listings import (
    Announcement,
    Container,
    Hpc,
    Info,
    JupyterGlobus,
    JupyterHost,
    Maintainer,
    SlurmUsage,
    Template,
)
from acomps.cybergis.reading import NOTHING, Fields
from acomps.cybergis.records import JobRecord
from acomps.cybergis.tokens import ConsoleTokenPrompt, HubToken, TokenFile
from acomps.cybergis.transfers import Folders, hub_place
from acomps.cybergis.watching import jobs_of_user, submit_all, watch
from acomps.errors import ExtraMissing, NotFound, UsageError
from acomps.events import ignore
from acomps.settings import Settings
from acomps.streams import task_group
from acomps.transport import Address, Channel, Clock, Replay

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from acomps.cybergis.notebook import UI
    from acomps.cybergis.plan import JobPlan
    from acomps.cybergis.reading import JsonObject
    from acomps.cybergis.tokens import TokenPrompt
    from acomps.cybergis.watching import JobsProgress, Submission, Watchable
    from acomps.events import Sink

__all__ = ["CyberGISCompute"]

T = TypeVar("T")

_URL: Final = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>[^/]+?)/*")
_TOKEN_FILE: Final = "cybergis_compute_user.json"  # noqa: S105 - the name of a file


class CyberGISCompute:
    """A session with a CyberGIS-Compute server. Any number of tasks may use it at the same time.

    `token` is what the SDK calls jupyterhubApiToken; or, with `jupyterhub_host` beside it, a token as the hub shows
    it. Nothing is asked for a login before something needs one; listings do not.

        async with CyberGISCompute("localhost", 3030, "HTTP", token=token) as cybergis:
            job = await cybergis.create_job(hpc="local")
            await job.set(executable_folder="hello_world")
            await job.submit()
            async for event in job.events():
                print(event.type, event.message)
    """

    def __init__(
        self,
        url: str = "cgjobsup.cigi.illinois.edu",
        port: int | str | None = 443,
        protocol: str = "HTTPS",
        suffix: str = "v2",
        *,
        token: HubToken | str | None = None,
        jupyterhub_host: str | None = None,
        token_file: Path | str = _TOKEN_FILE,
        prompt: TokenPrompt | None = None,
        settings: Settings | None = None,
        on_event: Sink = ignore,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.settings = settings or Settings()
        self._dialect = CyberGISDialect(suffix)
        clock = Clock()
        address = _address(url, port, protocol)
        self._channel = Channel(address, self.settings, None, on_event, clock=clock, dialect=self._dialect)
        given = HubToken(jupyterhub_host, token) if isinstance(token, str) and jupyterhub_host else token
        access = Access(
            address.root,
            self._dialect,
            self._who,
            TokenFile(Path(token_file)),
            prompt or ConsoleTokenPrompt(),
            given=HubToken.decode(given) if isinstance(given, str) else given,
            hub=jupyterhub_host,
            environ=environ,
        )
        self._access = access
        self._line = Line(self._channel, access, on_event, clock)
        self._latest: Job | None = None
        #: The user's folders on the HPCs.
        self.folders = Folders(self._line)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def open(self) -> Self:
        """Make it ready, for a notebook, where `async with` would end with its cell; then `aclose` ends it."""
        await self._channel.__aenter__()
        return self

    async def aclose(self) -> None:
        """Close every connection; more than once does no harm."""
        await self._channel.aclose()

    def __repr__(self) -> str:
        return f"CyberGISCompute({self.server!r}, user={self.username!r})"

    @property
    def server(self) -> str:
        """The root URL of the server."""
        return self._channel.address.root

    @property
    def on_this_machine(self) -> bool:
        """Whether the server is a local one, which sees the same folders."""
        return self._channel.address.loopback

    @property
    def username(self) -> str | None:
        """The user who is logged in, as name@hub."""
        return self._access.username

    def is_login(self) -> bool:
        """Whether a token is held that the server has accepted."""
        return self._access.token is not None

    async def login(self, *, manual: bool = False, host: str | None = None) -> str:
        """Log in unless that is done; the name of the user.

        Without `token` these are tried in turn: CYBERGIS_COMPUTE_TOKEN (encoded), the SDK's file in the current
        folder, and JUPYTERHUB_API_TOKEN with JUPYTER_INSTANCE_URL. A token that is refused is never held. `manual`
        asks for one whatever there is, and keeps it in the file, readable by its owner only.
        """
        return await (self._access.login_by_prompt(host) if manual else self._access.login())

    async def login_with(self, token: HubToken | str, *, save: bool = False) -> str:
        """Log in with this token (a text is the encoded form); with `save` it is kept in the file."""
        token = HubToken.decode(token) if isinstance(token, str) else token
        return await self._access.login_with(token, save=save)

    async def save_token(self) -> None:
        """Keep the token in the file that the SDK reads too, with mode 0600."""
        await self._access.save()

    def logout(self) -> None:
        """Forget the token; a later call looks for one again."""
        self._access.logout()

    async def request(self, method: str, path: str, body: JsonObject = NOTHING) -> object:
        """The decoded answer of any route, sent once, with the token of the user who is logged in, if one is."""
        anonymous = not self.is_login()
        operation = f"{method} {path}"
        return await self._line.ask(
            method, path, operation=operation, replay=Replay.NEVER, body=body, anonymous=anonymous
        )

    async def create_job(
        self,
        maintainer: str = "community_contribution",
        hpc: str | None = None,
        *,
        hpc_username: str | None = None,
        hpc_password: str | None = None,
    ) -> Job:
        """A new job, which runs nothing before it is set and submitted; by default on the maintainer's own HPC.

        Raises PermissionDenied for an HPC that the user may not use, ValidationFailed for names that do not exist.
        """
        wanted = {"maintainer": maintainer, "hpc": hpc, "user": hpc_username, "password": hpc_password}
        body = {name: value for name, value in wanted.items() if value is not None}
        # A record that is created twice because an answer was lost runs nothing, so it does no harm. A token that
        # nobody knows would make a job that nobody can read: the login comes before it.
        await self._access.current()
        self._latest = Job(
            self._line, JobRecord.read(await self._line.ask("POST", "job", operation="create a job", body=body))
        )
        return self._latest

    async def get_job_by_id(self, job_id: str) -> Job:
        """A job of the user. Raises NotFound."""
        if not job_id:
            raise UsageError("the id of a job is empty")
        operation = f"read job {job_id}"
        return Job(
            self._line, JobRecord.read(await self._line.ask("GET", f"job/{segment(job_id)}", operation=operation))
        )

    def get_latest_created_job(self) -> Job | None:
        """The job that this session created last."""
        return self._latest

    async def list_job(self) -> tuple[JobRecord, ...]:
        """All jobs of the user, oldest first; without their events and logs."""
        return await jobs_of_user(self._line)

    async def list_hpc(self) -> tuple[Hpc, ...]:
        """The HPCs of the server."""
        return await self._listed("hpc", "hpc", Hpc.read)

    async def list_git(self) -> tuple[Template, ...]:
        """The templates that jobs can run; slow on servers that have many."""
        return await self._listed("git", "git", Template.read)

    async def list_container(self) -> tuple[Container, ...]:
        """The containers that templates run in."""
        return await self._listed("container", "container", Container.read)

    async def list_maintainer(self) -> tuple[Maintainer, ...]:
        """The maintainers."""
        return await self._listed("maintainer", "maintainer", Maintainer.read)

    async def list_jupyter_host(self) -> tuple[JupyterHost, ...]:
        """The JupyterHubs whose users may log in."""
        try:
            found = Fields(await self._public("allowlist"), "list the hubs").inner("allowlist")
        except NotFound:  # older servers know the older name only
            found = Fields(await self._public("whitelist"), "list the hubs").inner("whitelist")
        return tuple(JupyterHost(host=host, description=str(comment or "")) for host, comment in found.items())

    async def list_announcement(self) -> tuple[Announcement, ...]:
        """What the operators have to say; nothing where the server has no such route."""
        try:
            fields = Fields(await self._public("announcement"), "list announcements")
        except NotFound:
            return ()
        return tuple(map(Announcement.read, fields.items("announcements")))

    async def list_info(self, *, list_maintainer: bool = False, list_container: bool = False) -> Info:
        """Templates, HPCs, the jobs of who is logged in, and on request maintainers and containers, all at once."""
        templates: list[Template] = []
        hpcs: list[Hpc] = []
        jobs: list[JobRecord] = []
        maintainers: list[Maintainer] = []
        containers: list[Container] = []
        async with task_group() as tasks:
            tasks.start_soon(_gather, self.list_git, templates)
            tasks.start_soon(_gather, self.list_hpc, hpcs)
            if self.is_login():
                tasks.start_soon(_gather, self.list_job, jobs)
            if list_maintainer:
                tasks.start_soon(_gather, self.list_maintainer, maintainers)
            if list_container:
                tasks.start_soon(_gather, self.list_container, containers)
        return Info(
            templates=tuple(templates),
            hpcs=tuple(hpcs),
            jobs=tuple(jobs),
            maintainers=tuple(maintainers),
            containers=tuple(containers),
        )

    async def get_slurm_usage(self) -> SlurmUsage:
        """What the user's jobs have used together."""
        return SlurmUsage.read(await self._line.ask("GET", "user/slurm-usage", operation="read the usage"))

    async def get_user_jupyter_globus(self) -> JupyterGlobus:
        """The user's own folder at the hub, as Globus reaches it."""
        return await hub_place(self._line)

    async def submit(self, plan: JobPlan) -> Job:
        """Create, set and submit one job."""
        (submission,) = await self.submit_all([plan])
        if submission.error is not None:
            raise submission.error
        assert submission.job is not None  # noqa: S101 - for the type checker
        return submission.job

    async def submit_all(
        self,
        jobs: Iterable[Job | JobPlan] | AsyncIterable[Job | JobPlan],
        *,
        at_once: int | None = None,
        on_progress: Sink = ignore,
    ) -> tuple[Submission, ...]:
        """Submit jobs, and create and set those that are only planned; one outcome for each, in their order.

        One that fails does not keep the others. `at_once` is by default `Settings.saves_at_once`.
        """
        if at_once is not None and at_once < 1:
            raise UsageError("at_once must be at least 1")
        at_once = at_once or self.settings.saves_at_once
        await self._access.current()
        return await submit_all(jobs, self._planned, at_once=at_once, on_progress=on_progress)

    def watch(self, jobs: Iterable[Watchable], *, on_progress: Sink = ignore) -> AsyncGenerator[JobsProgress]:
        """How far jobs (or their ids) are whenever that has changed, until all are over.

        Many jobs cost one request per look, the list of the user's jobs, which tells less of those that still run.
        A server that is away is waited for, of which `on_progress` hears.
        """
        return watch(self._line, jobs, on_progress)

    async def show_ui(
        self,
        *,
        default_job: str = "hello_world",
        input_params: Mapping[str, object] | None = None,
        default_data_folder: Path | str = ".",
        simple: bool = False,
        token: HubToken | str | None = None,
    ) -> UI:
        """The widgets of a notebook: let it be the last line of a cell. Needs the extra `notebook`.

        `input_params` are other default values of parameters. `simple` downloads the results of a job by itself.
        """
        try:
            from acomps.cybergis.notebook import show_ui
        except ImportError as exc:
            raise ExtraMissing("show_ui()", "notebook") from exc
        if token is not None:
            await self.login_with(token)
        return await show_ui(
            self,
            default_job=default_job,
            input_params=input_params or {},
            default_data_folder=Path(default_data_folder),
            simple=simple,
        )

    async def _planned(self, plan: JobPlan) -> Job:
        return await self.create_job(plan.maintainer, plan.hpc)

    async def _who(self, token: HubToken) -> str:
        body = {TOKEN_FIELD: token.encoded}
        document = await self._line.ask("GET", "user", operation="log in", body=body, anonymous=True)
        return Fields(document, "log in").required("username")

    async def _public(self, path: str) -> object:
        return await self._line.ask("GET", path, operation=f"list {path}", anonymous=True)

    async def _listed(self, path: str, key: str, read: Callable[[str, object], T]) -> tuple[T, ...]:
        found = Fields(await self._public(path), f"list {path}").inner(key)
        return tuple(read(name, value) for name, value in found.items())


async def _gather(ask: Callable[[], Awaitable[tuple[T, ...]]], into: list[T]) -> None:
    into.extend(await ask())


def _address(url: str, port: int | str | None, protocol: str) -> Address:
    match = _URL.fullmatch(url.strip())
    if match is None:
        raise UsageError(f"{url!r} is no host name: give the host as url, and what follows it as suffix")
    scheme = match["scheme"] or ("http" if protocol.strip().lower() == "http" else "https")
    if protocol.strip().lower() not in {"http", "https"}:
        raise UsageError(f"protocol must be 'HTTP' or 'HTTPS', not {protocol!r}")
    host = match["host"]
    return Address.parse(f"{scheme}://{host}" if ":" in host or port is None else f"{scheme}://{host}:{port}")

"""The application: all rooms of one service, put together."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from acomps.local.accounts.access import Access
from acomps.local.accounts.people import OnlyUser, Users
from acomps.local.accounts.revocations import Revocations
from acomps.local.accounts.users import UsersFile
from acomps.local.chores import chores
from acomps.local.core import Core
from acomps.local.cybergis.opening import open_cybergis
from acomps.local.environments import Environments, local_environment
from acomps.local.executors.environment import simulation_environment
from acomps.local.files.contents import Contents
from acomps.local.files.links import LinkSigner
from acomps.local.gate import Activity, Gate
from acomps.local.keys import login_name, secret
from acomps.local.records import schema
from acomps.local.records.database import Database
from acomps.local.records.ids import Ids
from acomps.local.routes import all_routes
from acomps.local.routing import router
from acomps.local.tokens import Tokens
from acomps.local.work.places import places_of
from acomps.local.work.provisioning import Provisioner
from acomps.local.work.scheduler import Scheduler
from acomps.local.workers.opening import open_dispatcher
from acomps.threads import Threads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from starlette.routing import Router
    from starlette.types import ASGIApp

    from acomps.local.accounts.people import People
    from acomps.local.settings import ServiceSettings
    from acomps.local.workers import Worker

__all__ = ["Service", "create_app"]


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def open_core(settings: ServiceSettings, clock: Callable[[], datetime] = utc_now) -> Core:
    """Open the data folder, which is made when it is not there."""
    folder = settings.data_dir
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("uploads", "running"):
        (folder / name).mkdir(exist_ok=True)
    environments = Environments(settings.environments or (local_environment(folder),))
    for environment in environments.all():
        environment.make_folders()
    key = secret(folder / "signing-key").encode()
    return Core(
        settings=settings,
        clock=clock,
        database=Database(folder / "service.sqlite", schema.metadata),
        contents=Contents(folder / "contents"),
        environments=environments,
        ids=Ids(),
        access=Access(
            _people(settings, environments),
            Tokens(key, lifetime_s=settings.token_lifetime_s, clock=clock),
            Revocations(folder / "revocations.sqlite", clock),
            environments,
        ),
        links=LinkSigner(key, settings.link_lifetime_s),
        threads=Threads(settings.jobs_at_once),
    )


def _people(settings: ServiceSettings, environments: Environments) -> People:
    """The users, if there are any; else the person who starts the service."""
    if settings.users or UsersFile(settings.data_dir).load():
        return Users(settings.data_dir, {user.name.lower(): user for user in settings.users})
    return OnlyUser(login_name(), secret(settings.data_dir / "password"), environments.groups())


def create_app(settings: ServiceSettings, *, clock: Callable[[], datetime] = utc_now) -> ASGIApp:
    """The service as an ASGI application. The data folder is opened at once, simulations run within its lifespan."""
    return Service(settings, clock=clock).app


class Service:
    """One service: its application, and what the one who runs it wants to know about it.

    `url` is where the processes of work items reach it; `workers` do work items beside the service's own workers.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        url: str | None = None,
        workers: Sequence[Worker] = (),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.core = open_core(settings, clock)
        self._activity = Activity()
        variables = simulation_environment()
        self._scheduler = Scheduler(
            self.core,
            places_of(self.core.environments, settings, variables),
            Provisioner(self.core, variables),
        )
        self._dispatcher = open_dispatcher(
            self.core, url or f"http://127.0.0.1:{settings.port}", variables, self._scheduler.wake, workers
        )
        self._cybergis = open_cybergis(self.core, variables)
        self.router = router([*all_routes(self.core, self._wake), *self._cybergis.routes], self._lifespan)
        self.app = Gate(self.router, self.core, self._activity)

    def idle_s(self) -> float:
        """For how many seconds nothing was queued or running and nobody asked anything."""
        idle = self._scheduler.idle and self._dispatcher.idle and self._cybergis.idle
        return self._activity.quiet_s() if idle else 0.0

    def _wake(self) -> None:
        self._scheduler.wake()
        self._dispatcher.wake()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _router: Router) -> AsyncGenerator[None]:
        try:
            async with (
                self._scheduler.running(),
                self._dispatcher.running(),
                self._cybergis.running(),
                chores(self.core),
            ):
                self._scheduler.wake()
                yield
        finally:
            self.core.threads.close()
            self.core.access.close()
            self.core.database.close()
            self.core.contents.close()

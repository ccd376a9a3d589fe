"""The application: all rooms of one service, put together."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from acomps.local.core import Core
from acomps.local.environments import Environments, local_environment
from acomps.local.errors import Refused
from acomps.local.executors.environment import simulation_environment
from acomps.local.executors.process import ProcessExecutor
from acomps.local.files.contents import Contents
from acomps.local.files.links import LinkSigner
from acomps.local.gate import Activity, Gate
from acomps.local.keys import login_name, secret
from acomps.local.records import schema
from acomps.local.records.database import Database
from acomps.local.records.ids import Ids
from acomps.local.routes import all_routes
from acomps.local.tokens import Account, Tokens
from acomps.local.work.provisioning import Provisioner
from acomps.local.work.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from acomps.local.settings import ServiceSettings

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
    environments = Environments((local_environment(folder),))
    key = secret(folder / "signing-key").encode()
    return Core(
        settings=settings,
        clock=clock,
        database=Database(folder / "service.sqlite", schema.metadata),
        contents=Contents(folder / "contents"),
        environments=environments,
        ids=Ids(),
        tokens=Tokens(
            key,
            lifetime_s=settings.token_lifetime_s,
            clock=clock,
            groups=environments.groups(),
            environments=[environment.name for environment in environments.all()],
        ),
        account=Account(login_name(), secret(folder / "password")),
        links=LinkSigner(key, settings.link_lifetime_s),
        limiter=anyio.CapacityLimiter(settings.jobs_at_once),
    )


def create_app(settings: ServiceSettings, *, clock: Callable[[], datetime] = utc_now) -> Starlette:
    """The service as an ASGI application. The data folder is opened at once, simulations run within its lifespan."""
    return Service(settings, clock=clock).app


class Service:
    """One service: its application, and what the one who runs it wants to know about it."""

    def __init__(self, settings: ServiceSettings, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.core = open_core(settings, clock)
        self._activity = Activity()
        environment = simulation_environment()
        self._scheduler = Scheduler(
            self.core,
            ProcessExecutor(
                settings.data_dir / "running",
                cores=settings.cores,
                grace_s=settings.cancel_grace_s,
                environment=environment,
            ),
            Provisioner(self.core, environment["PATH"]),
        )
        self.app = Starlette(
            routes=all_routes(self.core, self._scheduler.wake),
            middleware=[Middleware(Gate, self.core, self._activity)],
            exception_handlers={HTTPException: _refuse},
            lifespan=self._lifespan,
        )

    def idle_s(self) -> float:
        """For how many seconds nothing was queued or running and nobody asked anything."""
        return self._activity.quiet_s() if self._scheduler.idle else 0.0

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        try:
            async with self._scheduler.running():
                self._scheduler.wake()
                yield
        finally:
            self.core.database.close()
            self.core.contents.close()


async def _refuse(request: Request, exc: Exception) -> Response:
    """What the router does not know, in the protocol's shape."""
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    raise Refused(status, f"{request.method} {request.url.path} is not a call of this service"[:500])

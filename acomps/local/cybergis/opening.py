"""The CyberGIS side of one service, put together."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote

from acomps.local.cybergis.calls import Router
from acomps.local.cybergis.hub import Hub
from acomps.local.cybergis.job_routes import JobRoutes
from acomps.local.cybergis.ledger import Ledger
from acomps.local.cybergis.listing_routes import listing_routes
from acomps.local.cybergis.places import Places
from acomps.local.cybergis.pool import Pool
from acomps.local.cybergis.templates import Templates
from acomps.local.cybergis.transfers import Transfers
from acomps.local.cybergis.user_routes import UserRoutes
from acomps.local.executors.options import SlurmOptions
from acomps.local.executors.process import ProcessExecutor
from acomps.local.executors.slurm import SlurmExecutor
from acomps.local.keys import secret

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from acomps.local.core import Core
    from acomps.local.cybergis.settings import Hpc
    from acomps.local.executors import Executor
    from acomps.local.routing import Route

__all__ = ["Cybergis", "open_cybergis"]


class Cybergis:
    """Its routes, and what runs behind them."""

    def __init__(self, pool: Pool, transfers: Transfers, routes: list[Route]) -> None:
        self._pool = pool
        self._transfers = transfers
        self.routes = routes

    @property
    def idle(self) -> bool:
        """True when no job is queued or runs."""
        return self._pool.idle

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """While it is entered, jobs run and folders are copied."""
        async with self._transfers.running(), self._pool.running():
            yield


def open_cybergis(core: Core, variables: Mapping[str, str]) -> Cybergis:
    """The CyberGIS side of a service; its programs see `variables` beside those of their jobs."""
    settings = core.settings.cybergis
    root = core.settings.data_dir / "cybergis"
    root.mkdir(exist_ok=True)
    hpcs = {hpc.name: hpc for hpc in settings.hpcs}
    hub = Hub(settings.hub, core.access)
    templates = Templates(settings.templates, root / "templates", variables)
    # Always the same for this data folder, and no other service's.
    endpoint = str(uuid.uuid5(uuid.NAMESPACE_URL, secret(root / "endpoint")))
    places = Places(root, settings.data_folders, templates, endpoint)
    ledger = Ledger(core.database, core.clock)
    transfers = Transfers(core.database)
    pool = Pool(ledger, templates, places, hpcs, _executors(core, root, hpcs, variables), hub.user_id)
    router = Router(hub)
    routes = [
        *listing_routes(core, router, hub, templates, hpcs, endpoint),
        *JobRoutes(core, hub, ledger, pool, templates, hpcs).routes(router),
        *UserRoutes(core, hub, ledger, places, transfers).routes(router),
        *hub.routes(),
        *router.rest(),
    ]
    return Cybergis(pool, transfers, routes)


def _executors(core: Core, root: Path, hpcs: Mapping[str, Hpc], variables: Mapping[str, str]) -> dict[str, Executor]:
    """An executor for each computing resource; those of this machine share its cores."""
    settings = core.settings
    traces = root / "running"
    traces.mkdir(exist_ok=True)
    processes = ProcessExecutor(traces, cores=settings.cores, grace_s=settings.cancel_grace_s, environment=variables)
    found: dict[str, Executor] = {}
    for name, hpc in hpcs.items():
        found[name] = processes
        if isinstance(hpc.executor, SlurmOptions):
            folder = settings.data_dir / hpc.executor.job_folder / "cybergis" / quote(name, safe="")
            found[name] = SlurmExecutor(folder, hpc.executor, grace_s=settings.cancel_grace_s, environment=variables)
    return found

"""The workers of one service, put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from acomps.local.errors import Refused
from acomps.local.executors.process import ProcessExecutor
from acomps.local.workers.builder import Builder
from acomps.local.workers.dispatcher import AT_ONCE, Dispatcher
from acomps.local.workers.docker import DockerWorker
from acomps.local.workers.logins import Logins
from acomps.local.workers.processes import Processes
from acomps.local.workers.registry import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from acomps.local.core import Core
    from acomps.local.workers import Worker

__all__ = ["open_dispatcher"]


def open_dispatcher(
    core: Core, url: str, variables: Mapping[str, str], wake: Callable[[], None], more: Iterable[Worker] = ()
) -> Dispatcher:
    """The dispatcher with the service's own workers and `more`.

    `url` is where processes of this machine reach the service, `variables` are their environment, and `wake` tells
    the scheduler that there may be simulations to run.
    """
    settings = core.settings
    traces = settings.data_dir / "working"
    traces.mkdir(exist_ok=True)
    processes = Processes(
        ProcessExecutor(traces, cores=AT_ONCE, grace_s=settings.cancel_grace_s, environment=variables)
    )
    docker = DockerWorker(
        core.contents,
        processes,
        Logins(settings.data_dir / "logins", url, partial(_token, core)),
        search_path=variables["PATH"],
        # Clients look for another token when theirs has expired: by then there has been another one for a while.
        renew_login_s=settings.token_lifetime_s / 4,
    )
    return Dispatcher(core, Workers([docker, Builder(core, wake), *more]), processes)


def _token(core: Core, owner: str) -> str:
    try:
        return core.access.token(owner, kind="System")
    except LookupError as exc:
        raise Refused(403, f"{owner}, who owns the work item, is no user of this service any more") from exc

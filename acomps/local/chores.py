"""What the service does by itself while it runs: noticing new users, and clearing away."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from acomps.local.records.sweeping import sweep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from acomps.local.core import Core

__all__ = ["chores"]

_log = logging.getLogger("acomps.local")

#: Users that were added, changed or removed count after at most so long.
LOOK_FOR_USERS_EVERY_S: Final = 1.0


@contextlib.asynccontextmanager
async def chores(core: Core) -> AsyncGenerator[None]:
    """Do them while this is entered; the first sweep comes after a while, so that starting is quick."""
    async with anyio.create_task_group() as group:
        group.start_soon(_look_for_users, core)
        group.start_soon(_sweep, core)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


async def _look_for_users(core: Core) -> None:
    while core.access.people.can_change:
        await anyio.sleep(LOOK_FOR_USERS_EVERY_S)
        await core.access.people.refresh()


async def _sweep(core: Core) -> None:
    thread = anyio.CapacityLimiter(1)
    while True:
        await anyio.sleep(core.settings.sweep_every_s)
        try:
            await anyio.to_thread.run_sync(sweep, core, limiter=thread)
        except Exception:
            _log.exception("clearing away failed and is tried again later")

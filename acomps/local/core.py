"""What every room of the service needs, in one value that is passed around."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar, TypeVarTuple

import anyio

from acomps.local.accounts.access import Access
from acomps.local.environments import Environments
from acomps.local.files.contents import Contents
from acomps.local.files.links import LinkSigner
from acomps.local.records.database import Database
from acomps.local.records.ids import Ids
from acomps.local.records.places import Places
from acomps.local.settings import ServiceSettings
from acomps.local.traffic import Traffic
from acomps.wire.dates import format_time

__all__ = ["Core"]

T = TypeVar("T")
Args = TypeVarTuple("Args")


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Settings, stores and signers of one service."""

    settings: ServiceSettings
    clock: Callable[[], datetime]
    database: Database
    contents: Contents
    environments: Environments
    ids: Ids
    access: Access
    links: LinkSigner
    #: What blocks runs here, so many jobs at the same time; the others wait in line.
    threads: ThreadPoolExecutor
    places: Places = field(default_factory=Places)
    traffic: Traffic = field(default_factory=Traffic)

    async def job(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Run blocking work of a request in a thread, as one job; whoever waits for it is cancelled after it."""
        # A pool that lives as long as the service: half of what anyio's threads and their limiter cost per job.
        job = asyncio.get_running_loop().run_in_executor(self.threads, work, *args)
        with anyio.CancelScope(shield=True):
            return await job
        raise RuntimeError("nobody can cancel this scope")

    def now(self) -> str:
        """This moment in the wire's form."""
        return format_time(self.clock())

"""What every room of the service needs, in one value that is passed around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar, TypeVarTuple

import anyio.to_thread

from acomps.local.accounts.access import Access
from acomps.local.environments import Environments
from acomps.local.files.contents import Contents
from acomps.local.files.links import LinkSigner
from acomps.local.records.database import Database
from acomps.local.records.ids import Ids
from acomps.local.records.places import Places
from acomps.local.settings import ServiceSettings
from acomps.local.traffic import Traffic
from acomps.threads import Threads
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
    threads: Threads
    places: Places = field(default_factory=Places)
    traffic: Traffic = field(default_factory=Traffic)

    async def job(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Run blocking work of a request in a thread; whoever waits for it is cancelled after it."""
        return await self.threads.run(work, *args)

    async def bulk(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """The same for work on megabytes: while bytes are moved or hashed a thread needs no turn, so several get on."""
        return await anyio.to_thread.run_sync(work, *args)

    def now(self) -> str:
        """This moment in the wire's form."""
        return format_time(self.clock())

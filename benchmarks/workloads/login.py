"""Logging in: one token for a user name and a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.workload import Job, Workload

if TYPE_CHECKING:
    import acomps

__all__ = ["LOGIN"]


async def login(session: acomps.Session, _job: Job) -> None:
    """Ask for something small; the token that this needs is not there yet."""
    await session.environments.list()


LOGIN: Final = Workload(name="login", title="login", count=1, quick=1, ways={"acomps": login})

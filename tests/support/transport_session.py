"""A channel to a scripted server, with time that passes only when something sleeps."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from blockbuster import blockbuster_ctx

from acomps.events import Event, ignore
from acomps.settings import Settings
from acomps.transport import Address, Channel, Clock, CredentialPrompt, Credentials, GivenCredentials
from support.transport_server import PASSWORD, ScriptedServer

__all__ = ["GIVEN", "FakeTime", "Transport", "on_transport", "opened"]

Transport: TypeAlias = Literal["auto", "lanes"]

_chosen: Transport = "auto"

GIVEN = GivenCredentials(Credentials("jdoe", PASSWORD))


class FakeTime:
    """Both clocks, moved by `sleep` and `advance` only; the jitter is a constant."""

    def __init__(self, jitter: float = 1.0) -> None:
        self.passed = 0.0
        self.slept: list[float] = []
        self.start = datetime(2031, 1, 1, tzinfo=UTC)
        self.clock = Clock(monotonic=self.monotonic, wall=self.wall, sleep=self.sleep, jitter=lambda: jitter)

    def monotonic(self) -> float:
        return 1_000.0 + self.passed

    def wall(self) -> datetime:
        return self.start + timedelta(seconds=self.passed)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds

    def advance(self, **duration: float) -> None:
        self.passed += timedelta(**duration).total_seconds()


@contextmanager
def on_transport(name: Transport) -> Generator[None]:
    """Channels that are opened meanwhile use this one; "auto" is lean, except through a proxy."""
    global _chosen
    before, _chosen = _chosen, name
    try:
        yield
    finally:
        _chosen = before


@asynccontextmanager
async def opened(
    server: ScriptedServer | str,
    folder: Path,
    *,
    settings: Settings | None = None,
    prompt: CredentialPrompt = GIVEN,
    time: FakeTime | None = None,
    sink: Callable[[Event], None] = ignore,
    username: str | None = None,
) -> AsyncGenerator[Channel]:
    """An open channel whose token cache is in `folder`; blocking calls of acomps in the loop are errors."""
    address = Address.parse(server if isinstance(server, str) else server.url)
    settings = replace(settings or Settings(), token_cache_dir=folder, transport=_chosen)
    clock = (time or FakeTime()).clock
    with blockbuster_ctx("acomps"):
        async with Channel(address, settings, prompt, sink, username=username, clock=clock) as channel:
            yield channel

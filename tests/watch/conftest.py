"""Watches through a fault proxy, with a clock that never waits and counts the requests between two looks."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import anyio
import anyio.lowlevel
import pytest
import pytest_asyncio
from support.fault_proxy import PASS, Fault, FaultProxy, Request, answered, fault_proxy
from support.faults import QUICK
from support.runs import script, shell_experiment

import acomps
from acomps.comps.child import Service
from acomps.comps.resource import Resource
from acomps.comps.watch import Watch
from acomps.transport import Address, Channel, Clock, Credentials, GivenCredentials
from acomps.wire import spelling

MANY = 10_000


@dataclass
class Looks:
    """A watch whose time passes only by its own waits."""

    proxy: FaultProxy
    now_s: float = 0.0
    waits_s: list[float] = field(default_factory=list[float])
    #: How long the ledger of the proxy was at each wait.
    marks: list[int] = field(default_factory=list[int])

    async def sleep(self, seconds: float) -> None:
        """Let the time pass, and others run."""
        self.waits_s.append(seconds)
        self.marks.append(len(self.proxy.ledger))
        self.now_s += seconds
        await anyio.lowlevel.checkpoint()

    def clock(self) -> Clock:
        """The clock of this watch."""
        began = datetime(2026, 1, 1, tzinfo=UTC)
        return Clock(monotonic=lambda: self.now_s, wall=lambda: began + timedelta(seconds=self.now_s), sleep=self.sleep)

    def requests(self) -> list[int]:
        """How many requests each look made, the current one included."""
        marks = [*self.marks, len(self.proxy.ledger)]
        return [after - before for before, after in itertools.pairwise(marks)]


def without_statistics(request: Request) -> Fault:
    """A server that does not know statistics."""
    return answered(400) if "statsoperations" in request.target else PASS


class Watching(Protocol):
    """Makes watches."""

    def __call__(
        self, script: Callable[[Request], Fault] | None = None, **changes: object
    ) -> AbstractAsyncContextManager[tuple[Looks, Watch]]:
        """A watch through a proxy with this script; `changes` are settings."""
        ...


@pytest.fixture(scope="session")
def watching(service: Service, settings: acomps.Settings) -> Watching:
    """Makes watches; `changes` are settings."""

    @asynccontextmanager
    async def make(
        script: Callable[[Request], Fault] | None = None, **changes: object
    ) -> AsyncGenerator[tuple[Looks, Watch]]:
        quick = dataclasses.replace(settings, retry=QUICK, **changes)  # type: ignore[arg-type]  # names of settings
        prompt = GivenCredentials(Credentials(service.username, service.password))
        async with fault_proxy(service.url) as proxy, Channel(Address.parse(proxy.url), quick, prompt) as channel:
            await channel.token()
            proxy.script = script or proxy.script
            looks = Looks(proxy, marks=[len(proxy.ledger)])
            simulations = Resource(channel, quick, acomps.Simulation, spelling.SIMULATION)
            work_items = Resource(channel, quick, acomps.WorkItem, spelling.WORK_ITEM)
            yield looks, Watch(channel, quick, simulations, work_items, looks.clock())

    return make


@pytest_asyncio.fixture(scope="session")
async def many(comps: acomps.Session) -> acomps.Experiment:
    """An experiment of many simulations that are only created."""
    experiment = await comps.experiments.save(acomps.Experiment(name="many"))
    report = await comps.simulations.save_all(
        (acomps.Simulation(name=f"{number}", experiment_id=experiment.id) for number in range(MANY)), keys=False
    )
    report.raise_for_failures()
    return experiment


@pytest_asyncio.fixture(scope="session")
async def mixed(comps: acomps.Session) -> acomps.Experiment:
    """An experiment of 60 simulations that have ended, of which 20 failed, each with its number on stderr."""
    experiment = await shell_experiment(comps, "mixed")
    lines = ("true", "true", "echo broken {} >&2; exit 3")
    report = await comps.simulations.save_all(
        script(experiment, lines[number % 3].format(number), number=number) for number in range(60)
    )
    report.raise_for_failures()
    await comps.experiments.commission(experiment)
    with anyio.fail_after(60):
        assert (await comps.wait(experiment)).final
    return experiment

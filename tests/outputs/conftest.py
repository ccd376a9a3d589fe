"""What tests of outputs share: a simulation that has left files, and sessions through a fault proxy."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from support.fault_proxy import PASS, Fault, FaultProxy, Request
from support.faults import through_faults
from support.runs import ended, script, shell_experiment

import acomps
from acomps.comps.child import Service

MIB = 1024 * 1024
LARGE = 9 * MIB + 123
SMALL = 20_000

PROGRAM = f"""mkdir -p output/deep
head -c {SMALL} /dev/urandom > output/small.bin
head -c {LARGE} /dev/urandom > output/large.bin
head -c {3 * MIB} /dev/urandom > output/middle.bin
: > output/empty
printf 0123456789 > output/ten.txt
printf '1,2' > output/a.csv; printf '3,4' > output/deep/b.csv; printf '{{}}' > output/deep/c.json
echo out
"""


@dataclass(frozen=True)
class Finished:
    """A simulation that has ended, and where its files lie on the disk of the service."""

    simulation: acomps.Simulation
    folder: Path

    def content(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()


async def finished_simulation(comps: acomps.Session, lines: str) -> Finished:
    """A simulation that has run these lines."""
    experiment = await shell_experiment(comps, "outputs")
    simulation = await comps.simulations.save(script(experiment, lines))
    await comps.experiments.commission(experiment)
    assert await ended(comps, experiment) == {acomps.SimulationState.SUCCEEDED: 1}
    simulation = await comps.simulations.get(simulation, acomps.Query().children("hpc_jobs"))
    return Finished(simulation, Path(str(simulation.hpc_jobs[-1].working_directory)))


@pytest_asyncio.fixture(scope="session")
async def finished(comps: acomps.Session) -> Finished:
    """A simulation whose files nobody changes."""
    return await finished_simulation(comps, PROGRAM)


@pytest.fixture
def ranged(settings: acomps.Settings) -> acomps.Settings:
    """Settings by which a file of a few MiB is fetched in several ranges."""
    return dataclasses.replace(settings, range_from_bytes=4 * MIB, range_bytes=1 * MIB)


@pytest_asyncio.fixture
async def faulty(service: Service, ranged: acomps.Settings) -> AsyncGenerator[tuple[FaultProxy, acomps.Session]]:
    """A session through a proxy whose ledger is empty."""
    async with through_faults(service, ranged) as (proxy, comps):
        proxy.ledger.clear()
        yield proxy, comps


def fetches(proxy: FaultProxy, name: str) -> list[Request]:
    """The requests for the bytes of a file."""
    return [request for request in proxy.seen("GET", "/asset/") if name in request.target]


def left_in(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def always(fault: Fault, part: str = "/asset/outputs/") -> Callable[[Request], Fault]:
    """Every request for a file has the fault."""
    return lambda request: fault if part in request.target else PASS

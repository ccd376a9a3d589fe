"""Sessions through a fault proxy, and what the service's own database says afterwards."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import acomps
from acomps.comps.child import Service
from support.fault_proxy import FaultProxy, fault_proxy

#: Waits that are long enough to be waits, and short enough for a test.
QUICK = acomps.RetrySettings(first_wait_s=0.01, longest_wait_s=0.05, budget_reserve=1_000)


@asynccontextmanager
async def through_faults(
    service: Service, settings: acomps.Settings, **changes: object
) -> AsyncGenerator[tuple[FaultProxy, acomps.Session]]:
    """A session with the service through a proxy; it is logged in before the first fault."""
    async with fault_proxy(service.url) as proxy:
        quick = dataclasses.replace(settings, retry=QUICK, **changes)  # type: ignore[arg-type]  # names of settings
        async with acomps.connect(
            proxy.url, username=service.username, password=service.password, settings=quick
        ) as comps:
            yield proxy, comps


def small_simulations(experiment: acomps.Experiment, count: int, *, size: int = 0) -> Iterator[acomps.Simulation]:
    """Simulations with a configuration of their own of at least `size` bytes."""
    for number in range(count):
        content = b'{"number": %d, "experiment": "%s"}' % (number, str(experiment.id).encode())
        yield acomps.Simulation(
            name=f"{number}",
            experiment_id=experiment.id,
            tags={"number": number},
            files=(acomps.SimulationFile(file_name="config.json", content=content.ljust(size)),),
        )


def rows_of(folder: Path, experiment: acomps.Experiment) -> list[tuple[str, str]]:
    """Name and key of every simulation of the experiment that is not deleted, straight from the database."""
    database = folder / "service.sqlite"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(
            "SELECT s.name, t.value FROM simulations s LEFT JOIN tags t ON t.entity_id = s.id AND t.key = 'acomps_key' "
            "WHERE s.experiment_id = ? AND s.removed_at IS NULL",
            [str(experiment.id)],
        ).fetchall()


def assert_exactly_once(folder: Path, experiment: acomps.Experiment, count: int) -> None:
    """Every simulation is there, and none of them twice."""
    rows = rows_of(folder, experiment)
    assert sorted(int(name) for name, _ in rows) == list(range(count))
    assert len({key for _, key in rows}) == count

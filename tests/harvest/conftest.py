"""An experiment that has run, for harvests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from support.runs import ended, script, shell_experiment

import acomps
from acomps.comps.harvesting import Harvested

COUNT = 24
WRITES = """mkdir -p output/deep
echo "number {number}" > output/a.json
head -c 3000 /dev/zero > output/deep/b.bin
"""


@dataclass(frozen=True)
class Swept:
    """An experiment, and its simulations in the order of their numbers."""

    experiment: acomps.Experiment
    simulations: tuple[acomps.Simulation, ...]


async def all_of(files: AsyncIterator[Harvested]) -> list[Harvested]:
    """A harvest to its end."""
    return [file async for file in files]


def fetched(files: Iterable[Harvested]) -> list[Harvested]:
    """What came from the server."""
    return [file for file in files if file.fetched]


def errors(files: Iterable[Harvested]) -> list[str]:
    """The errors as texts."""
    return [str(file.error) for file in files if file.error is not None]


def names_in(folder: Path) -> set[str]:
    """All files in a folder, but the manifest."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"harvest.jsonl"}


async def run(comps: acomps.Session, name: str, *scripts: str) -> Swept:
    """An experiment of these scripts, which have all succeeded."""
    experiment = await shell_experiment(comps, name)
    report = await comps.simulations.save_all(
        [script(experiment, lines, Run_Number=number, Rate=number / 4) for number, lines in enumerate(scripts)]
    )
    report.raise_for_failures()
    await comps.experiments.commission(experiment)
    assert await ended(comps, experiment) == {acomps.SimulationState.SUCCEEDED: len(scripts)}
    return Swept(experiment, report.saved)


@pytest_asyncio.fixture(scope="session")
async def swept(comps: acomps.Session) -> Swept:
    """Simulations with a small and a larger file each."""
    return await run(comps, "swept", *(WRITES.format(number=number) for number in range(COUNT)))

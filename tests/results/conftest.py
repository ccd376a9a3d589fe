"""Simulations with the real output of the shipped SEIR model."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from acomps.entities import Simulation
from acomps.errors import AcompsError
from acomps.local.models import seir

#: Simulations with the paths of their charts.
Pairs: TypeAlias = list[tuple[Simulation, Path]]

INFECTIVITIES = (0.3, 0.6, 1.2)
SEEDS = range(1, 5)
DAYS = 40


@dataclass(frozen=True)
class Harvested:
    """What a harvest gives for one file."""

    simulation: Simulation
    path: str
    local: Path | None = None
    content: bytes | None = None
    error: AcompsError | None = None


def simulated(folder: Path, infectivity: float, seed: int, days: int = DAYS) -> tuple[Simulation, Path]:
    """One simulation that has run; the server gives all tags back as texts."""
    folder.mkdir(parents=True)
    config = folder / "config.json"
    parameters = {
        "Base_Infectivity_Constant": infectivity,
        "Run_Number": seed,
        "Simulation_Duration": days,
        "Initial_Population": 500,
    }
    config.write_text(json.dumps({"parameters": parameters}))
    seir.run(config, folder)
    tags = {"Base_Infectivity_Constant": str(infectivity), "Run_Number": str(seed), "acomps_key": f"x.0.{seed}"}
    return Simulation(id=uuid.uuid4(), name=folder.name, tags=tags), folder / "output" / "InsetChart.json"


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """A small sweep that has run."""
    folder = tmp_path_factory.mktemp("sweep")
    return [
        simulated(folder / f"{infectivity}-{seed}", infectivity, seed)
        for infectivity in INFECTIVITIES
        for seed in SEEDS
    ]

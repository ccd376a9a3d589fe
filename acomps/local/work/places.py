"""Where the simulations of each environment run: its executor, and how many at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from acomps.local.executors import Executor
from acomps.local.executors.options import ProcessOptions
from acomps.local.executors.process import ProcessExecutor
from acomps.local.executors.slurm import SlurmExecutor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acomps.local.environments import Environments
    from acomps.local.settings import ServiceSettings

__all__ = ["Place", "place_of", "places_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What runs simulations, and how many of this environment; None is as many as there is room for."""

    executor: Executor
    most: int | None = None


def place_of(environment_name: str) -> str:
    """The name of an environment's place on record."""
    return environment_name.lower()


def places_of(environments: Environments, settings: ServiceSettings, variables: Mapping[str, str]) -> dict[str, Place]:
    """The places of all environments; simulations see `variables`. All processes share the cores of the one machine."""
    processes = ProcessExecutor(
        settings.data_dir / "running",
        cores=settings.cores,
        grace_s=settings.cancel_grace_s,
        environment=variables,
    )
    places: dict[str, Place] = {}
    for environment in environments.all():
        options, name = environment.executor, place_of(environment.name)
        executor: Executor = processes
        if not isinstance(options, ProcessOptions):
            folder = settings.data_dir / options.job_folder / quote(name, safe="")
            executor = SlurmExecutor(folder, options, grace_s=settings.cancel_grace_s, environment=variables)
        places[name] = Place(executor=executor, most=environment.limits.max_simulations)
    return places

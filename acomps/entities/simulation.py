"""A simulation: one run of a model, with its own files and tags."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from acomps.entities.checks import as_uuid, put
from acomps.entities.configuration import Configuration
from acomps.entities.files import SimulationFile
from acomps.entities.hpc_job import HpcJob
from acomps.entities.record import NamedRecord
from acomps.entities.states import SimulationState

__all__ = ["Simulation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation(NamedRecord):
    """One run of a model. `state`, `error_message` and `hpc_jobs` (oldest first) are the server's."""

    experiment_id: uuid.UUID | None = None
    state: SimulationState | None = None
    error_message: str | None = None
    configuration: Configuration | None = None
    files: tuple[SimulationFile, ...] = ()
    hpc_jobs: tuple[HpcJob, ...] = ()

    def __post_init__(self) -> None:
        NamedRecord.__post_init__(self)
        if self.experiment_id is not None and not isinstance(self.experiment_id, uuid.UUID):
            put(self, "experiment_id", as_uuid(self.experiment_id, "experiment_id"))
        if type(self.files) is not tuple:
            put(self, "files", tuple(self.files))

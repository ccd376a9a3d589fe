"""How a simulation is run; suites, experiments and simulations may each say a part of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from acomps.entities.checks import as_uuid, put
from acomps.entities.states import Priority
from acomps.errors import UsageError

__all__ = ["Configuration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What is None is inherited: a simulation overrides its experiment, which overrides its suite."""

    environment_name: str | None = None
    simulation_input_args: str | None = None
    working_directory_root: str | None = None
    executable_path: str | None = None
    node_group_name: str | None = None
    maximum_number_of_retries: int | None = None
    priority: Priority | None = None
    min_cores: int | None = None
    max_cores: int | None = None
    exclusive: bool | None = None
    asset_collection_id: uuid.UUID | None = None

    def __post_init__(self) -> None:
        if self.asset_collection_id is not None:
            put(self, "asset_collection_id", as_uuid(self.asset_collection_id, "asset_collection_id"))
        if self.maximum_number_of_retries is not None and self.maximum_number_of_retries < 0:
            raise UsageError("maximum_number_of_retries cannot be negative")
        for name in ("min_cores", "max_cores"):
            cores = getattr(self, name)
            if cores is not None and cores < 1:
                raise UsageError(f"{name} must be at least 1")
        if self.min_cores is not None and self.max_cores is not None and self.min_cores > self.max_cores:
            raise UsageError(f"min_cores ({self.min_cores}) is more than max_cores ({self.max_cores})")

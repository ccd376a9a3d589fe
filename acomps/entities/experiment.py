"""An experiment: simulations that belong together and are commissioned together."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from acomps.entities.checks import as_uuid, put
from acomps.entities.configuration import Configuration
from acomps.entities.record import NamedRecord

__all__ = ["Experiment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment(NamedRecord):
    """A named group of simulations, perhaps in a suite; its configuration is what they inherit."""

    suite_id: uuid.UUID | None = None
    configuration: Configuration | None = None

    def __post_init__(self) -> None:
        NamedRecord.__post_init__(self)
        if self.suite_id is not None:
            put(self, "suite_id", as_uuid(self.suite_id, "suite_id"))

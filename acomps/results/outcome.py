"""One simulation together with what it left behind."""

from __future__ import annotations

from dataclasses import dataclass

from acomps.entities import Simulation
from acomps.results.insetchart import InsetChart

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A simulation and its chart, or None where it left none."""

    simulation: Simulation
    chart: InsetChart | None = None

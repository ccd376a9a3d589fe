"""Parameters -> simulations."""

from __future__ import annotations

from acomps.sweep.simulations import Sweep, sweep

__all__ = ["Sweep", "sweep"]

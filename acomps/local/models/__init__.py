"""The simulation model that ships with acomps: a file to be sent as an asset, not a module to be imported."""

from __future__ import annotations

from pathlib import Path

__all__ = ["seir_path"]


def seir_path() -> Path:
    """Where the SEIR model lies: one file that any Python 3.11 runs, with no package beside it."""
    return Path(__file__).with_name("seir.py")

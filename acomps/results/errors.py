"""What can be wrong with a file that a simulation left behind."""

from __future__ import annotations

from acomps.errors import AcompsError

__all__ = ["UnreadableOutput"]


class UnreadableOutput(AcompsError, ValueError):
    """An output file is missing, damaged, or not of the kind that it should be."""

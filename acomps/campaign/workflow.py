"""What a store must know of the workflow that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from acomps.campaign.times import TS_FMT

__all__ = ["Workflow", "WorkflowFolder"]


class Workflow(Protocol):
    """A workflow: its folder, and how it writes times."""

    @property
    def path(self) -> Path:
        """The folder."""
        ...

    @property
    def ts_fmt(self) -> str:
        """The format of times, in the words of `strftime`; they are UTC."""
        ...


@dataclass(frozen=True, slots=True)
class WorkflowFolder:
    """The least that is a workflow."""

    path: Path
    ts_fmt: str = TS_FMT

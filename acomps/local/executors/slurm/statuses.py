"""What the script of an array task leaves on the shared disk about each of its simulations. Everything here blocks.

`<job>.began` says under which number of Slurm it began, and when; `<job>.ended` how it ended; `<job>.cancel` is put
there by the service, so that the script can tell which simulation is meant.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

__all__ = ["Began", "Ended", "Found", "Statuses"]

_BEGAN: Final = ".began"
_ENDED: Final = ".ended"
_CANCEL: Final = ".cancel"


@dataclass(frozen=True, slots=True)
class Began:
    """A simulation runs, or has run."""

    array_id: int
    index: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A simulation has ended."""

    exit_code: int
    at_s: float
    #: By itself (`ended`), because the service asked for it (`canceled`), or because Slurm did (`terminated`).
    how: str


@dataclass(frozen=True, slots=True)
class Found:
    """News of one look."""

    began: dict[str, Began]
    ended: dict[str, Ended]


class Statuses:
    """The folder of statuses."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> str:
        """Its path."""
        return self._folder

    def look(self, began_known: Collection[str], ended_known: Collection[str]) -> Found:
        """What is there about jobs beyond those of which it is known."""
        found = Found({}, {})
        for name in os.listdir(self._folder):
            job_id, dot, suffix = name.partition(".")
            kind = dot + suffix
            if kind == _BEGAN and job_id not in began_known:
                words = self._words(name)
                if len(words) >= 3:
                    found.began[job_id] = Began(int(words[0]), int(words[1]), float(words[2]))
            elif kind == _ENDED and job_id not in ended_known:
                words = self._words(name)
                if len(words) >= 4:
                    found.ended[job_id] = Ended(int(words[0]), float(words[2]), words[3])
        return found

    def ask_to_cancel(self, job_ids: Iterable[str]) -> None:
        """Tell the scripts that these simulations are to be cancelled."""
        for job_id in job_ids:
            with open(f"{self._folder}/{job_id}{_CANCEL}", "wb"):
                pass

    def remove(self, job_ids: Iterable[str]) -> None:
        """Forget jobs."""
        for job_id in job_ids:
            for suffix in (_BEGAN, _ENDED, _CANCEL):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self._folder}/{job_id}{suffix}")

    def remove_others(self, job_ids: Collection[str]) -> None:
        """Forget all jobs but these."""
        self.remove({name.lstrip(".").partition(".")[0] for name in os.listdir(self._folder)}.difference(job_ids))

    def _words(self, name: str) -> list[str]:
        """The words of a file's line; none while the line is not whole."""
        try:
            with open(f"{self._folder}/{name}", encoding="ascii", errors="replace") as file:
                line = file.read()
        except FileNotFoundError:
            return []
        return line.split() if line.endswith("\n") else []

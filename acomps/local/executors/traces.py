"""What the wrapper of a process leaves on the disk: its number when it begins, the exit code when it ends.

They are kept outside the working directories, where no simulation can touch them by accident, and only until the
ending is on record.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from acomps.local.executors import Ending

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Traces"]


class Traces:
    """The folder of traces, two small files per job."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def base(self, job_id: str) -> str:
        """The path of a job's traces without their suffix."""
        return str(self._folder / job_id)

    def ending(self, job_id: str) -> Ending:
        """How a job ended whose wrapper is gone; without an exit code it was lost."""
        text = _text(self._folder / f"{job_id}.status")
        # The wrapper writes the line with one call: without its end there is none.
        if text.endswith("\n") and text.strip().isdecimal():
            return Ending(job_id=job_id, exit_code=int(text))
        return Ending(job_id=job_id, lost=True, reason="the process was ended from outside and left no exit code")

    def find(self, job_ids: Collection[str]) -> dict[str, int | None]:
        """Those jobs that have ever begun, with the number of the process that still runs, or None."""
        found: dict[str, int | None] = {}
        for path in self._folder.glob("*.pid"):
            if path.stem in job_ids:
                text = _text(path).strip()
                pid = int(text) if text.isdecimal() else 0
                found[path.stem] = pid if pid and _runs(pid, path.stem) else None
            else:
                self.remove(path.stem)
        return found

    def remove(self, job_id: str) -> None:
        """Forget a job."""
        for suffix in ("pid", "status"):
            with contextlib.suppress(FileNotFoundError):
                (self._folder / f"{job_id}.{suffix}").unlink()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return ""


def _runs(pid: int, job_id: str) -> bool:
    """True when the process with this number is the wrapper of the job, and not a later one with the same number."""
    if sys.platform == "linux":
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    else:
        line = ["/bin/ps", "-o", "command=", "-p", str(pid)]
        shown = subprocess.run(line, capture_output=True, check=False)  # noqa: S603 - all of it is ours
        command = shown.stdout
    return job_id.encode() in command

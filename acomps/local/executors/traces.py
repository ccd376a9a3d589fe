"""What the wrapper of a process leaves on the disk: its number when it begins, the exit code when it ends.

Both are lines of one small file per job. The files are kept outside the working directories, where no simulation can
touch them by accident, and only until the ending is on record.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acomps.local.executors import Ending

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = ["Traces"]

_NO_CODE: Final = "the process was ended from outside and left no exit code"


class Traces:
    """The folder of traces."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def path(self, job_id: str) -> str:
        """The file of a job."""
        return f"{self._folder}/{job_id}"

    def ending(self, job_id: str) -> Ending:
        """How a job ended whose wrapper is gone; without an exit code it was lost."""
        _, *code = self._lines(job_id) or [""]
        if code and code[0].isdecimal():
            return Ending(job_id=job_id, exit_code=int(code[0]))
        return Ending(job_id=job_id, lost=True, reason=_NO_CODE)

    def find(self, job_ids: Collection[str]) -> dict[str, int | None]:
        """Those jobs that have ever begun, with the number of the process that still runs, or None."""
        # One that has not yet come to write its number is found by its command line.
        found: dict[str, int | None] = {name: pid for pid, name in self._wrappers() if name in job_ids}
        for name in os.listdir(self._folder):
            if name in job_ids:
                found.setdefault(name, None)
            else:
                self.remove([name])
        return found

    def remove(self, job_ids: Iterable[str]) -> None:
        """Forget jobs."""
        for job_id in job_ids:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(job_id))

    def _lines(self, job_id: str) -> list[str]:
        """The whole lines. The wrapper writes each with one call: without its end there is none."""
        with contextlib.suppress(FileNotFoundError):
            text = Path(self.path(job_id)).read_text(encoding="ascii", errors="replace")
            return text.split("\n")[:-1]
        return []

    def _wrappers(self) -> Iterator[tuple[int, str]]:
        """Number and job of every wrapper that runs; each leads a session of its own."""
        prefix = f"{self._folder}/"
        for pid, words in _processes():
            for word in words:
                if word.startswith(prefix):
                    with contextlib.suppress(OSError):
                        if os.getsid(pid) == pid:
                            yield pid, word.removeprefix(prefix)
                    break


def _processes() -> Iterator[tuple[int, list[str]]]:
    """The processes of this machine, as far as they can be seen, with their command lines."""
    if sys.platform == "linux":
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with contextlib.suppress(OSError):
                    yield int(folder.name), (folder / "cmdline").read_text(errors="replace").split("\0")
        return
    line = ["/bin/ps", "-A", "-o", "pid=,command="]
    shown = subprocess.run(line, capture_output=True, check=False, text=True, errors="replace")  # noqa: S603 - ours
    for process in shown.stdout.splitlines():
        number, _, command = process.strip().partition(" ")
        if number.isdecimal():
            yield int(number), command.split()

"""Slurm's own tools: called with a time limit, and their answers read.

Every release of Slurm of the last ten years understands these calls; their JSON differs from one to the next.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Seen", "SubmissionRefused", "Tools", "ToolsFailed", "index_list"]

#: Slurm's tools try for a while when the controller does not answer.
CALL_S: Final = 60.0
#: Slurm's own default.
MAX_ARRAY_SIZE: Final = 1001
#: So many ids go into one command line.
IDS_PER_CALL: Final = 200

#: What no other try would change. Everything else may pass: a controller that restarts, a limit on waiting jobs.
_FINAL_REFUSALS: Final = re.compile(
    r"invalid (?!job id|auth)|unrecognized option|unknown option|is not available|more processors requested"
    r"|not permitted|access/permission denied|specification",
    re.IGNORECASE,
)
#: It is in this, and does not change any more.
_FINAL_STATES: Final = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
        *("REVOKED", "TIMEOUT"),
    }
)


class ToolsFailed(Exception):
    """A tool did not do its work this time; another try may."""


class SubmissionRefused(Exception):
    """Slurm does not take these jobs, now or later."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What Slurm says about one task of an array."""

    state: str
    #: Of the whole array.
    name: str

    @property
    def final(self) -> bool:
        """True when the task is over."""
        return self.state in _FINAL_STATES


class Tools:
    """sbatch, squeue, scancel, sacct and scontrol."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        own = os.environ
        # Jobs inherit what sbatch sees: nothing of the service's own but the way to the cluster.
        self._variables = {**variables, **{name: own[name] for name in ("SLURM_CONF",) if name in own}}
        self._accounting = True

    async def submit(self, folder: Path, arguments: Sequence[str], script: Sequence[str]) -> int:
        """Submit an array; the answer is its number. SubmissionRefused when Slurm will never take it."""
        answer = await self._call("sbatch", "--parsable", "--chdir", str(folder), *arguments, *script)
        number = answer.strip().partition(";")[0]
        if not number.isdecimal():
            raise ToolsFailed(f"sbatch answered {answer[:200]!r}")
        return int(number)

    async def look(self) -> dict[tuple[int, int], Seen]:
        """Every array task of this user that Slurm still knows, by the number of its array and its index."""
        form = "%j|%K|%T|%F"
        answer = await self._call("squeue", "-h", "-r", "-t", "all", "-u", str(os.getuid()), "-o", form)
        seen: dict[tuple[int, int], Seen] = {}
        for line in answer.splitlines():
            name, index, state, array_id = (line.rsplit("|", 3) + [""] * 3)[:4]
            if index.isdecimal() and array_id.isdecimal():
                seen[int(array_id), int(index)] = Seen(state, name)
        return seen

    async def accounted(self, array_ids: Iterable[int]) -> dict[tuple[int, int], str]:
        """Final states by array and index, where the cluster keeps accounts; nothing where it does not."""
        found: dict[tuple[int, int], str] = {}
        wanted = [str(number) for number in array_ids]
        for first in range(0, len(wanted), IDS_PER_CALL):
            if not self._accounting:
                break
            ids = ",".join(wanted[first : first + IDS_PER_CALL])
            try:
                answer = await self._call("sacct", "-n", "-P", "-X", "-j", ids, "-o", "JobID,State")
            except ToolsFailed as exc:
                if "disabled" not in str(exc):
                    raise
                self._accounting = False
                break
            for line in answer.splitlines():
                job, _, state = line.partition("|")
                number, _, index = job.partition("_")
                # A cancelled one says by whom: only the first word is the state.
                word = state.partition(" ")[0].rstrip("+")
                if number.isdecimal() and index.isdecimal() and word in _FINAL_STATES:
                    found[int(number), int(index)] = word
        return found

    async def cancel(self, ids: Sequence[str], signal: str | None = None) -> None:
        """End array tasks, or send a signal to the scripts of those that run. What is over is left alone by Slurm."""
        how = ["--batch", f"--signal={signal}"] if signal else []
        for first in range(0, len(ids), IDS_PER_CALL):
            await self._call("scancel", "--quiet", *how, *ids[first : first + IDS_PER_CALL])

    async def max_array_size(self) -> int:
        """How many tasks an array may have."""
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", await self._call("scontrol", "show", "config"), re.MULTILINE)
        return int(found[1]) if found else MAX_ARRAY_SIZE

    async def _call(self, tool: str, *arguments: str) -> str:
        try:
            with anyio.fail_after(CALL_S):
                done = await anyio.run_process(
                    [tool, *arguments], stdin=subprocess.DEVNULL, env=self._variables, check=False
                )
        except TimeoutError as exc:
            raise ToolsFailed(f"{tool} did not answer within {CALL_S:.0f} s") from exc
        except OSError as exc:
            raise ToolsFailed(f"{tool} cannot be run: {exc}") from exc
        said = done.stderr.decode("utf-8", "replace").strip()[-1000:]
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace")
        if tool == "sbatch" and _FINAL_REFUSALS.search(said):
            raise SubmissionRefused(said)
        raise ToolsFailed(f"{tool} ended with code {done.returncode}: {said or 'it said nothing'}")


def index_list(indices: Iterable[int]) -> str:
    """Indices in the form that Slurm reads, as in `0-3,7`."""
    spans: list[list[int]] = []
    for index in sorted(indices):
        if spans and index == spans[-1][1] + 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)

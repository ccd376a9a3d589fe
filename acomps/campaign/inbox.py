"""Inboxes: where other processes than the owner say what became of runs. Each has a file of its own, so none waits.

A report counts once it is in the file; the owner takes it in when it looks. The file's name ends in `.done` when its
writer has closed it.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import anyio
import anyio.to_thread

from acomps.campaign.change import Change
from acomps.campaign.encoding import encode
from acomps.campaign.errors import WorkflowNotFoundError
from acomps.campaign.finding import find_layout
from acomps.campaign.journal import Journal, replayed
from acomps.campaign.owner import lives
from acomps.campaign.places import INBOXES, OWN
from acomps.campaign.reporting import Reporting
from acomps.campaign.settings import SetParameter
from acomps.campaign.times import TS_FMT, Times

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ["Mail", "Reporter", "read_inboxes"]

_OPEN: Final = ".log"
_DONE: Final = ".done"


class Reporter(Reporting):
    """What a process that does not own the store can say of its runs; the methods are the store's.

        async with Reporter("campaigns/seir") as report:
            await report.set_EAR_start(0, 7, 0, 0)
            await report.set_parameter(12, {"peak": 41})
            await report.set_EAR_end(0, 7, 0, 0, success=True)

    A call returns when the report is on the disk. The owner checks it when it takes it in: what does not fit (a
    parameter that is set already, a run that is not there) it leaves out and logs.
    """

    def __init__(self, path: Path | str, *, ts_fmt: str = TS_FMT) -> None:
        self._path = Path(path)
        self._times = Times(ts_fmt)
        self._journal: Journal | None = None
        self._arrays = False
        self._opening = anyio.Lock()

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def set_parameter(self, index: int, data: object) -> None:
        """Set the value of a parameter."""
        await self._opened()
        await self._change(SetParameter(index, encode(data, arrays=self._arrays)))

    async def aclose(self) -> None:
        """Close the inbox; the owner removes it when it has taken everything in."""
        if self._journal is not None:
            journal, self._journal = self._journal, None
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_finish, journal)

    async def _change(self, change: Change) -> None:
        journal = await self._opened()
        await journal.append([change])

    async def _opened(self) -> Journal:
        if self._journal is None:
            async with self._opening:
                if self._journal is None:
                    self._journal = await anyio.to_thread.run_sync(self._open)
        return self._journal

    def _open(self) -> Journal:
        layout = find_layout(self._path)
        if layout is None:
            raise WorkflowNotFoundError(f"there is no store at {self._path}")
        self._arrays = layout.arrays
        folder = self._path / OWN / INBOXES
        folder.mkdir(parents=True, exist_ok=True)
        host = re.sub(r"[^A-Za-z0-9.]", "_", platform.node())[:60] or "host"
        return Journal(folder / f"{host}-{os.getpid()}-{secrets.token_hex(6)}{_OPEN}")


def _finish(journal: Journal) -> None:
    journal.close()
    if journal.size:
        journal.path.rename(journal.path.with_suffix(_DONE))
    else:
        journal.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Mail:
    """What is new in one inbox: the commits, how far they go, and the file if nothing more will come."""

    inbox: str
    commits: list[list[Change]]
    upto: int
    finished: Path | None


def read_inboxes(store: Path, known: Mapping[str, int]) -> list[Mail]:
    """What is new in all inboxes; blocks."""
    folder = store / OWN / INBOXES
    found: list[Mail] = []
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        upto = known.get(path.stem, 0)
        # Whether the writer has gone must be known before reading: else it could write in between.
        gone = path.suffix == _DONE or _orphaned(path.name)
        try:
            with path.open("rb") as handle:
                handle.seek(upto)
                data = handle.read()
        except FileNotFoundError:
            # Its writer has closed it just now: it has another name, and is found when we look again.
            continue
        commits: list[list[Change]] = []
        end = 0
        for changes, until in replayed(data):
            commits.append(changes)
            end = until
        if commits or gone:
            found.append(Mail(path.stem, commits, upto + end, path if gone else None))
    return found


def _orphaned(name: str) -> bool:
    """Whether the writer was a process of this host that is there no more."""
    host, pid, _ = name.rsplit("-", 2)
    return host == re.sub(r"[^A-Za-z0-9.]", "_", platform.node())[:60] and pid.isdecimal() and not lives(int(pid))

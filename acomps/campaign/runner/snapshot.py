"""A campaign's store as it was a moment ago, for who does not own it: nothing is locked, nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from acomps.campaign.disk import Disk
from acomps.campaign.errors import StoreDamaged, WorkflowNotFoundError
from acomps.campaign.finding import JSON, ZARR, find_layout
from acomps.campaign.reading import Reading
from acomps.campaign.times import Times
from acomps.campaign.workflow import WorkflowFolder

if TYPE_CHECKING:
    from pathlib import Path

    from acomps.campaign.layout import Layout
    from acomps.campaign.state import State

__all__ = ["snapshot"]

#: The owner may be replacing the files: so often it is read again before that counts as damage.
_TRIES: Final = 5
_WAIT_S: Final = 0.2


class _Snapshot(Reading):
    """The tables of a store, read once."""

    def __init__(self, path: Path, state: State) -> None:
        super().__init__(WorkflowFolder(path))
        self._kept = state

    async def _state(self) -> State:
        return self._kept


class _JSON(_Snapshot):
    @classmethod
    def _layout(cls) -> Layout:
        return JSON


class _Zarr(_Snapshot):
    @classmethod
    def _layout(cls) -> Layout:
        return ZARR


async def snapshot(path: Path) -> Reading:
    """All that is committed; WorkflowNotFoundError when there is no store."""
    for _ in range(_TRIES - 1):
        try:
            return await anyio.to_thread.run_sync(_read, path)
        except (StoreDamaged, FileNotFoundError):
            await anyio.sleep(_WAIT_S)
    return await anyio.to_thread.run_sync(_read, path)


def _read(path: Path) -> Reading:
    layout = find_layout(path)
    if layout is None:
        raise WorkflowNotFoundError(f"there is no campaign at {path}")
    state = Disk(path, layout, Times(WorkflowFolder(path).ts_fmt)).load(repair=False).state
    return _JSON(path, state) if layout is JSON else _Zarr(path, state)

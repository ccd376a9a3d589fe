"""The stores there are, and which one a folder or a name means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.campaign.documents import as_dict, as_list, load_foreign
from acomps.campaign.errors import WorkflowNotFoundError
from acomps.campaign.finding import JSON, ZARR, find_layout
from acomps.campaign.json_layout import METADATA, PARAMETERS, SUBMISSIONS, documents
from acomps.campaign.store import PersistentStore
from acomps.campaign.texts import small_records, submission_record
from acomps.errors import UsageError

if TYPE_CHECKING:
    from acomps.campaign.layout import Layout

__all__ = ["JSONPersistentStore", "ZarrPersistentStore", "store_cls_from_path", "store_cls_from_str"]


class JSONPersistentStore(PersistentStore):
    """A store whose checkpoints are three JSON files, which hpcFlow's own store reads and writes."""

    @classmethod
    def _layout(cls) -> Layout:
        return JSON

    async def load(self) -> dict[str, object]:
        """The three documents: metadata, submissions and parameter_data."""
        return {
            "metadata": await self.load_metadata(),
            "submissions": await self.load_submissions(),
            "parameter_data": await self.load_parameter_data(),
        }

    async def load_metadata(self) -> dict[str, object]:
        """The document of the metadata."""
        return as_dict(await self._document_of(METADATA), METADATA)

    async def load_submissions(self) -> list[object]:
        """The document of the submissions."""
        return as_list(await self._document_of(SUBMISSIONS), SUBMISSIONS)

    async def load_parameter_data(self) -> dict[str, object]:
        """The document of the parameters."""
        return as_dict(await self._document_of(PARAMETERS), PARAMETERS)

    async def get_task_idx_from_insert_ID(self, insert_ID: int) -> int | None:
        """The index of a task; None when there is no such task."""
        tasks = (await self._state()).tasks
        return next((index for index, task in enumerate(tasks) if task.insert_ID == insert_ID), None)

    async def _document_of(self, name: str) -> object:
        state = (await self._state()).copied()
        return await anyio.to_thread.run_sync(lambda: load_foreign(documents(state, self._times)[name]))


class ZarrPersistentStore(PersistentStore):
    """A store whose checkpoints are a Zarr store; parameters can hold numeric arrays. Needs the extra "data"."""

    @classmethod
    def _layout(cls) -> Layout:
        return ZARR

    async def load_metadata(self) -> dict[str, object]:
        """The attributes of the root group: all that is small."""
        state = (await self._state()).copied()
        submissions = [submission_record(one) for one in state.submissions]
        return {**small_records(state), "submissions": submissions}


_STORES: Final[dict[str, type[PersistentStore]]] = {"zarr": ZarrPersistentStore, "json": JSONPersistentStore}


async def store_cls_from_path(workflow_path: Path) -> type[PersistentStore]:
    """The class of the store in a folder; WorkflowNotFoundError when there is none."""
    layout = await anyio.to_thread.run_sync(find_layout, Path(workflow_path))
    if layout is None:
        raise WorkflowNotFoundError(f"there is no store of a known form at {workflow_path}")
    return _STORES[layout.name]


def store_cls_from_str(store_format: str) -> type[PersistentStore]:
    """The class of a form of store: "json" or "zarr"; UsageError (a ValueError) for any other."""
    try:
        return _STORES[store_format]
    except KeyError:
        raise UsageError(f"there is no store of the form {store_format!r}: say one of {', '.join(_STORES)}") from None

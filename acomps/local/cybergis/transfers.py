"""A stand-in for Globus: folders are copied to the user's own folder on this machine (cybergis-compute 4.9, 9.4)."""

from __future__ import annotations

import contextlib
import logging
import os
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
from sqlalchemy import select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from acomps.local.cybergis import schema
from acomps.local.cybergis.calls import CallRefused
from acomps.local.cybergis.places import inside
from acomps.local.cybergis.trees import copy_tree
from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import TaskGroup

    from acomps.local.cybergis.documents import Folder
    from acomps.local.records.database import Database

__all__ = ["Transfers"]

_log = logging.getLogger("acomps.local")

COPIES_AT_ONCE: Final = 2
_ACTIVE: Final = "ACTIVE"


class Transfers:
    """The transfers of a service, one at a time for each folder; the last one of a folder is on record."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._copies = anyio.CapacityLimiter(COPIES_AT_ONCE)
        self._group: TaskGroup | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """While it is entered, folders can be copied. What an earlier service did not finish has failed."""
        await anyio.to_thread.run_sync(self._fail_open)
        async with anyio.create_task_group() as group:
            self._group = group
            yield
            group.cancel_scope.cancel()

    async def start(self, folder: Folder, from_path: str, to: Path) -> str:
        """Begin to copy a folder, or one inside of it; the answer names the transfer."""
        source = await anyio.to_thread.run_sync(_source, folder, from_path)
        task_id = str(uuid.uuid4())
        if self._group is None:
            raise RuntimeError("transfers are not running")
        if not await anyio.to_thread.run_sync(self._begin, folder.number, task_id):
            raise CallRefused(403, f"a globus job is currently running on folder with id {folder.id}", ())
        self._group.start_soon(self._copy, folder.number, source, to)
        return task_id

    def status(self, folder: Folder) -> str | None:
        """How far the last transfer of a folder is; None when there was none. Blocks."""
        table = schema.transfers
        with self._database.reading() as connection:
            found = connection.execute(select(table.c.status).where(table.c.folder == folder.number)).first()
        return None if found is None else str(found[0])

    async def _copy(self, number: int, source: Path, to: Path) -> None:
        status = "FAILED"
        try:
            await anyio.to_thread.run_sync(partial(copy_tree, source, to, merge=True), limiter=self._copies)
            status = "SUCCEEDED"
        except (OSError, Refused) as exc:
            _log.warning("a folder could not be copied: %s", exc)
        try:
            await anyio.to_thread.run_sync(self._note, number, status)
        except (OSError, SQLAlchemyError, Refused):
            _log.exception("the end of a transfer could not be recorded")

    def _begin(self, number: int, task_id: str) -> bool:
        table = schema.transfers
        values = {"task_id": task_id, "status": _ACTIVE}
        with self._database.writing() as connection:
            begun = connection.execute(
                sqlite.insert(table)
                .values(folder=number, **values)
                .on_conflict_do_update(["folder"], set_=values, where=table.c.status != _ACTIVE)
            )
            return bool(begun.rowcount)

    def _note(self, number: int, status: str) -> None:
        table = schema.transfers
        with self._database.writing() as connection:
            connection.execute(update(table).where(table.c.folder == number).values(status=status))

    def _fail_open(self) -> None:
        table = schema.transfers
        with self._database.writing() as connection:
            connection.execute(update(table).where(table.c.status == _ACTIVE).values(status="FAILED"))


def _source(folder: Folder, from_path: str) -> Path:
    parts = [part for part in from_path.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in from_path or len(from_path) > 2_000:
        raise CallRefused(403, f"failed to init globus with error: {from_path!r} leaves the folder"[:400], ())
    # A program could have put a link in the place of its folder.
    if os.path.islink(folder.path) or os.path.islink(os.path.dirname(folder.path)):
        raise CallRefused(403, "failed to init globus with error: the folder is not there any more", ())
    root = os.path.realpath(folder.path)
    return inside(Path(folder.path).joinpath(*parts), [root], f"folder {folder.id}")

"""The truth about one store while this process owns it: tables in memory, and a journal of how they came to be.

A change is made in memory at once and its call returns when it is in the journal, on the disk. Checkpoints are written
by a thread while changes go on in the next journal.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread

from acomps.campaign.disk import Disk, Loaded
from acomps.campaign.errors import StoreFailed, WorkflowNotFoundError
from acomps.campaign.inbox import Mail, read_inboxes
from acomps.campaign.journal import Journal
from acomps.campaign.owner import Owner
from acomps.campaign.places import INBOXES, OWN, OWNER
from acomps.campaign.settings import TakenIn
from acomps.collector import paused
from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from acomps.campaign.change import Change
    from acomps.campaign.layout import Layout
    from acomps.campaign.state import State
    from acomps.campaign.times import Times

__all__ = ["CHECKPOINT_BYTES", "Ledger"]

#: A checkpoint is written when the journal has grown by so much, or by twice the last checkpoint if that is more.
CHECKPOINT_BYTES: Final = 32 << 20

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Ledger:
    """An open store; `open` makes one."""

    def __init__(
        self, store: Path, layout: Layout, disk: Disk, owner: Owner, journal: Journal, loaded: Loaded, limit: int
    ) -> None:
        self.store = store
        self.layout = layout
        self.state = loaded.state
        #: Counts the changes to the tables in memory, committed or about to be.
        self.version = 0
        self._disk = disk
        self._owner = owner
        self._journal = journal
        self._generation = loaded.generation
        self._limit = limit
        self._least = limit
        self._dirty = loaded.replayed > 0
        self._checkpointing = anyio.Lock()
        self._taking_in = anyio.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="acomps-checkpoint")
        self._written: Future[int] | None = None

    @classmethod
    async def open(cls, store: Path, layout: Layout, times: Times, checkpoint_bytes: int) -> Ledger:
        """Own the store and read it; WorkflowNotFoundError, StoreInUse or StoreDamaged when that cannot be."""
        ledger = await anyio.to_thread.run_sync(_opened, store, layout, times, checkpoint_bytes)
        await ledger.take_in()
        return ledger

    def make(self, changes: Sequence[Change], made: State | None = None) -> None:
        """Make the changes in memory, all or none; `write` must follow at once, without waiting for anything between.

        `made` are tables on which they are made already; they must have come from the present ones.
        """
        if self._journal.failed:
            raise StoreFailed(f"{self.store} could not be written: close the store and open it again")
        if made is not None:
            self.state = made
        elif len(changes) == 1:
            changes[0].apply(self.state)
        else:
            made = self.state.copied()
            for change in changes:
                change.apply(made)
            self.state = made
        self.version += 1
        self._dirty = True

    async def write(self, changes: Sequence[Change]) -> None:
        """Returns when the changes are on the disk."""
        await self._journal.append(changes)
        if self._journal.size > self._limit and (self._written is None or self._written.done()):
            await self._begin_checkpoint()

    async def checkpoint(self) -> None:
        """Write the tables to the files that others can read; returns when they are there."""
        if self._dirty:
            await self._begin_checkpoint()
        if self._written is not None:
            try:
                await anyio.to_thread.run_sync(self._written.result)
            except OSError as exc:
                self._dirty = True
                raise StoreFailed(
                    f"no checkpoint of {self.store} could be written, but the journal has it all"
                ) from exc

    async def take_in(self) -> int:
        """Take in what other processes have reported; gives the number of reports that were made changes."""
        async with self._taking_in:
            known = self.state.inboxes.copy()
            found = await anyio.to_thread.run_sync(read_inboxes, self.store, known)
            taken = 0
            for mail in found:
                taken += await self._take(mail)
            present = {mail.inbox for mail in found if mail.finished is None}
            gone = [name for name in known if name not in present]
            lost = await anyio.to_thread.run_sync(_without_file, self.store, gone) if gone else []
            if lost:
                forgotten = [TakenIn(name, -1) for name in lost]
                self.make(forgotten)
                await self.write(forgotten)
            return taken

    async def modified(self) -> bool:
        """Whether another program changed the files."""
        return await self.undisturbed(self._disk.modified)

    async def undisturbed(self, work: Callable[[], T]) -> T:
        """Have a thread do something while no checkpoint is written."""
        async with self._checkpointing:
            if self._written is not None:
                await anyio.to_thread.run_sync(self._written.exception)
            return await anyio.to_thread.run_sync(work)

    async def aclose(self, *, abandon: bool = False) -> None:
        """Write a checkpoint, unless the store is abandoned or nothing changed, and let others have the store."""
        with anyio.CancelScope(shield=True):
            try:
                if not abandon and not self._journal.failed:
                    await self.checkpoint()
            finally:
                await anyio.to_thread.run_sync(self._release)

    def _release(self) -> None:
        self._writer.shutdown()
        self._journal.close()
        self._owner.release()

    async def _take(self, mail: Mail) -> int:
        good: list[Change] = []
        for changes in mail.commits:
            for change in changes:
                try:
                    change.apply(self.state)
                except (UsageError, RuntimeError) as exc:
                    _log.warning("a report in the inbox %s of %s is left out: %s", mail.inbox, self.store, exc)
                else:
                    good.append(change)
        mark = TakenIn(mail.inbox, mail.upto)
        self.make([mark])
        await self.write([*good, mark])
        if mail.finished is not None:
            path = mail.finished
            await anyio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))
        return len(good)

    async def _begin_checkpoint(self) -> None:
        async with self._checkpointing:
            if self._written is not None:
                written = self._written
                failed = await anyio.to_thread.run_sync(written.exception)
                if failed is None:
                    self._limit = max(self._least, 2 * written.result())
                else:
                    _log.warning("no checkpoint of %s could be written: %s; the journal has it all", self.store, failed)
            self._generation += 1
            generation, snapshot = self._generation, self.state.copied()
            self._dirty = False
            # What was committed up to here goes to the journal there is, what follows to the next one.
            await self._journal.go_on_in(self._disk.journal(generation))
            self._written = self._writer.submit(self._disk.checkpoint, generation, snapshot)


def _opened(store: Path, layout: Layout, times: Times, limit: int) -> Ledger:
    if not layout.is_here(store):
        raise WorkflowNotFoundError(f"there is no {layout.name} store at {store}")
    own = store / OWN
    own.mkdir(exist_ok=True)
    owner = Owner(own / OWNER, store)
    try:
        disk = Disk(store, layout, times)
        with paused():
            loaded = disk.load(repair=True)
        return Ledger(store, layout, disk, owner, Journal(loaded.journal, loaded.good), loaded, limit)
    except BaseException:
        owner.release()
        raise


def _without_file(store: Path, names: Iterable[str]) -> list[str]:
    folder = store / OWN / INBOXES
    return [name for name in names if not any(folder.glob(f"{name}.*"))]

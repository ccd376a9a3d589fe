"""Batches of changes: each belongs to the task that opened it, and to the tasks which that starts inside."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import anyio

from acomps.collector import EVERY, settle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acomps.campaign.change import Change
    from acomps.campaign.ledger import Ledger
    from acomps.campaign.state import State

__all__ = ["CURRENT", "Batch"]


class Batch:
    """Changes that are not committed yet, and how the tables look with them."""

    __slots__ = ("_base", "_ledger", "_view", "adding", "beginning", "changes", "open")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.changes: list[Change] = []
        self.open = True
        #: Whether it is this batch's turn to give out indices.
        self.adding = False
        self.beginning = anyio.Lock()
        self._base = -1
        self._view: State | None = None

    @property
    def state(self) -> State:
        """The tables as this batch sees them."""
        return self._ledger.state if self._view is None else self._view

    def make(self, change: Change) -> None:
        """Make a change that only this batch sees."""
        if self._view is None:
            self._base, self._view = self._ledger.version, self._ledger.state.copied()
        change.apply(self._view)
        self.changes.append(change)
        if not len(self.changes) % EVERY:
            settle()

    def catch_up(self) -> None:
        """Begin again from what others have committed meanwhile, with the own changes on top."""
        if self._view is not None and self._base != self._ledger.version:
            base, view = self._ledger.version, self._ledger.state.copied()
            for change in self.changes:
                change.apply(view)
            self._base, self._view = base, view

    def hand_over(self) -> list[Change]:
        """Make the changes for everybody, all or none, and be empty."""
        changes = self.changes
        view = self._view if self._base == self._ledger.version else None
        self.drop()
        if changes:
            self._ledger.make(changes, view)
        return changes

    def drop(self) -> None:
        """Be empty."""
        self.changes, self._view = [], None


#: The open batch of each store, by the identity of the store, in this task.
CURRENT: Final[ContextVar[Mapping[int, Batch]]] = ContextVar("acomps_campaign_batches")

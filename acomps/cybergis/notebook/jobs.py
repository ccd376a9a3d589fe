"""The fourth tab: the user's latest jobs, each of which can be restored."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from acomps.cybergis.display import display
from acomps.cybergis.notebook import widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from acomps.cybergis.records import JobRecord

__all__ = ["JobsTab"]

_AT_A_TIME: Final = 5
_COLUMNS: Final = ("id", "state", "exit_code", "hpc", "template", "param", "created_at")


class JobsTab:
    """Jobs, newest first; they come from one listing, however many there are."""

    more: widgets.Button

    def __init__(self, restore: Callable[[JobRecord], None]) -> None:
        self._restore = restore
        self._jobs: list[JobRecord] = []
        self._shown = _AT_A_TIME
        self.restore_buttons: list[widgets.Button] = []
        self.more = widgets.button("Load More", self.load_more)
        self.box = widgets.column()
        self.refresh([])

    def refresh(self, jobs: Sequence[JobRecord]) -> None:
        """Show these, which come oldest first."""
        self._jobs = list(reversed(jobs))
        self._draw()

    def load_more(self) -> None:
        """Show five more."""
        self._shown += _AT_A_TIME
        self._draw()

    def _draw(self) -> None:
        shown: list[widgets.Widget] = []
        self.restore_buttons = []
        for job in self._jobs[: self._shown]:
            again = widgets.button("Restore", partial(self._restore, job))
            self.restore_buttons.append(again)
            shown.append(widgets.column([widgets.text(display([job], _COLUMNS).html()), again]))
        if len(self._jobs) > self._shown:
            shown.append(self.more)
        self.box.children = shown or [widgets.text(widgets.note("You have no jobs yet"))]

"""The third tab: the results of the job, fetched here or copied by Globus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.cybergis.notebook import widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ResultsTab"]


class ResultsTab:
    """A choice of result folders, and two ways to get them."""

    folder: widgets.Choice
    download: widgets.Button
    copy: widgets.Button

    def __init__(self, download: Callable[[], None], copy: Callable[[], None]) -> None:
        self.message = widgets.text()
        self.folder = widgets.choice("Result folder:", ["/"], "/")
        self.download = widgets.button("Download", download, main=True)
        self.copy = widgets.button("Copy by Globus", copy)
        self.box = widgets.column([self.message])
        self.wait()

    def wait(self) -> None:
        """There is nothing yet."""
        self.message.value = widgets.note("The results come here when the job has ended")
        self.box.children = [self.message]

    def show(self, folders: Sequence[str]) -> None:
        """Offer what there is."""
        if not folders:
            self.message.value = widgets.note("The job has left no results")
            self.box.children = [self.message]
            return
        self.folder.options, self.folder.value = list(folders), folders[0]
        self.message.value = ""
        self.box.children = [self.folder, widgets.row([self.download, self.copy]), self.message]

    def tell(self, message: str, *, bad: bool = False) -> None:
        """Say how far it is."""
        self.message.value = widgets.note(message, bad=bad)

    def busy(self, *, busy: bool) -> None:
        """Whether a download is under way: one at a time."""
        self.download.disabled = self.copy.disabled = busy

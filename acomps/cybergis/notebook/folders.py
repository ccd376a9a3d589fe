"""The fifth tab: all folders of the user, to be copied away or renamed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from acomps.cybergis.display import display
from acomps.cybergis.notebook import widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from acomps.cybergis.records import Folder

__all__ = ["FoldersTab"]

_PER_PAGE: Final = 10
_COLUMNS: Final = ("id", "name", "hpc", "globus_path", "created_at")


class FoldersTab:
    """Folders, newest first, ten per page."""

    download: Callable[[Folder], None]
    rename: Callable[[Folder, str], None]

    def __init__(self, download: Callable[[Folder], None], rename: Callable[[Folder, str], None]) -> None:
        self.download, self.rename = download, rename
        self._folders: list[Folder] = []
        self._page = 0
        self.rows: list[tuple[Folder, widgets.Entry, widgets.Button, widgets.Button]] = []
        self.message = widgets.text()
        self.previous = widgets.button("Previous", self.previous_page)
        self.next = widgets.button("Next", self.next_page)
        self.box = widgets.column()
        self.refresh([])

    def refresh(self, folders: Sequence[Folder]) -> None:
        """Show these, which come oldest first."""
        self._folders = list(reversed(folders))
        self._page = min(self._page, self._last_page)
        self._draw()

    def next_page(self) -> None:
        """Show older ones."""
        self._page = min(self._page + 1, self._last_page)
        self._draw()

    def previous_page(self) -> None:
        """Show newer ones."""
        self._page = max(self._page - 1, 0)
        self._draw()

    def tell(self, message: str, *, bad: bool = False) -> None:
        """Say how far it is."""
        self.message.value = widgets.note(message, bad=bad)

    @property
    def _last_page(self) -> int:
        return max(0, (len(self._folders) - 1) // _PER_PAGE)

    def _draw(self) -> None:
        names = sorted({folder.name for folder in self._folders if folder.name})
        self.rows = []
        shown: list[widgets.Widget] = [self.message]
        for folder in self._folders[self._page * _PER_PAGE :][:_PER_PAGE]:
            name = widgets.entry("Name:", folder.name or "", options=names)
            fetch = widgets.button("Download Results", partial(self.download, folder))
            change = widgets.button("Rename", partial(self._renamed, folder, name))
            self.rows.append((folder, name, fetch, change))
            shown += [widgets.text(display([folder], _COLUMNS).html()), widgets.row([fetch, name, change])]
        self.previous.disabled, self.next.disabled = self._page == 0, self._page == self._last_page
        where = widgets.text(f"page {self._page + 1} of {self._last_page + 1}")
        self.box.children = [*shown, widgets.row([self.previous, where, self.next])]

    def _renamed(self, folder: Folder, name: widgets.Entry) -> None:
        self.rename(folder, name.value.strip())

"""Choosing a folder of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from acomps.cybergis.notebook import widgets

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FolderChooser"]

_UP: Final = ".."
_MOST: Final = 200


class FolderChooser:
    """The folder that is shown, the ones in it, and the way up; `path` is what is chosen."""

    def __init__(self, start: Path) -> None:
        self.path = start.expanduser().resolve()
        self._shown = widgets.text()
        self.inside = widgets.choice("Go to:", [""], "", self._go)
        self.box = widgets.column([self._shown, self.inside])
        self._draw()

    def _go(self) -> None:
        name = self.inside.value
        if name:
            self.path = self.path.parent if name == _UP else self.path / name
            self._draw()

    def _draw(self) -> None:
        self._shown.value = f"<b>Folder:</b> {widgets.note(str(self.path))}"
        try:
            names = sorted(item.name for item in self.path.iterdir() if item.is_dir() and item.name[0] != ".")
        except OSError:
            names = []
        self.inside.options = ["", _UP, *names[:_MOST]]
        self.inside.value = ""

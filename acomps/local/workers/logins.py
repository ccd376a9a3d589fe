"""How the process of a work item is logged in: a token where every COMPS client looks for one (protocol 2.6)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from acomps.local.keys import login_name, private_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Logins"]


class Logins:
    """A folder per process that only its owner can enter; the file in it holds a token of the item's owner.

    The folder lies outside the working directory, whose files everybody can fetch. Everything here blocks.
    """

    def __init__(self, folder: Path, url: str, issue: Callable[[str], str]) -> None:
        self._folder = folder
        self._url = url.removesuffix(":80")
        self._issue = issue

    def folder(self, item_id: str) -> Path:
        """The folder of one item's process."""
        return self._folder / item_id

    def renew(self, item_id: str, owner: str) -> None:
        """Put a fresh token in place: clients look there again when the one that they hold has expired."""
        folder = self.folder(item_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        host = "".join("_" if sign in ":/" else sign for sign in self._url)
        private_file(folder / f"COMPS_Authtoken_{host}_{login_name()}.txt", self._issue(owner).encode())

    def variables(self, item_id: str) -> dict[str, str]:
        """The environment variables that lead clients to the service and to the token."""
        return {
            "COMPS_SERVER": self._url,
            "COMPS_WORKITEM_GUID": item_id,
            "XDG_RUNTIME_DIR": str(self.folder(item_id)),
            # The name of the file ends with what clients take for the user of the operating system.
            "LOGNAME": login_name(),
        }

    def forget(self, item_id: str) -> None:
        """The process has ended."""
        shutil.rmtree(self.folder(item_id), ignore_errors=True)

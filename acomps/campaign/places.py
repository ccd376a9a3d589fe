"""Where a store keeps what is its own, beside the files that everybody can read."""

from __future__ import annotations

from typing import Final

__all__ = ["DRAFTS", "INBOXES", "JOURNAL", "MANIFEST", "OWN", "OWNER"]

#: The folder in the workflow's folder.
OWN: Final = ".acomps"
#: In it: who owns the store, which checkpoint counts, the journals after it, reports of others, drafts of files.
OWNER: Final = "owner.json"
MANIFEST: Final = "manifest.json"
JOURNAL: Final = "journal-"
INBOXES: Final = "inbox"
DRAFTS: Final = "next-"

"""Where a work item works: its directory with its files, and its asset collection as `Assets` (protocol 10.5)."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from acomps.local.errors import Refused
from acomps.local.records import schema
from acomps.local.work import workdirs
from acomps.local.workers import Item, ItemFile

if TYPE_CHECKING:
    from pathlib import Path

    from acomps.local.core import Core
    from acomps.local.workers.ledger import Claimed

__all__ = ["Preparer"]

#: Work items lie under the home folder of their environment.
ROOT: Final = "$COMPS_PATH(HOME)/workitems"


class Preparer:
    """Makes the directories of work items. Everything here blocks."""

    def __init__(self, core: Core) -> None:
        self._core = core
        # Beside the collections of simulations: two rooms that make the same folder at once would be in their ways.
        self._collections = workdirs.Collections(core.settings.data_dir / "workitem-collections", core.contents)
        self._one_maker = threading.Lock()

    def item(self, claimed: Claimed) -> Item:
        """The item as its worker sees it; nothing is made."""
        environment = self._core.environments.named(claimed.environment_name)
        collection = claimed.asset_collection_id
        files = schema.files
        with self._core.database.reading() as connection:
            found = connection.execute(
                select(files.c.file_name, files.c.file_type, files.c.md5_checksum, files.c.length)
                .where(files.c.entity_id == claimed.id)
                .order_by(files.c.position)
            ).all()
        return Item(
            id=claimed.id,
            name=claimed.name,
            owner=claimed.owner,
            environment=environment,
            directory=workdirs.place(environment.expand(ROOT, claimed.owner), claimed.id),
            files=tuple(
                ItemFile(name=name, type=kind or "", md5=md5, length=length) for name, kind, md5, length in found
            ),
            assets=None if collection is None else self._collections.folder(collection),
        )

    def prepare(self, claimed: Claimed) -> Item:
        """Make the item's directory anew, without whatever an interrupted attempt has left there."""
        item = self.item(claimed)
        shutil.rmtree(item.directory, ignore_errors=True)
        stored = self._core.contents.fetch({file.md5 for file in item.files})
        lost = [file.name for file in item.files if file.md5 not in stored]
        if lost:
            raise Refused(400, f"the content of {lost[0]!r} is no longer in the content store"[:400])
        assets = self._assets(claimed.asset_collection_id)
        workdirs.prepare(item.directory, [(file.name, stored[file.md5]) for file in item.files], assets)
        return replace(item, assets=assets)

    def _assets(self, collection_id: str | None) -> Path | None:
        if collection_id is None:
            return None
        assets = schema.assets
        with self._core.database.reading() as connection:
            found = connection.execute(
                select(assets.c.relative_path, assets.c.file_name, assets.c.md5_checksum).where(
                    assets.c.entity_id == collection_id
                )
            ).all()
        with self._one_maker:
            made = self._collections.folder(collection_id)
            if made is not None:
                return made
            return self._collections.make(collection_id, [(folder, name, md5) for folder, name, md5 in found])

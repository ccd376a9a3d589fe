"""An asset collection: a folder tree of files that many simulations share."""

from __future__ import annotations

from dataclasses import dataclass

from acomps.entities.files import AssetCollectionFile
from acomps.entities.record import Record
from acomps.errors import UsageError

__all__ = ["AssetCollection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetCollection(Record):
    """Files under `Assets/` of every simulation that names the collection; it cannot change once it is saved."""

    assets: tuple[AssetCollectionFile, ...] = ()

    def __post_init__(self) -> None:
        Record.__post_init__(self)
        object.__setattr__(self, "assets", tuple(self.assets))
        if self.id is None:
            seen: set[str] = set()
            for asset in self.assets:
                if asset.path.lower() in seen:
                    raise UsageError(f"the collection holds {asset.path!r} twice (names differ by more than case)")
                seen.add(asset.path.lower())

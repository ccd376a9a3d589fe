"""A folder of small files as an asset collection; the service knows all but a hundred of them."""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING, Final

import anyio.to_thread

import acomps
from benchmarks.workload import Job, Stage, Workload

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COLLECTION"]

_NEW: Final = 100
_FILE_BYTES: Final = 20_000


async def from_directory(session: acomps.Session, job: Job) -> None:
    """Save the run's folder as a collection."""
    await session.asset_collections.from_directory(job["path"])


async def new_tree(stage: Stage, _number: int) -> Job:
    """A folder of which the service knows all but the last files."""
    folder = stage.folder / "tree"
    known = max(0, stage.count - _NEW)
    paths = await anyio.to_thread.run_sync(_written, folder, 0, known)
    async with stage.session() as session:
        assets = tuple(acomps.AssetCollectionFile.from_path(path, file_name=path.stem) for path in paths)
        await session.asset_collections.save(acomps.AssetCollection(assets=assets))
    await anyio.to_thread.run_sync(_written, folder, known, stage.count)
    return {"path": str(folder)}


def _written(folder: Path, first: int, end: int) -> list[Path]:
    paths = [folder / f"{number // 100:02}" / f"{number}.bin" for number in range(first, end)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(urandom(_FILE_BYTES))
    return paths


COLLECTION: Final = Workload(
    name="collection",
    title="collection of {count} files, 100 of them new",
    count=5_000,
    quick=300,
    ways={"acomps": from_directory},
    fresh=new_tree,
)

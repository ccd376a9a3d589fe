"""Files of many simulations -> one CSV file, a frame at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from acomps.errors import UsageError
from acomps.results.frames import ROWS, frames
from acomps.results.publish import publishing

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import BinaryIO

    import polars as pl

    from acomps.results.readers import Reader
    from acomps.results.sources import Source, Unreadable
    from acomps.results.tag_columns import TagsWanted

__all__ = ["to_csv"]


async def to_csv(
    source: Source,
    to: Path | str,
    *,
    reader: Reader = "insetchart",
    channels: Collection[str] | None = None,
    tags: TagsWanted = None,
    path: str | None = None,
    rows: int = ROWS,
    unreadable: Unreadable = "raise",
) -> Path:
    """Write the files of any number of simulations to one CSV file with a header; as `to_parquet` in all else."""
    target = Path(to)
    first = True

    def append(file: BinaryIO, part: pl.DataFrame, header: bool) -> None:
        part.write_csv(file, include_header=header)

    with publishing(target) as draft, draft.open("wb") as file:
        async for part in frames(
            source, reader=reader, channels=channels, tags=tags, path=path, rows=rows, unreadable=unreadable
        ):
            await anyio.to_thread.run_sync(append, file, part, first)
            first = False
        if first:
            raise UsageError(f"there is nothing to write to {target}: no simulation has left a file")
    return target

"""Files of many simulations -> one Parquet file, a row group at a time."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import anyio.to_thread

from acomps.errors import ExtraMissing, UsageError
from acomps.results.frames import ROWS, frames
from acomps.results.publish import publishing

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from acomps.results.readers import Reader
    from acomps.results.sources import Source, Unreadable
    from acomps.results.tag_columns import TagsWanted

__all__ = ["to_parquet"]


class _Writer(Protocol):
    """What is used of pyarrow's writer; pyarrow itself has no types."""

    def write_table(self, table: object) -> None: ...
    def close(self) -> None: ...


class _Parquet(Protocol):
    def ParquetWriter(self, where: Path, schema: object, *, compression: str) -> _Writer: ...


class _Table(Protocol):
    schema: object


async def to_parquet(
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
    """Write the files of any number of simulations to one Parquet file, of which about `rows` rows are in memory.

    The columns are those of `frames`, which takes the same arguments. Returns the path of the file, which appears
    under its name when it is whole, and replaces one that was there. Needs the extra "data".
    """
    parquet = _pyarrow_parquet()
    target = Path(to)
    writer: _Writer | None = None
    with publishing(target) as draft:
        try:
            async for part in frames(
                source, reader=reader, channels=channels, tags=tags, path=path, rows=rows, unreadable=unreadable
            ):
                table = await anyio.to_thread.run_sync(_arrow, part)
                writer = writer or parquet.ParquetWriter(draft, table.schema, compression="zstd")
                await anyio.to_thread.run_sync(writer.write_table, table)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise UsageError(f"there is nothing to write to {target}: no simulation has left a file")
    return target


def _pyarrow_parquet() -> _Parquet:
    try:
        return cast("_Parquet", importlib.import_module("pyarrow.parquet"))
    except ImportError as error:
        raise ExtraMissing("a Parquet file", "data") from error


def _arrow(part: pl.DataFrame) -> _Table:
    return cast("_Table", part.to_arrow())  # pyright: ignore[reportUnknownMemberType] - pyarrow has no types

"""Files of many simulations -> polars frames, a bounded number of rows at a time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.errors import UsageError
from acomps.results.errors import UnreadableOutput
from acomps.results.readers import Reader, Run, read_run, require_data
from acomps.results.sources import Content, Source, Unreadable, contents, unreadable_is
from acomps.results.tag_columns import TagColumns, TagsWanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    import polars as pl

__all__ = ["ID", "frame", "frames", "runs"]

#: The column of the simulations' ids.
ID: Final = "simulation"
#: A frame of a stream has about so many rows: with 15 channels, about 15 MB.
ROWS: Final = 100_000
#: So many files are read in one go, in a thread.
FILES_AT_ONCE: Final = 32


async def frames(
    source: Source,
    *,
    reader: Reader = "insetchart",
    channels: Collection[str] | None = None,
    tags: TagsWanted = None,
    path: str | None = None,
    rows: int = ROWS,
    unreadable: Unreadable = "raise",
) -> AsyncIterator[pl.DataFrame]:
    """The files of many simulations as frames of about `rows` rows, read as they come; needs the extra "data".

    A frame has a column `simulation`, the tags, then what is in the files: for "insetchart" the `time` in days and the
    channels. A tag whose name is taken is `tag_<name>`. All frames have the columns and types of the first one, where
    tags that read as numbers are floating-point numbers; `tags={"Run_Number": int, "place": str}` says otherwise.
    `channels` and `tags` choose columns, `path` is a pattern for the paths of harvested files.

        async for part in frames(comps.harvest(experiment, "output/InsetChart.json"), channels=["Infected"]):
            print(part.group_by("Base_Infectivity_Constant").agg(pl.col("Infected").max()))
    """
    require_data("a frame of results")
    columns: TagColumns | None = None
    schema: pl.Schema | None = None
    async for found in runs(source, reader=reader, channels=channels, path=path, rows=rows, unreadable=unreadable):
        columns = columns or TagColumns.of((run.simulation for run in found), tags, whole=False)
        part = await anyio.to_thread.run_sync(_joined, found, columns, schema)
        schema = part.schema
        yield part


async def frame(
    source: Source,
    *,
    reader: Reader = "insetchart",
    channels: Collection[str] | None = None,
    tags: TagsWanted = None,
    path: str | None = None,
    unreadable: Unreadable = "raise",
) -> pl.DataFrame:
    """All files as one frame, in memory; see `frames`. Whole numbers in tags stay whole. `.to_pandas()` works."""
    require_data("a frame of results")
    read = runs(source, reader=reader, channels=channels, path=path, rows=ROWS, unreadable=unreadable)
    found = [run async for several in read for run in several]
    if not found:
        raise UsageError("there is nothing to make a frame of: no simulation has left a file")
    columns = TagColumns.of((run.simulation for run in found), tags, whole=True)
    return await anyio.to_thread.run_sync(_joined, found, columns, None)


async def runs(
    source: Source,
    *,
    reader: Reader,
    channels: Collection[str] | None,
    path: str | None,
    rows: int,
    unreadable: Unreadable,
) -> AsyncIterator[Sequence[Run]]:
    """The tables of the files in lists of about `rows` rows together, and never none."""
    if isinstance(channels, str):
        raise UsageError(f"channels is a list of names: [{channels!r}]")
    waiting: deque[Content] = deque()
    found: list[Run] = []
    size = 0

    def read() -> int:
        """Read what waits until there are enough rows; the next call goes on."""
        added = 0
        while waiting and size + added < rows:
            try:
                run = read_run(waiting.popleft(), reader, channels)
            except UnreadableOutput as error:
                unreadable_is(unreadable, error)
                continue
            found.append(run)
            added += run.table.height
        return added

    async for content in contents(source, path):
        waiting.append(content)
        while len(waiting) >= FILES_AT_ONCE:
            size += await anyio.to_thread.run_sync(read)
            if size >= rows:
                yield found
                found, size = [], 0
    while waiting:
        size += await anyio.to_thread.run_sync(read)
        if size >= rows:
            yield found
            found, size = [], 0
    if found:
        yield found


def _joined(found: Sequence[Run], columns: TagColumns, schema: pl.Schema | None) -> pl.DataFrame:
    """One frame of several tables, with ids and tags; of the schema of those before it, if there were some."""
    import polars as pl

    taken = {ID, *(name for run in found for name in run.table.columns)}
    names = {name: f"tag_{name}" if name in taken else name for name in columns.types}
    kinds = {str: pl.String(), float: pl.Float64(), int: pl.Int64()}
    parts: list[pl.DataFrame] = []
    for run in found:
        if ID in run.table.columns:
            raise UsageError(
                f"the file of {run.simulation.described} has a column {ID!r}, which is the name of the ids"
            )
        values = columns.values(run.simulation)
        front = [pl.lit(str(run.simulation.id)).alias(ID)]
        front += [pl.lit(values[name], dtype=kinds[kind]).alias(names[name]) for name, kind in columns.types.items()]
        parts.append(run.table.select(*front, pl.all()))
    alike = all(part.schema == parts[0].schema for part in parts)
    joined = pl.concat(parts, how="vertical" if alike else "diagonal_relaxed", rechunk=True)
    return joined if schema is None else _fitted(joined, schema)


def _fitted(part: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The same with the columns of `schema`; what it has not is null, and what does not fit is named."""
    import polars as pl

    for name, kind in part.schema.items():
        if name not in schema:
            raise UsageError(f"the column {name!r} is not in the files before: say with channels=[...] which to have")
        fits = kind == schema[name] or kind == pl.Null or (kind.is_integer() and schema[name].is_float())
        if not fits:
            raise UsageError(f"the column {name!r} is {kind} here and {schema[name]} in the files before")
    return part.select(
        pl.col(name).cast(kind) if name in part.schema else pl.lit(None, dtype=kind).alias(name)
        for name, kind in schema.items()
    )

"""Files of many simulations -> a Zarr store that xarray reads: one array of simulation x time for each channel."""

from __future__ import annotations

import importlib
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from acomps.errors import ExtraMissing, UsageError
from acomps.results.frames import ID, runs
from acomps.results.publish import publishing_folder
from acomps.results.readers import TIME
from acomps.results.tag_columns import TagColumns

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from acomps.entities import Simulation
    from acomps.results.readers import Reader, Run
    from acomps.results.sources import Source, Unreadable
    from acomps.results.tag_columns import TagsWanted

__all__ = ["to_zarr"]

#: A chunk has the values of so many simulations at so many times, at most: 2 MiB.
CHUNK_SIMULATIONS: Final = 64
CHUNK_TIMES: Final = 4_096
_TIME_UNITS: Final = frozenset({"days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"})
#: So many rows of the tables are read before they are written.
ROWS: Final = 100_000


async def to_zarr(
    source: Source,
    to: Path | str,
    *,
    reader: Reader = "insetchart",
    channels: Collection[str] | None = None,
    tags: TagsWanted = None,
    path: str | None = None,
    time: str = TIME,
    unreadable: Unreadable = "raise",
) -> Path:
    """Write the files of any number of simulations to a Zarr store (format 3); a bounded part of them is in memory.

    `xarray.open_zarr(path)` gives a dataset with one variable per channel over `simulation` and `time`, and the tags
    as coordinates along `simulation`. All simulations must have the same times, which are the column `time`, and the
    same numeric channels. The folder appears under its name when it is whole, and replaces a store that was there.
    The other arguments are those of `frames`. Needs the extra "data".

        dataset = xarray.open_zarr(await to_zarr(comps.harvest(experiment, "output/InsetChart.json"), "runs.zarr"))
        dataset["Infected"].groupby("Base_Infectivity_Constant").median()
    """
    try:
        importlib.import_module("zarr")
    except ImportError as error:
        raise ExtraMissing("a Zarr store", "data") from error
    target = Path(to)
    with publishing_folder(target, "zarr.json") as draft:
        store: _Store | None = None
        async for found in runs(source, reader=reader, channels=channels, path=path, rows=ROWS, unreadable=unreadable):
            if store is None:
                store = await anyio.to_thread.run_sync(_Store, draft, found[0], time)
            await anyio.to_thread.run_sync(store.add, found)
        if store is None:
            raise UsageError(f"there is nothing to write to {target}: no simulation has left a file")
        await anyio.to_thread.run_sync(store.finish, tags)
    return target


class _Store:
    """A store that is being written; all of it blocks. Whole chunks are written, and each one once."""

    def __init__(self, folder: Path, first: Run, time: str) -> None:
        import zarr

        self._time = time
        if time not in first.table.columns:
            raise UsageError(
                f"the file of {first.simulation.described} has no column {time!r}; say with time=... which one has the "
                f"times: {', '.join(first.table.columns)}"
            )
        self._times = _numbers(first, time)
        self._channels = [name for name in first.table.columns if name != time]
        steps = len(self._times)
        self._at_once = max(1, min(CHUNK_SIMULATIONS, ROWS // max(1, steps)))
        # Among what zarr takes for a store are things of packages without types.
        self._group = zarr.create_group(folder, zarr_format=3)  # pyright: ignore[reportUnknownMemberType]
        self._arrays = {
            name: self._group.create_array(
                _array_name(name),
                shape=(0, steps),
                chunks=(self._at_once, max(1, min(steps, CHUNK_TIMES))),
                dtype="float64",
                fill_value=math.nan,
                dimension_names=(ID, TIME),
                attributes={**_described(name, first.units.get(name, ""))},
            )
            for name in self._channels
        }
        if len({array.name for array in self._arrays.values()} | {ID, TIME}) < len(self._arrays) + 2:
            raise UsageError(f"the channels {', '.join(self._channels)} cannot all have arrays of their own names")
        self._simulations: list[Simulation] = []
        self._waiting: list[list[NDArray[np.float64]]] = []

    def add(self, found: Sequence[Run]) -> None:
        """Take in the tables of some simulations."""
        for run in found:
            self._require_alike(run)
            self._simulations.append(run.simulation)
            self._waiting.append([_numbers(run, name) for name in self._channels])
            if len(self._waiting) == self._at_once:
                self._write()

    def finish(self, tags: TagsWanted) -> None:
        """Write what is left, and the coordinates."""
        import zarr

        if self._waiting:
            self._write()
        self._coordinate(TIME, [*map(float, self._times)], "float64", TIME)
        self._coordinate(ID, [str(simulation.id) for simulation in self._simulations], "string", ID)
        columns = TagColumns.of(self._simulations, tags, whole=True)
        rows = [columns.values(simulation) for simulation in self._simulations]
        names = {name: _tag_name(name, {ID, TIME, *map(_array_name, self._channels)}) for name in columns.types}
        for name, kind in columns.types.items():
            values = [row[name] for row in rows]
            if kind is str:
                self._coordinate(names[name], ["" if value is None else value for value in values], "string", ID)
            else:
                whole = kind is int and None not in values
                numbers = [math.nan if value is None else value for value in values]
                self._coordinate(names[name], numbers, "int64" if whole else "float64", ID)
        # What CF calls auxiliary coordinates; a name with a space in it cannot be in that list.
        self._group.attrs["coordinates"] = " ".join(name for name in names.values() if " " not in name)
        with warnings.catch_warnings():
            # All readers of format 3 know consolidated metadata by now; it is not in the specification yet.
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(self._group.store)  # pyright: ignore[reportUnknownMemberType] - as above

    def _write(self) -> None:
        import numpy as np

        for place, name in enumerate(self._channels):
            self._arrays[name].append(np.stack([run[place] for run in self._waiting]), axis=0)
        self._waiting.clear()

    def _coordinate(self, name: str, values: Sequence[object], dtype: str, dimension: str) -> None:
        import numpy as np

        array = self._group.create_array(
            name, shape=(len(values),), chunks=(max(1, len(values)),), dtype=dtype, dimension_names=(dimension,)
        )
        if values:
            array[:] = np.array(values, dtype=object if dtype == "string" else dtype)

    def _require_alike(self, run: Run) -> None:
        import numpy as np

        if sorted(run.table.columns) != sorted([self._time, *self._channels]):
            other = sorted({self._time, *self._channels} ^ set(run.table.columns))
            raise UsageError(
                f"the file of {run.simulation.described} has other channels than the first one ({', '.join(other)}): "
                "say with channels=[...] which ones to have"
            )
        times = _numbers(run, self._time)
        if not np.array_equal(times, self._times):
            raise UsageError(
                f"the times of {run.simulation.described} are {_extent(times)}, those of the first simulation are "
                f"{_extent(self._times)}: a Zarr store needs the same ones; frames and to_parquet take any"
            )


def _numbers(run: Run, name: str) -> NDArray[np.float64]:
    import polars as pl

    column = run.table[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise UsageError(
            f"the column {name!r} of {run.simulation.described} holds {column.dtype} and no numbers: "
            "say with channels=[...] which columns to have"
        )
    return column.cast(pl.Float64).fill_null(math.nan).to_numpy()


def _extent(times: NDArray[np.float64]) -> str:
    return f"{len(times)} from {times[0]:g} to {times[-1]:g}" if len(times) else "none"


def _array_name(name: str) -> str:
    """A slash would be a folder."""
    return name.replace("/", "_")


def _tag_name(name: str, taken: set[str]) -> str:
    safe = _array_name(name)
    return f"tag_{safe}" if safe in taken else safe


def _described(name: str, units: str) -> Mapping[str, str]:
    """Attributes; xarray would take bare units of time for a time difference, so these are left to the name."""
    attributes = {"long_name": name}
    if units and units.lower() not in _TIME_UNITS:
        attributes["units"] = units
    return attributes

"""Files -> tables: InsetChart-shaped JSON, CSV, or whatever a function makes of bytes."""

from __future__ import annotations

import difflib
import importlib
import io
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

from acomps.errors import ExtraMissing, UsageError
from acomps.results.errors import UnreadableOutput
from acomps.results.insetchart import InsetChart, read_inset_chart

if TYPE_CHECKING:
    import polars as pl

    from acomps.entities import Simulation
    from acomps.results.sources import Content

__all__ = ["TIME", "Read", "Reader", "Run", "read_run", "require_data"]

#: The column of the time, in days where the file says so.
TIME: Final = "time"

#: What a reader of one's own may give: columns, rows, or a frame.
Read: TypeAlias = "Mapping[str, Collection[object]] | Iterable[Mapping[str, object]] | pl.DataFrame"
Reader: TypeAlias = Literal["insetchart", "csv"] | Callable[[bytes], Read]


class Run(NamedTuple):
    """A simulation and its table; `units` are those of its columns, as far as they are known."""

    simulation: Simulation
    table: pl.DataFrame
    units: Mapping[str, str]


def require_data(feature: str) -> None:
    """Better to know now than after the harvest."""
    try:
        importlib.import_module("polars")
    except ImportError as error:
        raise ExtraMissing(feature, "data") from error


def read_run(content: Content, reader: Reader, channels: Collection[str] | None) -> Run:
    """The table of one file, with all its channels or only the named ones. Blocks; UnreadableOutput names the file."""
    if reader == "insetchart":
        chart = content.data if isinstance(content.data, InsetChart) else _chart(content, channels)
        return Run(content.simulation, _table_of(chart, channels), {name: chart[name].units for name in chart.channels})
    try:
        table = _columns(reader, content.read())
    except OSError as error:
        raise UnreadableOutput(f"{content.name} cannot be read: {error.strerror or error}") from error
    except (UsageError, UnreadableOutput):
        raise
    except Exception as error:  # the reader may be anybody's
        raise UnreadableOutput(f"{content.name} cannot be read: {type(error).__name__}: {error}") from error
    return Run(content.simulation, table if channels is None else _only(table, channels, content.name), {})


def _chart(content: Content, channels: Collection[str] | None) -> InsetChart:
    data = content.data if not isinstance(content.data, InsetChart) else b""
    chart = read_inset_chart(data, channels=channels, name=content.name)
    if channels is None or all(name in chart.channels for name in channels):
        return chart
    # The error about the one that is missing names the nearest of all that there are.
    return read_inset_chart(data, name=content.name)


def _table_of(chart: InsetChart, channels: Collection[str] | None) -> pl.DataFrame:
    import polars as pl

    names = [*chart.channels] if channels is None else [*channels]
    found = {name: chart[name].data for name in names}
    steps = len(next(iter(found.values()))) if found else 0
    time = pl.Series(TIME, [chart.day(step) for step in range(steps)], dtype=pl.Float64)
    return pl.DataFrame([time, *(pl.Series(name, data, dtype=pl.Float64) for name, data in found.items())])


def _columns(reader: Reader, data: bytes) -> pl.DataFrame:
    import polars as pl

    if reader == "csv":
        # All rows decide what a column is: a number that first appears in the last row is no surprise.
        return pl.read_csv(io.BytesIO(data), infer_schema_length=None)
    if isinstance(reader, str):
        raise UsageError(f"there is no reader {reader!r}: it is 'insetchart', 'csv', or a function of bytes")
    read = reader(data)
    if isinstance(read, pl.DataFrame):
        return read
    if isinstance(read, Mapping):
        columns = cast("Mapping[str, Collection[object]]", read)
        return pl.DataFrame([pl.Series(name, [*values]) for name, values in columns.items()])
    return pl.DataFrame([*read], infer_schema_length=None)


def _only(table: pl.DataFrame, channels: Collection[str], name: str) -> pl.DataFrame:
    for channel in channels:
        if channel not in table.columns:
            near = difflib.get_close_matches(channel, table.columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table.columns)}"
            raise UnreadableOutput(f"{name} has no column {channel!r}: {hint}")
    return table.select(*([TIME] if TIME in table.columns and TIME not in channels else []), *channels)

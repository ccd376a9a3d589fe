"""From harvested files to knowledge: frames, Parquet, Zarr; charts of simulations, a summary, a picture."""

from acomps.results.chart import chart
from acomps.results.csv_file import to_csv
from acomps.results.errors import UnreadableOutput
from acomps.results.frames import frame, frames
from acomps.results.insetchart import Channel, InsetChart, read_inset_chart
from acomps.results.outcome import Outcome
from acomps.results.parquet import to_parquet
from acomps.results.summary import Summary, summarise, write_summary
from acomps.results.zarr_store import to_zarr

__all__ = [
    "Channel",
    "InsetChart",
    "Outcome",
    "Summary",
    "UnreadableOutput",
    "chart",
    "frame",
    "frames",
    "read_inset_chart",
    "summarise",
    "to_csv",
    "to_parquet",
    "to_zarr",
    "write_summary",
]

"""The lines of a comparison as a table, as JSON, and as a picture."""

# matplotlib's own stubs leave its keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.run import Line

__all__ = ["HEAD", "draw", "machine", "ratio", "row", "write_json"]

HEAD: Final = (
    f"{'workload':<46}{'ms':>5}  {'way':<20}{'wall s':>8}{'range':>14}{'CPU s':>8}{'peak MiB':>10}"
    f"{'requests':>10}{'connections':>13}{'sent kB':>11}{'received kB':>13}{'pyCOMPS takes':>15}"
)


def machine() -> str:
    """Where the figures come from."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def wall_s(line: Line) -> float:
    """The median of the wall seconds."""
    return statistics.median(run.wall_s for run in line.runs)


def ratio(line: Line, peer: Line | None) -> float | None:
    """How many times longer pyCOMPS takes for the same."""
    return None if peer is None or peer is line else wall_s(peer) / wall_s(line)


def row(line: Line, peer: Line | None) -> str:
    """One line of the table; counts and bytes are those of the last run."""
    walls = [run.wall_s for run in line.runs]
    times = ratio(line, peer)
    traffic = line.runs[-1].traffic
    return (
        f"{line.title:<46}{line.latency_ms:>5}  {line.way:<20}{wall_s(line):>8.2f}"
        f"{f'{min(walls):.2f}-{max(walls):.2f}':>14}{statistics.median(run.cpu_s for run in line.runs):>8.2f}"
        f"{max(run.peak_mib for run in line.runs):>10.0f}{traffic.requests:>10,}{traffic.connections:>13,}"
        f"{traffic.received / 1000:>11,.0f}{traffic.sent / 1000:>13,.0f}{f'{times:.1f} x' if times else '':>15}"
    )


def write_json(path: Path, lines: Sequence[Line]) -> None:
    """Every run of every line."""
    document = {"machine": machine(), "lines": [asdict(line) for line in lines]}
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def draw(path: Path, lines: Sequence[Line]) -> None:
    """How many times longer pyCOMPS takes, one bar per workload and delay; PNG, SVG or PDF by the file's name."""
    from matplotlib.figure import Figure  # an extra

    peers = {(line.workload, line.latency_ms): line for line in lines if line.way == "pyCOMPS"}
    bars = [
        (f"{line.title}, {line.latency_ms} ms", times)
        for line in lines
        if line.way == "acomps" and (times := ratio(line, peers.get((line.workload, line.latency_ms)))) is not None
    ]
    figure = Figure(figsize=(9, 0.7 + 0.36 * len(bars)), layout="constrained")
    axes = figure.subplots()
    names = [name for name, _ in bars]
    drawn = axes.barh(names, [times for _, times in bars], color="#3b6ea5")
    axes.bar_label(drawn, [f"{times:.1f}" for _, times in bars], padding=3)
    axes.axvline(1, color="#888888", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.1)
    axes.invert_yaxis()
    axes.set_xlabel("wall seconds of pyCOMPS for each of acomps (1: both take as long)")
    axes.set_title(machine(), fontsize="medium", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)

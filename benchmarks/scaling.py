"""`python -m benchmarks.scaling`: saving and listing 1,000, 10,000 and 100,000 simulations, and how cost grows."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from acomps.comps.child import start_service
from benchmarks.report import machine
from benchmarks.run import run_process
from benchmarks.workload import Stage
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["exponent"]


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of the straight line through the logarithms: 1 means that twice the work costs twice as much."""
    xs, ys = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)


async def measure(sizes: Sequence[int]) -> None:
    """Each size on a fresh service; prints as it goes."""
    print(machine())
    print(f"{'workload':<12}{'simulations':>12}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}")
    for name, way in (("save", "acomps"), ("list", "acomps"), ("list", "acomps, iterate")):
        workload = WORKLOADS[name]
        walls: list[float] = []
        peaks: list[float] = []
        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as folder:
                files = Path(folder) / "files"
                files.mkdir()
                async with start_service(Path(folder) / "data") as service:
                    prepared = await workload.prepare(Stage(service=service, folder=files, count=size))
                    job = {"workload": name, "way": way, "count": str(size), "folder": str(files), **prepared}
                    cost = await run_process(service, job)
            walls.append(cost["wall_s"])
            peaks.append(cost["peak_mib"])
            label = name if way == "acomps" else "iterate"
            print(
                f"{label:<12}{size:>12,}{cost['wall_s']:>9.2f}{cost['cpu_s']:>9.2f}{cost['peak_mib']:>10.0f}",
                flush=True,
            )
        print(f"{'':<12}{'exponent':>12}{exponent(sizes, walls):>9.2f}{'':>9}{exponent(sizes, peaks):>10.2f}")


def main() -> int:
    """Parse the command line, measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="numbers of simulations")
    anyio.run(measure, parser.parse_args().sizes)
    return 0


if __name__ == "__main__":
    sys.exit(main())

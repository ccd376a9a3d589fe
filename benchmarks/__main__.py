"""`python -m benchmarks`: what things cost here, side by side with pyCOMPS doing the same on the same service.

Both sides run in turn, each run in a fresh process, with the defaults that every user has. pyCOMPS needs an interpreter
that has idm-pycomps 2.11.0: `--pycomps PYTHON`, or the environment variable ACOMPS_PYCOMPS_PYTHON; without one only
acomps is measured.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

import acomps
from benchmarks.report import HEAD, draw, machine, row, write_json
from benchmarks.run import PEER, compare
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from benchmarks.run import Line


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="one small round of each without delays, under a minute")
    made.add_argument("--only", action="append", choices=[*WORKLOADS], help="one workload; can be given several times")
    made.add_argument("--rounds", type=int, default=3, help="the table has their medians (3)")
    made.add_argument("--count", type=int, help="how much of each workload, instead of what it has by itself")
    made.add_argument("--latency-ms", type=int, nargs="+", help="delays of every answer, instead of the workload's own")
    made.add_argument("--pycomps", metavar="PYTHON", default=os.environ.get("ACOMPS_PYCOMPS_PYTHON"))
    made.add_argument("--json", type=Path, help="write every run to this file")
    made.add_argument("--plot", type=Path, help="draw the ratios into this PNG, SVG or PDF file (extra: plots)")
    return made


async def run_all(chosen: argparse.Namespace) -> list[Line]:
    """All chosen workloads; their lines are printed as they come."""
    found: list[Line] = []
    print(machine())
    print(HEAD, flush=True)
    for name in chosen.only or WORKLOADS:
        workload = WORKLOADS[name]
        lines_of_delays = compare(
            workload,
            count=chosen.count or (workload.quick if chosen.quick else workload.count),
            rounds=1 if chosen.quick else chosen.rounds,
            python=chosen.pycomps,
            latencies_ms=tuple(chosen.latency_ms or ((0,) if chosen.quick else workload.latencies_ms)),
        )
        async for lines in lines_of_delays:
            peer = next((line for line in lines if line.way == PEER), None)
            for line in lines:
                print(row(line, peer), flush=True)
            found += lines
    return found


def main() -> int:
    """Parse the command line, run, print, write, draw."""
    chosen = parser().parse_args()
    try:
        lines = anyio.run(run_all, chosen)
    except (acomps.AcompsError, subprocess.CalledProcessError) as exc:
        print(exc, file=sys.stderr)
        return 1
    if chosen.json is not None:
        write_json(chosen.json, lines)
    if chosen.plot is not None:
        draw(chosen.plot, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks [--quick] [--only NAME] [--latency-ms N] [--json FILE]`: a table of what things cost."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import anyio
import orjson

import acomps
from acomps.comps.child import Service, start_service
from benchmarks.measure import Measured
from benchmarks.workloads import WORKLOADS


async def run_once(workload: str, count: int, service: Service) -> Measured:
    """One run in a process of its own, so that nothing of the run before helps or hinders it."""
    job = {
        "workload": workload,
        "count": count,
        "url": service.url,
        "username": service.username,
        "password": service.password,
    }
    done = await anyio.run_process([sys.executable, "-m", "benchmarks.measure"], input=orjson.dumps(job), stderr=None)
    return Measured(**orjson.loads(done.stdout))


async def run_all(chosen: argparse.Namespace) -> list[list[Measured]]:
    """All rounds of all chosen workloads, in turn, against one service in its own process."""
    names = [chosen.only] if chosen.only else [*WORKLOADS]
    if chosen.only == "list":
        names = ["save", "list"]
    count, rounds = (1_000, 1) if chosen.quick else (chosen.count, chosen.rounds)
    found: dict[str, list[Measured]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as folder:
        async with start_service(Path(folder), latency_ms=chosen.latency_ms) as service:
            for _ in range(rounds):
                for name in names:
                    found[name].append(await run_once(name, count, service))
    return list(found.values())


def machine() -> str:
    """Where the figures come from."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(results: list[list[Measured]]) -> str:
    """Medians of the rounds, one line per workload."""
    lines = [f"{'workload':<12}{'things':>9}{'wall s':>9}{'CPU s':>9}{'per s':>10}{'grown MiB':>11}{'peak MiB':>10}"]
    for rounds in results:
        middle = sorted(rounds, key=lambda one: one.wall_s)[len(rounds) // 2]
        walls = statistics.median(one.wall_s for one in rounds)
        lines.append(
            f"{middle.workload:<12}{middle.things:>9,}{walls:>9.2f}{middle.cpu_s:>9.2f}{middle.per_s:>10,.0f}"
            f"{middle.grown_mib:>11.1f}{middle.peak_mib:>10.1f}"
        )
    return "\n".join(lines)


def main() -> int:
    """Parse the command line, run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round of each, under a minute")
    parser.add_argument("--only", choices=[*WORKLOADS], help="one workload (list needs what save leaves)")
    parser.add_argument("--count", type=int, default=10_000, help="simulations per round (10000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each workload (3)")
    parser.add_argument("--latency-ms", type=int, default=0, help="delay of every answer (0)")
    parser.add_argument("--json", type=Path, help="write all rounds to this file as well")
    chosen = parser.parse_args()
    try:
        results = anyio.run(run_all, chosen)
    except (acomps.AcompsError, subprocess.CalledProcessError) as exc:
        print(exc, file=sys.stderr)
        return 1
    print(machine())
    print(table(results))
    if chosen.json is not None:
        rounds = [asdict(one) for group in results for one in group]
        chosen.json.write_bytes(
            orjson.dumps(
                {"machine": machine(), "latency_ms": chosen.latency_ms, "rounds": rounds}, option=orjson.OPT_INDENT_2
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

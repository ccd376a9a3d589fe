"""This project and pyCOMPS at the same work, in turn, each run in a process of its own."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import orjson

import acomps
from benchmarks.pycomps_peer import peak_mib

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from acomps.comps.child import Service

__all__ = ["PEER", "Cost", "Job", "arguments", "ours", "run_job", "table", "theirs", "work_once"]

Job: TypeAlias = dict[str, str]
#: What marks pyCOMPS's line of a workload.
PEER: Final = ", pyCOMPS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run cost the client."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def arguments(program: str, description: str | None) -> argparse.ArgumentParser:
    """What all comparisons take on the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--rounds", type=int, default=3, help="the table has their medians (3)")
    parser.add_argument("--latency-ms", type=int, default=0, help="delay of every answer (0)")
    parser.add_argument("--pycomps", metavar="PYTHON", help="an interpreter with idm-pycomps 2.11.0, to compare with")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    return parser


def ours(program: str) -> list[str]:
    """The command that does one job with this project."""
    return [sys.executable, "-m", program, "--work"]


def theirs(python: str | None) -> list[str] | None:
    """The command that does one job with pyCOMPS, if there is an interpreter that has it."""
    return [python, str(Path(__file__).with_name("pycomps_peer.py"))] if python else None


async def run_job(command: list[str], service: Service, job: Job) -> Cost:
    """Have a process do the job."""
    login = {"url": service.url, "username": service.username, "password": service.password}
    done = await anyio.run_process(command, input=orjson.dumps({**login, **job}), stderr=None, cwd=job["folder"])
    return Cost(**orjson.loads(done.stdout.splitlines()[-1]))


async def work_once(work: Callable[[acomps.Session, Job], Awaitable[object]]) -> None:
    """This project's side of a job, which comes on stdin; the login is not measured."""
    job: Job = orjson.loads(sys.stdin.buffer.read())
    folder = Path(job["folder"])
    settings = acomps.Settings(hash_cache_dir=folder, token_cache_dir=folder)
    async with acomps.connect(
        job["url"], username=job["username"], password=job["password"], settings=settings
    ) as session:
        await session.environments.list()
        wall, cpu = time.perf_counter(), time.process_time()
        await work(session, job)
        cost = Cost(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu, peak_mib=peak_mib())
    sys.stdout.buffer.write(b"\n" + orjson.dumps(cost))


def table(found: Mapping[str, list[Cost]]) -> str:
    """Medians of the rounds, and how many times longer pyCOMPS takes."""
    lines = [f"{'workload':<22}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'pyCOMPS':>10}"]
    for name, costs in found.items():
        wall = statistics.median(cost.wall_s for cost in costs)
        cpu = statistics.median(cost.cpu_s for cost in costs)
        peak = max(cost.peak_mib for cost in costs)
        peer = found.get(name.partition(",")[0] + PEER, [])
        ratio = f"{statistics.median(cost.wall_s for cost in peer) / wall:>9.1f}x" if peer else ""
        lines.append(f"{name:<22}{wall:>9.2f}{cpu:>9.2f}{peak:>10.1f}{ratio}")
    return "\n".join(lines)

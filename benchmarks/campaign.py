"""`python -m benchmarks.campaign [--points N]`: how soon an interrupted campaign is at work again, and what it costs.

A campaign of N simulations is killed (kill -9) when `--left` of them are still to be made; then its own process starts
anew. The clock of "resume" runs from the start of `Campaign.run`, in a process that is connected, to the request for
something that is missing: the order of simulations that were not made yet. "whole" is from the start of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

import acomps
from acomps.campaign import Campaign, CompsGateway, Created, Stage
from acomps.comps.child import start_service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from acomps.campaign import Order

_BASE: Final = {"parameters": {"Base_Infectivity_Constant": 0.5, "Run_Number": 0}, "other": "x" * 1_500}
_EXPERIMENT: Final = acomps.Experiment(
    name="benchmark",
    configuration=acomps.Configuration(
        environment_name="Local", executable_path="/bin/true", simulation_input_args="config.json"
    ),
)


class SeenEnough(acomps.AcompsError):
    """The first order was asked for."""


class Watched(CompsGateway):
    """Tells when the first order is asked for, and kills this process when so many simulations are known."""

    def __init__(self, session: acomps.Session, upto: int) -> None:
        super().__init__(session, _EXPERIMENT)
        self._upto = upto
        self.first_order = self.cpu = self.at = 0.0

    async def create(self, order: Order, note: Callable[[Created], Awaitable[None]]) -> None:
        """The same, observed."""
        if self._upto < 0:
            self.first_order, self.cpu, self.at = time.perf_counter(), time.process_time(), time.time()
            raise SeenEnough

        async def noted(created: Created) -> None:
            await note(created)
            self._upto -= 1
            if self._upto == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        await super().create(order, noted)


def campaign(folder: Path, points: int) -> Campaign:
    """N points on two axes."""
    axes = {"Base_Infectivity_Constant": [n / 100 for n in range(100)], "Run_Number": range(points // 100)}
    stage = Stage(name="sweep", sweep=acomps.sweep(_BASE, axes))
    return Campaign(folder, name="benchmark", experiment=_EXPERIMENT, stages=[stage], outputs=["stdout.txt"])


async def work(folder: Path, url: str, username: str, password: str, points: int, upto: int) -> None:
    """One process with the campaign, until it dies or the first order is asked for."""
    settings = acomps.Settings(token_cache_dir=folder / "tokens")
    async with acomps.connect(url, username=username, password=password, settings=settings) as comps:
        gateway = Watched(comps, upto)
        began = time.perf_counter()
        cpu = time.process_time()
        try:
            await campaign(folder / "campaign", points).run(gateway)
        except SeenEnough:
            told = {"resume": gateway.first_order - began, "cpu": gateway.cpu - cpu, "at": gateway.at}
            print(json.dumps(told), flush=True)


async def measure(chosen: argparse.Namespace) -> None:
    """Make, kill, resume as often as there are rounds."""
    with tempfile.TemporaryDirectory(prefix="acomps-campaign-") as name:
        folder = Path(name)
        async with start_service(folder / "service") as service:

            def run(upto: int) -> str:
                words = [str(folder), service.url, service.username, service.password, str(chosen.points), str(upto)]
                command = [sys.executable, "-m", "benchmarks.campaign", "--work", *words]
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
                )
                return done.stdout

            began = time.perf_counter()
            await anyio.to_thread.run_sync(run, chosen.points - chosen.left)
            print(f"planned, and all but {chosen.left} made, in {time.perf_counter() - began:.1f} s; killed")
            size = sum(one.stat().st_size for one in (folder / "campaign").rglob("*") if one.is_file())
            print(f"the store has {size / 1e6:.1f} MB")
            resumes: list[dict[str, float]] = []
            for _ in range(chosen.rounds):
                started = time.time()
                told: dict[str, float] = json.loads(await anyio.to_thread.run_sync(run, -1))
                resumes.append({**told, "whole": told["at"] - started})
            for what in ("resume", "cpu", "whole"):
                values = [one[what] for one in resumes]
                print(f"{what:<8} {statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})")


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign", description=__doc__)
    parser.add_argument("--points", type=int, default=10_000, help="how many simulations (10000)")
    parser.add_argument("--left", type=int, default=500, help="how many are not made when it is killed (500)")
    parser.add_argument("--rounds", type=int, default=5, help="how often it is resumed (5)")
    parser.add_argument("--work", nargs=6, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        folder, url, username, password, points, upto = chosen.work
        anyio.run(work, Path(folder), url, username, password, int(points), int(upto))
    else:
        anyio.run(measure, chosen)


if __name__ == "__main__":
    main()

"""`python -m benchmarks.running [--count N] [--cores N]`: how many simulations end per second.

Every simulation is `/bin/true` with a file of 2 kB. The clock runs from the commission of the experiment to the end of
its last simulation; the CPU seconds are those of the service and of all that it started.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

import acomps
from acomps.comps.child import start_service
from benchmarks.pycomps_peer import OWN_BYTES

_LOOK_S: Final = 0.1
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What it took to run all of them."""

    count: int
    wall_s: float
    service_cpu_s: float
    simulations_cpu_s: float

    def text(self) -> str:
        """One line per figure."""
        cpu_ms = (self.service_cpu_s + self.simulations_cpu_s) / self.count * 1000
        return (
            f"{self.count / self.wall_s:,.0f} ended per second ({self.count:,} in {self.wall_s:.1f} s, "
            f"{os.cpu_count()} cores)\n"
            f"{cpu_ms:.2f} ms of CPU for each: the service {self.service_cpu_s / self.count * 1000:.2f}, "
            f"the processes {self.simulations_cpu_s / self.count * 1000:.2f}"
        )


def _cpu_s(pid: int) -> tuple[float, float]:
    """CPU seconds of a process so far, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS, (int(fields[13]) + int(fields[14])) / _TICKS


async def run(count: int, cores: int) -> Run:
    """Save, commission, wait for the end."""
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as folder:
        data = Path(folder) / "data"
        async with (
            start_service(data, options=("--cores", str(cores))) as service,
            acomps.connect(service.url, username=service.username, password=service.password) as session,
        ):
            pid = int((data / "lock").read_text(encoding="ascii"))
            experiment = await session.experiments.save(
                acomps.Experiment(
                    name="benchmark",
                    configuration=acomps.Configuration(environment_name="Local", executable_path="/bin/true"),
                )
            )
            simulations = [
                acomps.Simulation(
                    name=f"simulation {number}",
                    experiment_id=experiment.id,
                    files=(acomps.SimulationFile(file_name="config.json", content=b"%d" % number + b" " * OWN_BYTES),),
                )
                for number in range(count)
            ]
            (await session.simulations.save_all(simulations)).raise_for_failures()
            own, theirs = _cpu_s(pid)
            began = time.perf_counter()
            await session.experiments.commission(experiment)
            while True:
                counts = await session.simulations.count_by_state(experiment)
                if all(state.final for state in counts):
                    break
                await anyio.sleep(_LOOK_S)
            wall_s = time.perf_counter() - began
            own_after, theirs_after = _cpu_s(pid)
            if counts != {acomps.SimulationState.SUCCEEDED: count}:
                raise RuntimeError(f"not all succeeded: {counts}")
    return Run(count=count, wall_s=wall_s, service_cpu_s=own_after - own, simulations_cpu_s=theirs_after - theirs)


def main() -> int:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.running", description=__doc__)
    parser.add_argument("--count", type=int, default=2_000, help="simulations (2000)")
    parser.add_argument("--cores", type=int, default=2, help="simulations at the same time (2)")
    chosen = parser.parse_args()
    print(anyio.run(run, chosen.count, chosen.cores).text())
    return 0


if __name__ == "__main__":
    sys.exit(main())

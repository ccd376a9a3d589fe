"""`python -m benchmarks.downloads [--latency-ms N] [--pycomps PYTHON]`: one large output file, side by side.

A simulation makes the file; every run fetches it to the disk, where it is not yet, in a process of its own. The small
files, of which this project alone fetches many at once, show what one file costs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

import acomps
from acomps.comps.child import Service, start_service
from benchmarks.sidebyside import PEER, Cost, Job, arguments, ours, run_job, table, theirs, work_once

if TYPE_CHECKING:
    import argparse

__all__ = ["main"]

_PROGRAM: Final = "benchmarks.downloads"
_OUTPUT: Final = "output/large.bin"
_SMALL: Final = 2_000
_SMALL_BYTES: Final = 20_000
_AT_ONCE: Final = 64


async def work(session: acomps.Session, job: Job) -> None:
    """This project's side of a job."""
    simulation = await session.simulations.get(job["id"])
    folder = Path(job["folder"])
    if job["work"] == "download":
        await session.outputs.download(simulation, _OUTPUT, folder / "ours.bin")
        return
    files = iter(await session.outputs.list(simulation, ["small/*"]))

    async def fetch_some() -> None:
        for file in files:
            await session.outputs.fetch_file(file, folder / "small" / file.file_name)

    async with anyio.create_task_group() as tasks:
        for _ in range(_AT_ONCE):
            tasks.start_soon(fetch_some)


def _clear(folder: Path) -> None:
    """Remove what earlier runs have fetched: freeing its pages takes time too."""
    shutil.rmtree(folder / "small", ignore_errors=True)
    for old in folder.glob("*.bin"):
        old.unlink()


async def made(service: Service, folder: Path, mib: int) -> str:
    """The id of a simulation that has left the files."""
    lines = f"""mkdir output small
head -c {mib * 1024 * 1024} /dev/urandom > {_OUTPUT}
head -c {_SMALL_BYTES} /dev/urandom > small/0
for n in $(seq {_SMALL - 1}); do cp small/0 small/$n; done
"""
    settings = acomps.Settings(token_cache_dir=folder)
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=settings
    ) as session:
        configuration = acomps.Configuration(
            environment_name="Local", executable_path="/bin/sh", simulation_input_args="run.sh"
        )
        experiment = await session.experiments.save(acomps.Experiment(name="benchmark", configuration=configuration))
        file = acomps.SimulationFile(file_name="run.sh", content=lines.encode())
        simulation = await session.simulations.save(
            acomps.Simulation(name="large", experiment_id=experiment.id, files=(file,))
        )
        await session.experiments.commission(experiment)
        while not (simulation.state and simulation.state.final):
            await anyio.sleep(0.1)
            simulation = await session.simulations.refresh(simulation)
        return str(simulation.id)


async def run_all(chosen: argparse.Namespace) -> dict[str, list[Cost]]:
    """All rounds of all contenders, in turn, against one service in its own process."""
    we, they = ours(_PROGRAM), theirs(chosen.pycomps)
    found: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as name:
        folder = Path(name) / "files"
        folder.mkdir()
        async with start_service(Path(name) / "data", latency_ms=chosen.latency_ms) as service:
            simulation = await made(service, folder, chosen.mib)
            for _ in range(chosen.rounds):
                for label, command, doing in (
                    ("download", we, "download"),
                    ("download" + PEER, they, "download"),
                    (f"{_SMALL} small files", we, "small"),
                ):
                    if command is not None:
                        await anyio.to_thread.run_sync(_clear, Path(name))
                        job = {"work": doing, "id": simulation, "path": _OUTPUT, "folder": name}
                        found.setdefault(label, []).append(await run_job(command, service, job))
    return found


def main() -> int:
    """Parse the command line, run, print."""
    parser = arguments(_PROGRAM, __doc__)
    parser.add_argument("--mib", type=int, default=512, help="size of the file (512)")
    chosen = parser.parse_args()
    if chosen.work:
        anyio.run(work_once, work)
        return 0
    print(f"{chosen.mib} MiB, {chosen.latency_ms} ms")
    print(table(anyio.run(run_all, chosen)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks.harvest [--latency-ms N] [--pycomps PYTHON]`: a harvest, side by side with pyCOMPS.

Real simulations, of two files of 20 kB each, are run once; then every round fetches all of them into a new folder.
pyCOMPS does it with get_output_files_for_experiment, in one process per core. `again` is a second harvest of ours into
the same folder. Connections are counted by a proxy, in a round of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

import acomps
from acomps.comps.child import Service, start_service
from benchmarks.pycomps_peer import HARVESTED
from benchmarks.sidebyside import PEER, Cost, Job, arguments, ours, run_job, table, theirs, work_once

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_PROGRAM: Final = "benchmarks.harvest"
_SCRIPT: Final = "\n".join(["mkdir output", *(f"head -c 20000 /dev/urandom > output/{name}" for name in HARVESTED)])
_LOOK_S: Final = 0.5
_BLOCK_BYTES: Final = 256 * 1024


async def harvest(session: acomps.Session, job: Job) -> None:
    """Fetch the two files of every simulation of the job's experiment."""
    patterns = [f"output/{name}" for name in HARVESTED]
    at_once = int(job.get("at_once", 0)) or None
    files = session.harvest(job["experiment"], patterns, into=job["folder"], at_once=at_once, strict=True)
    found = len([file async for file in files])
    assert found == len(patterns) * int(job["count"]), found


async def run_simulations(service: Service, folder: Path, count: int) -> str:
    """The id of an experiment whose simulations have all run."""
    settings = acomps.Settings(token_cache_dir=folder)
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=settings
    ) as session:
        experiment = await session.experiments.save(
            acomps.Experiment(
                name="harvest",
                configuration=acomps.Configuration(
                    environment_name="Local", executable_path="/bin/sh", simulation_input_args="run.sh"
                ),
            )
        )
        script = acomps.SimulationFile(file_name="run.sh", content=_SCRIPT.encode())
        simulations = (
            acomps.Simulation(name=f"{number}", experiment_id=experiment.id, tags={"number": number}, files=(script,))
            for number in range(count)
        )
        (await session.simulations.save_all(simulations)).raise_for_failures()
        await session.experiments.commission(experiment)
        while set(  # noqa: ASYNC110 - it asks a server
            await session.simulations.count_by_state(experiment)
        ) != {acomps.SimulationState.SUCCEEDED}:
            await anyio.sleep(_LOOK_S)
    return str(experiment.id)


@asynccontextmanager
async def counting(service: Service) -> AsyncGenerator[tuple[Service, list[int]]]:
    """The service behind a proxy that counts connections."""
    host, _, port = service.url.rpartition("/")[2].rpartition(":")
    opened = [0]

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_BLOCK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened[0] += 1
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1_024) as server:
        yield replace(service, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), opened


async def compare(count: int, rounds: int, latencies_ms: list[int], python: str | None) -> None:
    """All rounds at all latencies, in turn; the service starts again on the same data for each latency."""
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as name:
        folder = Path(name)
        async with start_service(folder / "data") as service:
            experiment = await run_simulations(service, folder, count)
        job = {"work": "harvest", "count": str(count), "experiment": experiment}
        for latency_ms in latencies_ms:
            async with start_service(folder / "data", latency_ms=latency_ms) as service:
                found = await _rounds(service, folder / f"{latency_ms}", job, rounds, python)
            print(f"{count} simulations x {len(HARVESTED)} files of 20 kB, {latency_ms} ms, {os.cpu_count()} cores")
            print(table(found), flush=True)
        async with start_service(folder / "data") as service, counting(service) as (counted, opened):
            for name, command in _contenders(python).items():
                opened[0] = 0
                await run_job(command, counted, {**job, "folder": _new(folder / f"counted {name}")})
                print(f"{name}: {opened[0]} connections")


def _contenders(python: str | None) -> dict[str, list[str]]:
    found = {"harvest": ours(_PROGRAM)}
    peer = theirs(python)
    if peer is not None:
        found["harvest" + PEER] = peer
    return found


def _new(folder: Path) -> str:
    folder.mkdir(parents=True)
    return str(folder)


async def _rounds(service: Service, folder: Path, job: Job, rounds: int, python: str | None) -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = {}
    for number in range(rounds):
        for name, command in _contenders(python).items():
            into = _new(folder / f"{number} {name}")
            found.setdefault(name, []).append(await run_job(command, service, {**job, "folder": into}))
        into = _new(folder / f"{number} 256")
        wide = {**job, "folder": into, "at_once": "256"}
        found.setdefault("harvest, 256 at once", []).append(await run_job(ours(_PROGRAM), service, wide))
        again = {**job, "folder": str(folder / f"{number} harvest")}
        found.setdefault("again", []).append(await run_job(ours(_PROGRAM), service, again))
    return found


def main() -> int:
    """Parse the command line, run, print."""
    parser = arguments(_PROGRAM, __doc__)
    parser.add_argument("--count", type=int, default=1_000, help="simulations (1000)")
    parser.add_argument("--also-ms", type=int, nargs="*", default=[], help="other delays, afterwards, on the same data")
    chosen = parser.parse_args()
    if chosen.work:
        anyio.run(work_once, harvest)
        return 0
    anyio.run(compare, chosen.count, chosen.rounds, [chosen.latency_ms, *chosen.also_ms], chosen.pycomps)
    return 0


if __name__ == "__main__":
    sys.exit(main())

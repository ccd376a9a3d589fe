"""`python -m benchmarks.saving [--latency-ms N] [--pycomps PYTHON]`: save_all, side by side with pyCOMPS.

Each simulation has three tags, a file of its own of 2 kB, and one of 10 kB that all share. The bytes on the wire are
counted by a proxy, in a round of its own.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

import acomps
from acomps.comps.child import Service, start_service
from benchmarks.pycomps_peer import OWN_BYTES, SHARED_BYTES
from benchmarks.sidebyside import PEER, Cost, Job, arguments, ours, run_job, table, theirs, work_once

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

_PROGRAM: Final = "benchmarks.saving"
_BLOCK_BYTES: Final = 256 * 1024


async def save(session: acomps.Session, job: Job) -> None:
    """Save the simulations of the job."""
    experiment = await session.experiments.save(acomps.Experiment(name="benchmark"))
    report = await session.simulations.save_all(simulations(experiment, int(job["count"])))
    report.raise_for_failures()


def simulations(experiment: acomps.Experiment, count: int) -> Iterator[acomps.Simulation]:
    """Simulations that nobody has saved before, made when they are asked for."""
    run = uuid.uuid4().hex.encode()
    shared = acomps.SimulationFile(file_name="campaign.json", content=run.ljust(SHARED_BYTES))
    for number in range(count):
        content = b"%b %d" % (run, number)
        yield acomps.Simulation(
            name=f"simulation {number}",
            experiment_id=experiment.id,
            tags={"number": number, "Base_Infectivity_Constant": number / count, "model": "SEIR"},
            files=(acomps.SimulationFile(file_name="config.json", content=content.ljust(OWN_BYTES)), shared),
        )


@asynccontextmanager
async def counting(service: Service) -> AsyncGenerator[tuple[Service, list[int]]]:
    """The service behind a proxy that counts the bytes of requests."""
    host, _, port = service.url.rpartition("/")[2].rpartition(":")
    sent = [0]

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: bool) -> None:
        while data := await reader.read(_BLOCK_BYTES):
            sent[0] += len(data) if count else 0
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, up_writer, True), pump(up_reader, writer, False), return_exceptions=True)

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield replace(service, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), sent


async def compare(count: int, rounds: int, latency_ms: int, python: str | None) -> tuple[dict[str, list[Cost]], str]:
    """All rounds, in turn, against one service; then one round in which bytes are counted."""
    contenders = {"save_all": ours(_PROGRAM)}
    peer = theirs(python)
    if peer is not None:
        contenders["save_all" + PEER] = peer
    found: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as folder:
        job = {"work": "save", "count": str(count), "folder": folder}
        async with start_service(Path(folder) / "data", latency_ms=latency_ms) as service:
            for _ in range(rounds):
                for name, command in contenders.items():
                    found.setdefault(name, []).append(await run_job(command, service, job))
            lines: list[str] = []
            for name, command in contenders.items():
                async with counting(service) as (counted, sent):
                    await run_job(command, counted, job)
                    lines.append(f"{name}: {sent[0]:,} bytes sent")
    return found, "\n".join(lines)


def main() -> int:
    """Parse the command line, run, print."""
    parser = arguments(_PROGRAM, __doc__)
    parser.add_argument("--count", type=int, default=2_000, help="simulations (2000)")
    chosen = parser.parse_args()
    if chosen.work:
        anyio.run(work_once, save)
        return 0
    found, sent = anyio.run(compare, chosen.count, chosen.rounds, chosen.latency_ms, chosen.pycomps)
    print(f"{chosen.count} simulations, {chosen.latency_ms} ms")
    print(table(found))
    print(sent)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs of a workload by both sides in turn, A B A B, each in a fresh process, against one service in its own."""

from __future__ import annotations

import base64
import os
import pickle
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import httpx
import orjson

from acomps.comps.child import Service, start_service
from benchmarks.floor import recorded, recording
from benchmarks.workload import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.workload import Job, Workload

__all__ = ["FLOOR", "PEER", "Line", "Run", "compare", "run_process"]

#: How pyCOMPS's lines are marked, and those of what no client can undercut.
PEER: Final = "pyCOMPS"
FLOOR: Final = "floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a service has answered so far, by its own count."""

    connections: int = 0
    requests: int = 0
    received: int = 0
    sent: int = 0

    def since(self, before: Traffic) -> Traffic:
        """What has come in addition, without the question that was asked for this."""
        return Traffic(
            connections=self.connections - before.connections - 1,
            requests=self.requests - before.requests - 1,
            received=self.received - before.received,
            sent=self.sent - before.sent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run cost the client, and what the service saw of it; sizes in MiB and bytes, times in seconds."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    traffic: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """All runs of one way to do a workload at one delay."""

    workload: str
    title: str
    way: str
    latency_ms: int
    count: int
    runs: tuple[Run, ...]


async def compare(
    workload: Workload, *, count: int, rounds: int, python: str | None, latencies_ms: tuple[int, ...]
) -> AsyncIterator[list[Line]]:
    """The lines of each delay, as soon as they are known; without `python` pyCOMPS is left out."""
    with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as name:
        folder = Path(name) / "files"
        folder.mkdir()
        async with start_service(Path(name) / "data") as service:
            prepared = await workload.prepare(Stage(service=service, folder=folder, count=count))
        for latency_ms in latencies_ms:
            async with start_service(Path(name) / "data", latency_ms=latency_ms) as service:
                stage = Stage(service=service, folder=folder / str(latency_ms), count=count)
                stage.folder.mkdir()
                runs = await _rounds(workload, stage, prepared, rounds, python)
            yield [
                Line(
                    workload=workload.name,
                    title=workload.title.format(count=f"{count:,}"),
                    way=way,
                    latency_ms=latency_ms,
                    count=count,
                    runs=tuple(costs),
                )
                for way, costs in runs.items()
            ]


async def _rounds(
    workload: Workload, stage: Stage, prepared: Job, rounds: int, python: str | None
) -> dict[str, list[Run]]:
    """The runs of every way, pyCOMPS's after the first of ours."""
    first, *others = workload.ways
    ways = [first, *([PEER] if python else []), *others]
    found: dict[str, list[Run]] = {way: [] for way in ways}
    counter = await TrafficCounter.of(stage.service)
    for number in range(rounds):
        for way in ways:
            folder = stage.folder / f"{number} {way}"
            folder.mkdir()
            own = replace(stage, folder=folder)
            fresh = await workload.fresh(own, number)
            job = {**prepared, "count": str(stage.count), "folder": str(folder), **fresh}
            job |= {"workload": workload.name, "way": way}
            before = await counter.now()
            cost = await run_process(stage.service, job, python if way == PEER else None)
            found[way].append(Run(**cost, traffic=(await counter.now()).since(before)))
    if workload.floor:
        found[FLOOR] = await _floor(workload, stage, prepared, rounds, counter)
    return found


async def _floor(workload: Workload, stage: Stage, prepared: Job, rounds: int, counter: TrafficCounter) -> list[Run]:
    """What the same requests cost at the least."""
    folder = stage.folder / FLOOR
    folder.mkdir()
    fresh = await workload.fresh(replace(stage, folder=folder), 0)
    job = {**prepared, "count": str(stage.count), "folder": str(folder), **fresh}
    job |= {"workload": workload.name, "way": next(iter(workload.ways)), "recording": str(folder / "requests")}
    async with recording(stage.service) as (proxied, streams):
        await run_process(proxied, job)
    await anyio.Path(job["recording"]).write_bytes(pickle.dumps(recorded(streams)))
    found: list[Run] = []
    for _ in range(rounds):
        before = await counter.now()
        cost = await run_process(stage.service, job, module="benchmarks.floor")
        found.append(Run(**cost, traffic=(await counter.now()).since(before)))
    return found


async def run_process(
    service: Service, job: Job, python: str | None = None, module: str = "benchmarks.client"
) -> dict[str, float]:
    """What the process that does the job says that it cost: with `python` pyCOMPS's, else this project's."""
    login = {"url": service.url, "username": service.username, "password": service.password}
    here = Path(__file__).parent
    if python is not None:
        # It writes its log and what it harvests into the current folder.
        command, folder = [python, str(here / "pycomps_peer.py")], job["folder"]
    else:
        command, folder = [sys.executable, "-m", module], str(here.parent)
    # Tokens that runs before have left in the folder for temporary files would spare this one its login.
    surroundings = {**os.environ, "TMPDIR": job["folder"]}
    done = await anyio.run_process(
        command, input=orjson.dumps({**login, **job}), stderr=None, cwd=folder, env=surroundings
    )
    cost: dict[str, float] = orjson.loads(done.stdout.splitlines()[-1])
    return cost


class TrafficCounter:
    """Asks a service what it has answered."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token

    @classmethod
    async def of(cls, service: Service) -> TrafficCounter:
        """A counter that is logged in."""
        password = base64.b64encode(service.password.encode()).decode()
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{service.url}/api/Tokens", json={"Username": service.username, "Password": password}
            )
        return cls(service.url, answer.raise_for_status().json()["Token"])

    async def now(self) -> Traffic:
        """All that was answered until now, this question included."""
        async with httpx.AsyncClient(headers={"X-COMPS-Token": self._token}) as client:
            answer = await client.get(f"{self._url}/api/Traffic")
        counts: dict[str, int] = answer.raise_for_status().json()["Traffic"]
        return Traffic(**{name.lower(): number for name, number in counts.items()})

"""`python -m benchmarks.service [--only saving|outputs|million|clients]`: what the local service itself can bear.

The clients are as cheap as can be, ready-made requests on plain connections, so that the service is what is measured.

- saving: simulations in requests of 100, each with 3 tags, a file of 2 kB of its own and a shared one of 10 kB, from 4
  clients at once; every answer means committed.
- outputs: files of 20 kB that simulations have left, and the listings of their working directories.
- million: the start with a database of 1,000,000 simulations, and filters by experiment and state on it.
- clients: 256 clients that ask for one simulation again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import math
import os
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from acomps.comps.child import Service, start_service
from acomps.local.records import schema
from acomps.local.records.database import Database, insert_rows
from acomps.local.records.ids import Ids

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from acomps.local.records.database import Row

_BOUNDARY: Final = b"acomps-benchmark"
_FORM: Final = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
_PER_REQUEST: Final = 100
_OWN_BYTES: Final = 2_000
_SHARED_BYTES: Final = 10_000
_OUTPUT_BYTES: Final = 20_000
_OUTPUTS: Final = ("one.bin", "two.bin")
_STATES: Final = ("Created", "Commissioned", "Running", "Succeeded", "Failed")
_MOMENT: Final = "2024-01-01T00:00:00.0000000Z"
_LOOK_S: Final = 0.2


@dataclass(slots=True, kw_only=True)
class Line:
    """One line of the table."""

    what: str
    #: Entities or requests.
    things: int
    wall_s: float
    #: What the service needed for all of it; NaN where the system does not tell.
    cpu_s: float = math.nan
    #: Of each request.
    seconds: list[float] = field(default_factory=list[float])

    def __str__(self) -> str:
        waits = sorted(self.seconds) or [math.nan]
        middle, late = statistics.median(waits), waits[min(len(waits) - 1, len(waits) * 99 // 100)]
        return (
            f"{self.what:<38}{self.things:>10,}{self.wall_s:>9.2f}{self.things / self.wall_s:>10,.0f}"
            f"{1e3 * self.cpu_s / max(len(self.seconds), 1):>10.2f}{1e3 * middle:>9.1f}{1e3 * late:>9.1f}"
            f"{1e3 * waits[-1]:>9.1f}"
        )


_HEAD: Final = (
    f"{'workload':<38}{'things':>10}{'wall s':>9}{'per s':>10}{'CPU ms*':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"
)
_FOOT: Final = "* of the service, for one request"


class Connection:
    """One connection, one request at a time."""

    def __init__(self, url: str, token: str = "") -> None:
        self._host, _, port = url.rpartition("/")[2].rpartition(":")
        self._port = int(port)
        self._token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def request(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        """A request, ready to be sent."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nX-COMPS-Token: {self._token}\r\n"
        return f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def send(self, request: bytes) -> bytes:
        """The body of the answer, which must be a success."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=1024 * 1024)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length:")
        body = await reader.readexactly(int(length.partition(b"\r\n")[0]))
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{head[:12].decode()}: {body[:500].decode()}")
        return body

    async def call(self, method: str, path: str, document: object = None) -> bytes:
        """A request in JSON, and its answer."""
        return await self.send(self.request(method, path, b"" if document is None else orjson.dumps(document)))

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()


@dataclass(frozen=True, slots=True)
class Target:
    """A service to be measured."""

    url: str
    token: str
    pid: int

    @classmethod
    async def of(cls, service: Service, data: Path) -> Target:
        """Log in."""
        login = {"UserName": service.username, "Password": base64.b64encode(service.password.encode()).decode()}
        connection = Connection(service.url)
        token = str(orjson.loads(await connection.call("POST", "/api/tokens", login))["Token"])
        connection.close()
        pid = int(orjson.loads((data / "service.json").read_bytes())["pid"])
        return cls(service.url, token, pid)

    def connect(self) -> Connection:
        """Another connection."""
        return Connection(self.url, self.token)

    def cpu_s(self) -> float:
        """What the service has used so far."""
        try:
            numbers = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.nan
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")

    async def drive(self, what: str, requests: Iterable[bytes], clients: int, things: int = 1) -> Line:
        """Send requests from so many connections at once; each stands for so many things."""
        waiting = iter(requests)
        line = Line(what=what, things=0, wall_s=0)

        async def client() -> None:
            connection = self.connect()
            for request in waiting:
                begun = time.perf_counter()
                await connection.send(request)
                line.seconds.append(time.perf_counter() - begun)
            connection.close()

        cpu, begun = self.cpu_s(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
        line.things = len(line.seconds) * things
        line.wall_s, line.cpu_s = time.perf_counter() - begun, self.cpu_s() - cpu
        return line


async def new_experiment(connection: Connection, executable: str, arguments: str = "") -> str:
    """The id of an experiment that runs a program."""
    configuration = {
        "EnvironmentName": "Local",
        "ExecutablePath": executable,
        "SimulationInputArgs": arguments,
    }
    answer = await connection.call(
        "POST", "/api/experiments", {"Experiments": [{"Name": "benchmark", "Configuration": configuration}]}
    )
    return str(orjson.loads(answer)["Ids"][0])


def form(documents: object, contents: Iterable[bytes]) -> bytes:
    """A multipart body."""
    parts = [
        b'--%b\r\nContent-Disposition: form-data; name="not_a_file"\r\nContent-Type: application/json\r\n\r\n%b\r\n'
        % (_BOUNDARY, orjson.dumps(documents))
    ]
    parts += [
        b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n%b\r\n" % (_BOUNDARY, md5(content).encode(), content)
        for content in contents
    ]
    return b"%b--%b--\r\n" % (b"".join(parts), _BOUNDARY)


def md5(content: bytes) -> str:
    """The md5 in the protocol's form."""
    return str(uuid.UUID(bytes=hashlib.md5(content, usedforsecurity=False).digest()))


async def saving(folder: Path, chosen: argparse.Namespace) -> list[Line]:
    """Simulations with files, from 4 clients and from one."""
    async with start_service(folder / "data") as service:
        target = await Target.of(service, folder / "data")
        connection = target.connect()
        experiment = await new_experiment(connection, "/bin/true")
        shared = os.urandom(_SHARED_BYTES)

        def body(number: int, *also: bytes) -> bytes:
            contents = [os.urandom(_OWN_BYTES) for _ in range(_PER_REQUEST)]
            documents = [
                {
                    "Name": f"{number} {at}",
                    "ExperimentId": experiment,
                    "Tags": {"run": at, "beta": at / 10, "acomps_key": f"{number:032x}-{at}"},
                    "Files": [
                        {"FileName": name, "FileType": "input", "MD5Checksum": md5(data)}
                        for name, data in (("config.json", content), ("campaign.json", shared))
                    ],
                }
                for at, content in enumerate(contents)
            ]
            return connection.request("POST", "/api/simulations", form(documents, [*contents, *also]), _FORM)

        await connection.send(body(0, shared))
        connection.close()
        return [
            await target.drive(
                f"saving, {clients} at once", [body(number) for number in range(chosen.requests)], clients, _PER_REQUEST
            )
            for clients in (4, 1)
        ]


async def outputs(folder: Path, chosen: argparse.Namespace) -> list[Line]:
    """Output files and listings of simulations that have run."""
    script = "\n".join(
        ["mkdir output", *(f"head -c {_OUTPUT_BYTES} /dev/urandom > output/{name}" for name in _OUTPUTS)]
    )
    async with start_service(folder / "data") as service:
        target = await Target.of(service, folder / "data")
        connection = target.connect()
        experiment = await new_experiment(connection, "/bin/sh", "run.sh")
        run = {"FileName": "run.sh", "FileType": "input", "MD5Checksum": md5(script.encode())}
        documents = [{"Name": f"{at}", "ExperimentId": experiment, "Files": [run]} for at in range(_PER_REQUEST)]
        body = form(documents, [script.encode()])
        answer = orjson.loads(await connection.send(connection.request("POST", "/api/simulations", body, _FORM)))
        await connection.call("PUT", f"/api/experiments/{experiment}/state/CommissionRequested")
        done = f"/api/simulations?filters=ExperimentId={experiment},SimulationState=Succeeded&fields=Id"
        while len(orjson.loads(await connection.call("GET", done))["Simulations"]) < _PER_REQUEST:  # noqa: ASYNC110 - it asks a server
            await asyncio.sleep(_LOOK_S)
        listings = [
            connection.request("GET", f"/asset/simulations/{simulation}/output?flatten=1")
            for simulation in answer["Ids"]
        ]
        files: list[bytes] = []
        for listing in listings:
            resources = orjson.loads(await connection.send(listing))["Resources"]
            urls = [str(one["Url"]) for one in resources if one["FriendlyName"] in _OUTPUTS]
            files += [connection.request("GET", url.removeprefix(target.url)) for url in urls]
        connection.close()
        return [
            await target.drive("output files of 20 kB, 64 at once", files * chosen.repeat, 64),
            await target.drive("listings of outputs, 64 at once", listings * chosen.repeat, 64),
        ]


def fill(path: Path, count: int) -> str:
    """Write so many simulations into a new database; the answer is the id of the experiment that has them all."""
    database, ids = Database(path, schema.metadata), Ids()
    experiment = ids.one()
    columns = ("id", "date_created", "name", "owner", "last_modified")
    with database.writing() as connection:
        rows: list[Row] = [(experiment, _MOMENT, "benchmark", "somebody", _MOMENT)]
        insert_rows(connection, schema.experiments, columns, rows)
    for at in range(0, count, 50_000):
        rows = [
            (one, _MOMENT, f"{number}", "somebody", _MOMENT, experiment, _STATES[number % len(_STATES)])
            for number, one in enumerate(ids.take(min(50_000, count - at)), at)
        ]
        with database.writing() as connection:
            insert_rows(connection, schema.simulations, (*columns, "experiment_id", "state"), rows)
    database.close()
    return experiment


async def million(folder: Path, chosen: argparse.Namespace) -> list[Line]:
    """A start on a large database, and filters by experiment and state."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    experiment = await asyncio.to_thread(fill, data / "service.sqlite", chosen.simulations)
    begun = time.perf_counter()
    async with start_service(data) as service:
        start = Line(
            what=f"start with {chosen.simulations:,} simulations", things=1, wall_s=time.perf_counter() - begun
        )
        target = await Target.of(service, data)
        connection = target.connect()
        found = [start]
        for what, query in (
            ("count by experiment and state", "count=1&fields=Id"),
            ("1,000 by experiment and state", "count=1000"),
        ):
            paths = [
                f"/api/simulations?filters=ExperimentId={experiment},SimulationState={state}&{query}"
                for state in _STATES
            ]
            found.append(await target.drive(what, [connection.request("GET", path) for path in paths * 10], 1))
        return found


async def clients(folder: Path, chosen: argparse.Namespace) -> list[Line]:
    """Many clients at once, for a while."""
    async with start_service(folder / "data") as service:
        target = await Target.of(service, folder / "data")
        connection = target.connect()
        experiment = await new_experiment(connection, "/bin/true")
        body = form([{"Name": "one", "ExperimentId": experiment}], [])
        answer = orjson.loads(await connection.send(connection.request("POST", "/api/simulations", body, _FORM)))
        request = connection.request("GET", f"/api/simulations/{answer['Ids'][0]}")
        connection.close()
        end = time.perf_counter() + chosen.seconds

        def until_then() -> Iterable[bytes]:
            while time.perf_counter() < end:
                yield request

        return [await target.drive(f"GET of one simulation, {chosen.clients} at once", until_then(), chosen.clients)]


_WORKLOADS: Final[dict[str, Callable[[Path, argparse.Namespace], Awaitable[list[Line]]]]] = {
    "saving": saving,
    "outputs": outputs,
    "million": million,
    "clients": clients,
}


async def run(chosen: argparse.Namespace) -> None:
    """The chosen workloads, each on a new service."""
    print(_HEAD)
    for name in [chosen.only] if chosen.only else _WORKLOADS:
        with tempfile.TemporaryDirectory(prefix="acomps-benchmark-") as folder:
            for line in await _WORKLOADS[name](Path(folder), chosen):
                print(line, flush=True)
    print(_FOOT)


def main() -> int:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--only", choices=[*_WORKLOADS], help="one workload")
    parser.add_argument("--requests", type=int, default=150, help="saves of 100 simulations (150)")
    parser.add_argument("--repeat", type=int, default=20, help="how often each output is fetched (20)")
    parser.add_argument("--simulations", type=int, default=1_000_000, help="in the large database (1000000)")
    parser.add_argument("--clients", type=int, default=256, help="at once (256)")
    parser.add_argument("--seconds", type=float, default=20, help="how long they ask (20)")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

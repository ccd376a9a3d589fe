"""A real local service in a process of its own, and a plain HTTP client for it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import httpx

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
Record: TypeAlias = dict[str, object]

#: How long a test waits for something that should happen at once.
DEADLINE_S = 30.0


def until(claim: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return as soon as `claim` holds; fail when it does not within the deadline."""
    end = time.monotonic() + deadline_s
    while not claim():
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s in vain: {what}")
        time.sleep(0.01)


def md5(data: bytes) -> str:
    """The md5 in the protocol's form."""
    return str(uuid.UUID(hashlib.md5(data).hexdigest()))


@dataclass(frozen=True, slots=True)
class Running:
    """A service that accepts connections."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    url: str
    username: str
    password: str

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def stop(self) -> int:
        """End it as Ctrl-C would; the answer is its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)


def command(data_dir: Path, *options: str) -> list[str]:
    """The command line of a service."""
    return [sys.executable, "-m", "acomps.local", "--data-dir", str(data_dir), *options]


@contextlib.contextmanager
def running(data_dir: Path, *options: str) -> Generator[Running]:
    """A service, ended at the end if it has not ended before."""
    ready = data_dir.with_name(f"{data_dir.name}.ready-{uuid.uuid4().hex}")
    with subprocess.Popen(
        command(data_dir, "--ready-file", str(ready), "--stop-with-stdin", *options),
        stdin=subprocess.PIPE,
        env={**os.environ, "ACOMPS_TEST_SECRET": "do not leak"},
    ) as process:
        try:
            until(lambda: ready.exists() or process.poll() is not None, "the service becomes ready")
            told = json.loads(ready.read_text())
            # A service with users has no password of its own to tell.
            yield Running(process, data_dir, told["url"], told.get("username", ""), told.get("password", ""))
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(DEADLINE_S)


def text(document: Record, key: str) -> str:
    """What a record says under `key`, which must be a text."""
    value = document[key]
    assert isinstance(value, str)
    return value


def records(value: object) -> list[Record]:
    """A list of JSON objects."""
    assert isinstance(value, list)
    return [record(item) for item in cast("list[object]", value)]


def record(value: object) -> Record:
    """A JSON object."""
    assert isinstance(value, dict)
    return {str(key): item for key, item in cast("dict[object, object]", value).items()}


class Client:
    """A logged-in client with a few shortcuts; `http` is the plain thing."""

    def __init__(self, service: Running) -> None:
        self.http = httpx.Client(base_url=service.url, timeout=30)
        self.username = service.username
        answer = log_in(self.http, service.username, service.password)
        answer.raise_for_status()
        self.http.headers["X-COMPS-Token"] = answer.headers["X-COMPS-Token"]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.http.close()

    def ids(self, answer: httpx.Response) -> list[str]:
        """The ids of a save, which must have succeeded."""
        assert answer.status_code == 200, answer.text
        found: list[str] = answer.json()["Ids"]
        return found

    def save(self, plural: str, **fields: object) -> str:
        """Save one suite or experiment."""
        return self.ids(self.http.post(f"/api/{plural}", json={plural: [fields]}))[0]

    def experiment(self, executable: str, arguments: str = "", **configuration: object) -> str:
        """A new experiment that runs a program in the local environment."""
        together = {
            "EnvironmentName": "Local",
            "ExecutablePath": executable,
            "SimulationInputArgs": arguments,
            **configuration,
        }
        return self.save("Experiments", Name="an experiment", Configuration=together)

    def form(self, plural: str, documents: object, contents: Sequence[bytes] = ()) -> httpx.Response:
        """Post documents and contents as a multipart form."""
        parts = [("not_a_file", (plural, json.dumps(documents), "application/json"))]
        data = [(md5(content), ("a file", content, "application/octet-stream")) for content in contents]
        return self.http.post(f"/api/{plural}", files=[*parts, *data])

    def simulations(
        self, experiment_id: str, count: int = 1, files: Mapping[str, bytes] | None = None, **fields: object
    ) -> list[str]:
        """New simulations of an experiment, all with the same files."""
        files = files or {}
        described = [{"FileName": name, "FileType": "input", "MD5Checksum": md5(data)} for name, data in files.items()]
        documents = [
            {"ExperimentId": experiment_id, "Name": f"simulation {number}", "Files": described, **fields}
            for number in range(count)
        ]
        return self.ids(self.form("Simulations", documents, list(files.values())))

    def ordered(self, experiment_id: str, order: Mapping[str, object], files: Mapping[str, bytes] | None = None) -> str:
        """A new simulation that runs what a scheduling work order says."""
        named = {"WorkOrder.json": json.dumps(order).encode(), **(files or {})}
        described = [
            {
                "FileName": name,
                "FileType": "WorkOrder" if name == "WorkOrder.json" else "input",
                "MD5Checksum": md5(data),
            }
            for name, data in named.items()
        ]
        document = {"ExperimentId": experiment_id, "Name": "ordered", "Files": described}
        return self.ids(self.form("Simulations", [document], [*named.values()]))[0]

    def assets(self, contents: Mapping[str, bytes]) -> str:
        """A new asset collection of files by their path."""
        described = [
            {"FileName": Path(path).name, "RelativePath": str(Path(path).parent), "MD5Checksum": md5(data)}
            for path, data in contents.items()
        ]
        return self.ids(self.form("AssetCollections", [{"Assets": described}], list(contents.values())))[0]

    def one(self, plural: str, entity_id: str, children: str = "") -> Record:
        """One entity."""
        answer = self.http.get(f"/api/{plural}/{entity_id}", params={"children": children} if children else {})
        assert answer.status_code == 200, answer.text
        found = records(answer.json()[plural])
        assert len(found) == 1
        return found[0]

    def listed(self, plural: str, **query: str) -> list[Record]:
        """A list of entities."""
        answer = self.http.get(f"/api/{plural}", params=query)
        assert answer.status_code == 200, answer.text
        return records(answer.json()[plural])

    def state(self, simulation_id: str) -> str:
        """The state of a simulation."""
        return text(self.one("Simulations", simulation_id), "SimulationState")

    def ask(self, plural: str, entity_id: str, state: str) -> httpx.Response:
        """Ask for a state."""
        return self.http.put(f"/api/{plural}/{entity_id}/State/{state}")

    def commission(self, plural: str, entity_id: str) -> None:
        """Ask that an entity runs."""
        answer = self.ask(plural, entity_id, "CommissionRequested")
        assert answer.status_code == 200, answer.text

    def wait(self, simulation_ids: Sequence[str], *states: str) -> None:
        """Return when all simulations are in one of the states."""
        left = [*simulation_ids]

        def ended() -> bool:
            while left and self.state(left[0]) in states:
                left.pop(0)
            return not left

        until(ended, f"{len(left)} simulations become one of {states}")

    def run(self, *simulation_ids: str) -> list[str]:
        """Run simulations to their end; the answer is their states."""
        for simulation_id in simulation_ids:
            self.commission("Simulations", simulation_id)
        self.wait(simulation_ids, "Succeeded", "Failed", "Canceled")
        return [self.state(simulation_id) for simulation_id in simulation_ids]

    def jobs(self, simulation_id: str) -> list[Record]:
        """The job records of a simulation."""
        return records(self.one("Simulations", simulation_id, "HPCJobs").get("HPCJobs", []))

    def workdir(self, simulation_id: str) -> Path:
        """The working directory of the newest job."""
        return Path(text(self.jobs(simulation_id)[-1], "WorkingDirectory"))

    def outputs(self, simulation_id: str) -> dict[str, Record]:
        """The output files of a simulation by their path."""
        answer = self.http.get(f"/asset/Simulations/{simulation_id}/Output", params={"flatten": "1"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Record] = {}
        for resource in records(answer.json()["Resources"]):
            folder, name = text(resource, "PathFromRoot"), text(resource, "FriendlyName")
            found[name if folder == "." else f"{folder}/{name}"] = resource
        return found


def log_in(http: httpx.Client, username: str, password: str) -> httpx.Response:
    """Ask for a token."""
    encoded = base64.b64encode(password.encode()).decode()
    return http.post("/api/tokens", json={"Username": username, "Password": encoded, "ClientVersion": 12})


def refused(answer: httpx.Response, status: int, *fragments: str) -> None:
    """Assert that an answer is a refusal in the protocol's shape that says all of the fragments."""
    assert answer.status_code == status, answer.text
    body = record(answer.json())
    uuid.UUID(text(body, "CorrelationId"))
    for fragment in fragments:
        assert fragment in text(body, "ResponseMessage")


def alive(pid: int) -> bool:
    """True when a process with this number runs and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"

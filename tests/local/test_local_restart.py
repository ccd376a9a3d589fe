"""What survives the end of a service, in good order and otherwise."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest
from support.local_service import Client, Record, alive, records, running, text, until

#: Says that it runs, waits for a file, and ends with the code that it finds there.
PROGRAM = b'#!/bin/sh\necho $$ > pid.tmp; mv pid.tmp pid\nwhile ! test -e "$1"; do sleep 0.01; done\nexit $(cat "$1")\n'


def started(client: Client, gate: Path, count: int = 1, **configuration: object) -> tuple[list[str], list[int]]:
    """Simulations that run until the gate opens, and the numbers of their processes."""
    experiment = client.experiment("./wait.sh", str(gate), **configuration)
    simulations = client.simulations(experiment, count, files={"wait.sh": PROGRAM})
    client.commission("Experiments", experiment)
    client.wait(simulations, "Running")
    places = [client.workdir(simulation) / "pid" for simulation in simulations]
    until(lambda: all(place.exists() for place in places), "the simulations say that they run")
    return simulations, [int(place.read_text()) for place in places]


def open_gate(gate: Path, code: int) -> None:
    """Let the simulations end."""
    beside = gate.with_suffix(".tmp")
    beside.write_text(str(code))
    beside.rename(gate)


def test_everything_is_found_again_after_a_stop(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as service, Client(service) as client:
        suite = client.save("Suites", Name="s", Tags={"a": 1})
        simulation = client.simulations(client.experiment("true"), files={"f": b"content"})[0]
        assert client.run(simulation) == ["Succeeded"]
        token = client.http.headers["X-COMPS-Token"]
        assert service.stop() == 0
    with running(data) as service, Client(service) as client:
        client.http.headers["X-COMPS-Token"] = token
        assert client.one("Suites", suite, "Tags")["Tags"] == {"a": "1"}
        assert client.state(simulation) == "Succeeded"
        assert "f" in client.outputs(simulation)


def test_a_stop_ends_what_runs_and_the_next_service_runs_it_again(tmp_path: Path) -> None:
    data, gate = tmp_path / "data", tmp_path / "gate"
    with running(data, "--cores", "2") as service, Client(service) as client:
        simulations, pids = started(client, gate, 2)
        queued = client.simulations(client.experiment("true"))
        client.commission("Simulations", queued[0])
        assert service.stop() == 0
        assert not any(alive(pid) for pid in pids)
        assert not (data / "service.json").exists()
    open_gate(gate, 0)
    with running(data, "--cores", "2") as service, Client(service) as client:
        client.wait(simulations + queued, "Succeeded")
        first, second = client.jobs(simulations[0])
        assert (first["JobState"], second["JobState"]) == ("Canceled", "Finished")
        assert "stopped" in text(first, "ErrorMessage")


def test_what_still_runs_after_a_crash_is_taken_over(tmp_path: Path) -> None:
    data, gate = tmp_path / "data", tmp_path / "gate"
    with running(data, "--cores", "2") as service, Client(service) as client:
        simulations, pids = started(client, gate, 2)
        queued = client.simulations(client.experiment("true"))[0]
        client.commission("Simulations", queued)
        service.kill()
    assert all(alive(pid) for pid in pids)
    with running(data, "--cores", "2") as service, Client(service) as client:
        assert [client.state(simulation) for simulation in simulations] == ["Running", "Running"]
        assert client.state(queued) != "Succeeded", "its cores are still taken"
        open_gate(gate, 0)
        client.wait([*simulations, queued], "Succeeded")
        assert [len(client.jobs(simulation)) for simulation in simulations] == [1, 1]


def test_what_was_taken_over_can_be_cancelled(tmp_path: Path) -> None:
    data, gate = tmp_path / "data", tmp_path / "gate"
    with running(data) as service, Client(service) as client:
        simulations, pids = started(client, gate)
        service.kill()
    with running(data) as service, Client(service) as client:
        assert client.ask("Simulations", simulations[0], "CancelRequested").status_code == 200
        client.wait(simulations, "Canceled")
        until(lambda: not alive(pids[0]), "the process is gone")


def test_what_ended_while_no_service_ran_is_judged_by_its_exit_code(tmp_path: Path) -> None:
    data = tmp_path / "data"
    gates = {code: tmp_path / f"gate-{code}" for code in (0, 5)}
    with running(data, "--cores", "2") as service, Client(service) as client:
        began = {code: started(client, gate) for code, gate in gates.items()}
        service.kill()
    for code, gate in gates.items():
        open_gate(gate, code)
    until(lambda: not any(alive(pids[0]) for _, pids in began.values()), "both simulations end")
    with running(data, "--cores", "2") as service, Client(service) as client:
        client.wait(began[0][0], "Succeeded")
        client.wait(began[5][0], "Failed")
        assert "exit code 5" in text(client.one("Simulations", began[5][0][0]), "ErrorMessage")


def test_what_was_lost_with_the_machine_runs_again_and_says_why(tmp_path: Path) -> None:
    data, gate = tmp_path / "data", tmp_path / "gate"
    with running(data) as service, Client(service) as client:
        simulations, pids = started(client, gate)
        service.kill()
    os.killpg(os.getpgid(pids[0]), signal.SIGKILL)
    open_gate(gate, 0)
    with running(data) as service, Client(service) as client:
        client.wait(simulations, "Succeeded")
        lost, found = client.jobs(simulations[0])
        assert (lost["JobState"], found["JobState"]) == ("Failed", "Finished")
        assert "no exit code" in text(lost, "ErrorMessage")


def test_nothing_that_was_answered_is_lost_in_a_crash(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--cores", "2") as service, Client(service) as client:
        experiment = client.experiment("true")
        simulations = client.simulations(experiment, 300, files={"config.json": b"{}"})
        client.commission("Experiments", experiment)
        until(
            lambda: client.listed("Simulations", filters="SimulationState=Succeeded", count="1"), "the first one ends"
        )
        service.kill()
    with running(data, "--cores", "2") as service, Client(service) as client:
        filters = f"ExperimentId={experiment},SimulationState=Succeeded"
        until(lambda: len(client.listed("Simulations", filters=filters, fields="Id")) == 300, "all end")
        assert all(len(client.jobs(simulation)) == 1 for simulation in simulations[:20])
    assert list((data / "running").iterdir()) == []


class _Worker:
    """A client that saves and commissions until the service is gone, and keeps what was answered with success."""

    def __init__(self, client: Client, random_numbers: random.Random) -> None:
        self._client = client
        self._random = random_numbers
        self.saved: dict[str, bytes] = {}
        self.commissioned: set[str] = set()
        self.canceled: set[str] = set()

    def work(self) -> None:
        """Return when the service does not answer any more."""
        try:
            while True:
                experiment = self._client.experiment("sh", "run.sh")
                data = b"sleep 0.0%d; echo ran >> ran; exit %d" % (self._random.randrange(9), self._random.randrange(2))
                ids = self._client.simulations(experiment, self._random.randrange(1, 20), files={"run.sh": data})
                self.saved.update(dict.fromkeys(ids, data))
                if self._client.ask("Experiments", experiment, "CommissionRequested").status_code == 200:
                    self.commissioned.update(ids)
                if self._client.ask("Simulations", ids[0], "CancelRequested").status_code == 200:
                    self.canceled.add(ids[0])
        except httpx.TransportError:
            pass


@pytest.mark.timeout(240)
def test_twenty_crashes_lose_nothing_that_was_answered_with_success(tmp_path: Path) -> None:
    data = tmp_path / "data"
    numbers = random.Random(20_211)
    workers: list[_Worker] = []
    for _ in range(20):
        with running(data, "--cores", "4") as service, Client(service) as client:
            worker = _Worker(client, numbers)
            workers.append(worker)
            blow = threading.Timer(numbers.uniform(0.02, 0.5), service.process.kill)
            blow.start()
            worker.work()
            blow.join()
            service.kill()
    saved = {simulation: data for worker in workers for simulation, data in worker.saved.items()}
    commissioned = {simulation for worker in workers for simulation in worker.commissioned}
    canceled = {simulation for worker in workers for simulation in worker.canceled}
    assert commissioned
    with running(data, "--cores", "4") as service, Client(service) as client:
        final = {"Succeeded", "Failed", "Canceled", "Created"}

        def settled() -> bool:
            listed = client.listed("Simulations", fields="SimulationState", count="100000")
            return {text(one, "SimulationState") for one in listed} <= final

        until(settled, "all that was commissioned comes to its end", 90)
        found = {text(one, "Id"): one for one in client.listed("Simulations", count="100000", children="Files,HPCJobs")}
    assert saved.keys() <= found.keys()
    ledger = sqlite3.connect(f"file:{data}/service.sqlite?mode=ro", uri=True)
    assert ledger.execute("SELECT count(*) FROM jobs WHERE job_state IN ('Queued', 'Running')").fetchone() == (0,)
    assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    ledger.close()
    folders: list[str] = []
    for simulation, one in found.items():
        state, jobs = text(one, "SimulationState"), jobs_of(one)
        if simulation in commissioned:
            assert state != "Created"
        if simulation in canceled:
            assert state in {"Canceled", "Succeeded", "Failed"}
        if state in {"Succeeded", "Failed"}:
            assert jobs[-1]["JobState"] == ("Finished" if state == "Succeeded" else "Failed"), one
        for job in jobs:
            folders.append(text(job, "WorkingDirectory"))
            ran = Path(folders[-1], "ran")
            assert not ran.exists() or ran.read_text() == "ran\n", "no attempt runs twice"
        if state == "Succeeded" and simulation in saved:
            assert saved[simulation].endswith(b"exit 0")
            assert Path(folders[-1], "run.sh").read_bytes() == saved[simulation]
    assert len(folders) == len(set(folders))
    assert list((data / "running").iterdir()) == []


def jobs_of(simulation: Record) -> list[Record]:
    """The job records of a listed simulation."""
    return records(simulation.get("HPCJobs", []))

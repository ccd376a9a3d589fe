"""What survives the end of a service, in good order and otherwise."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.local_service import Client, alive, running, text, until

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

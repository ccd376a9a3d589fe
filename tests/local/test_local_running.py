"""Simulations from commission to their end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from support.local_service import Client, Running, alive, record, records, refused, running, text, until

#: Writes its number, starts a child in the same group, and sleeps.
SLEEPER = b"#!/bin/sh\nsleep 600 &\necho $$ $! > pids.tmp\nmv pids.tmp pids\nwait\n"
#: As above, and is deaf to being asked to end.
STUBBORN = b"#!/bin/sh\ntrap '' TERM\necho $$ $$ > pids.tmp\nmv pids.tmp pids\nsleep 600\nsleep 600\n"


def pids_of(client: Client, simulation: str) -> list[int]:
    """The numbers that a sleeper has written."""
    client.wait([simulation], "Running")
    written = client.workdir(simulation) / "pids"
    until(written.exists, "the simulation writes its process numbers")
    return [int(word) for word in written.read_text().split()]


def test_a_simulation_runs_with_its_files_its_assets_and_its_arguments(client: Client) -> None:
    program = (
        b"#!/usr/bin/env python3\nimport json, os, sys\nos.mkdir('output')\n"
        b"config = json.load(open('config.json'))\nshape = open('Assets/data/shape.txt').read()\n"
        b"json.dump([config, shape, sys.argv[1:]], open('output/result.json', 'w'))\nprint('done')\n"
    )
    collection = client.assets({"run.py": program, "data/shape.txt": b"round"})
    experiment = client.experiment("Assets/run.py", "--config 'a b' \"c\"", AssetCollectionId=collection, MinCores=1)
    simulation = client.simulations(experiment, files={"config.json": b'{"x": 1}'})[0]
    assert client.run(simulation) == ["Succeeded"]
    outputs = client.outputs(simulation)
    assert set(outputs) == {"config.json", "output/result.json", "stdout.txt", "stderr.txt"}
    with client.http.__class__() as stranger:
        answer = stranger.get(text(outputs["output/result.json"], "Url"))
    assert answer.json() == [{"x": 1}, "round", ["--config", "a b", "c"]]
    assert answer.headers["Content-Type"] == "application/json"
    job = client.jobs(simulation)[0]
    assert job["JobState"] == "Finished"
    assert text(job, "SubmitTime") <= text(job, "StartTime") <= text(job, "EndTime")
    assert job["OutputDirectorySize"] == sum(int(str(file["Length"])) for file in outputs.values())
    configuration = record(job["Configuration"])
    assert configuration["AssetCollectionId"] == collection
    assert configuration["WorkingDirectoryRoot"] == "$COMPS_PATH(USER)/output"
    digits = text(job, "Id").replace("-", "")
    assert client.workdir(simulation).parts[-4:] == (digits[:3], digits[3:6], digits[6:9], job["Id"])


def test_an_experiment_commissions_what_is_new_in_it_and_nothing_else(client: Client) -> None:
    experiment = client.experiment("true")
    first = client.simulations(experiment, 30)
    client.commission("Experiments", experiment)
    second = client.simulations(experiment, 3)
    client.commission("Experiments", experiment)
    client.wait(first + second, "Succeeded")
    refused(client.ask("Experiments", experiment, "CommissionRequested"), 400, "nothing to commission")
    refused(client.ask("Simulations", first[0], "CommissionRequested"), 400)
    refused(client.ask("Simulations", first[0], "CancelRequested"), 400, "nothing to cancel")
    refused(client.ask("Simulations", first[0], "Running"), 400, "running")
    assert all(len(client.jobs(simulation)) == 1 for simulation in first + second)


def test_a_suite_commissions_all_its_experiments(client: Client) -> None:
    suite = client.save("Suites", Name="s", Configuration={"EnvironmentName": "Local", "ExecutablePath": "true"})
    experiments = [client.save("Experiments", Name=f"e{number}", SuiteId=suite) for number in range(2)]
    simulations = [client.simulations(experiment)[0] for experiment in experiments]
    client.commission("Suites", suite)
    client.wait(simulations, "Succeeded")


def test_a_failure_names_the_exit_code_and_the_last_words(client: Client) -> None:
    experiment = client.experiment("/bin/sh", "-c 'echo first; echo the last words >&2; exit 3'")
    simulation = client.simulations(experiment)[0]
    assert client.run(simulation) == ["Failed"]
    found = client.one("Simulations", simulation)
    assert "exit code 3" in text(found, "ErrorMessage")
    assert "the last words" in text(found, "ErrorMessage")
    assert client.jobs(simulation)[0]["JobState"] == "Failed"
    assert client.http.get(text(client.outputs(simulation)["stdout.txt"], "Url")).text == "first\n"


def test_a_signal_is_named(client: Client) -> None:
    simulation = client.simulations(client.experiment("/bin/sh", "-c 'kill -SEGV $$'"))[0]
    assert client.run(simulation) == ["Failed"]
    assert "SIGSEGV" in text(client.one("Simulations", simulation), "ErrorMessage")


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        ({"ExecutablePath": "Assets/missing"}, "'Assets/missing' was not found in the working directory"),
        ({"ExecutablePath": "no-such-program"}, "'no-such-program' was not found"),
        ({"ExecutablePath": "/bin/no-such-program"}, "'/bin/no-such-program' was not found"),
        ({"ExecutablePath": "config.json"}, "begins with #!"),
        ({"ExecutablePath": "true", "SimulationInputArgs": "it's"}, "cannot be split"),
        ({"SimulationInputArgs": "x"}, "ExecutablePath"),
    ],
)
def test_what_cannot_be_started_fails_with_the_reason(client: Client, configuration: dict[str, str], says: str) -> None:
    experiment = client.save("Experiments", Name="e", Configuration={"EnvironmentName": "Local", **configuration})
    simulation = client.simulations(experiment, files={"config.json": b"{}"})[0]
    assert client.run(simulation) == ["Failed"]
    assert says in text(client.one("Simulations", simulation), "ErrorMessage")
    assert client.jobs(simulation) == []
    answer = client.http.get(f"/asset/Simulations/{simulation}/Output?flatten=1")
    assert answer.status_code == 404
    assert "ResponseMessage" not in answer.text


def test_without_an_environment_nothing_runs(client: Client) -> None:
    simulation = client.simulations(client.save("Experiments", Name="e", Configuration={"ExecutablePath": "true"}))[0]
    assert client.run(simulation) == ["Failed"]
    assert "EnvironmentName" in text(client.one("Simulations", simulation), "ErrorMessage")


def test_failed_attempts_are_repeated_as_often_as_the_configuration_says(client: Client) -> None:
    program = b'#!/bin/sh\nn=$(cat "$1" 2>/dev/null || echo 0)\necho $((n+1)) > "$1"\ntest "$n" -ge 2\n'
    counters = Path(os.path.realpath(client.workdir(_succeeded(client))))
    for retries, state, attempts in ((2, "Succeeded", 3), (1, "Failed", 2), (0, "Failed", 1)):
        counter = counters / f"counter-{retries}"
        experiment = client.experiment("./try.sh", str(counter), MaximumNumberOfRetries=retries)
        simulation = client.simulations(experiment, files={"try.sh": program})[0]
        assert client.run(simulation) == [state]
        states = [job["JobState"] for job in client.jobs(simulation)]
        assert states == ["Failed"] * (attempts - 1) + ["Finished" if state == "Succeeded" else "Failed"]
        assert len({text(job, "WorkingDirectory") for job in client.jobs(simulation)}) == attempts
        assert ("ErrorMessage" in client.one("Simulations", simulation)) == (state == "Failed")


def _succeeded(client: Client) -> str:
    simulation = client.simulations(client.experiment("true"))[0]
    assert client.run(simulation) == ["Succeeded"]
    return simulation


@pytest.mark.parametrize("program", [SLEEPER, STUBBORN], ids=["polite", "stubborn"])
def test_cancel_ends_every_process_of_a_simulation(tmp_path: Path, program: bytes) -> None:
    with running(tmp_path / "data", "--cores", "1", "--cancel-grace", "0.2") as service, Client(service) as client:
        experiment = client.experiment("./sleep.sh")
        simulation, waiting = client.simulations(experiment, 2, files={"sleep.sh": program})
        client.commission("Experiments", experiment)
        pids = pids_of(client, simulation)
        assert client.state(waiting) == "Commissioned"
        assert client.ask("Experiments", experiment, "CancelRequested").status_code == 200
        client.wait([simulation, waiting], "Canceled")
        until(lambda: not any(alive(pid) for pid in pids), "all processes are gone")
        assert [client.jobs(one)[0]["JobState"] for one in (simulation, waiting)] == ["Canceled", "Canceled"]
        assert "StartTime" not in client.jobs(waiting)[0]


def test_deleting_a_running_simulation_ends_it(client: Client) -> None:
    simulation = client.simulations(client.experiment("./sleep.sh"), files={"sleep.sh": SLEEPER})[0]
    client.commission("Simulations", simulation)
    pids = pids_of(client, simulation)
    assert client.http.delete(f"/api/Simulations/{simulation}").status_code == 200
    until(lambda: not any(alive(pid) for pid in pids), "all processes are gone")


def test_what_a_simulation_leaves_running_ends_with_it(client: Client) -> None:
    program = b"#!/bin/sh\nsleep 600 &\necho $! > pid\n"
    simulation = client.simulations(client.experiment("./leave.sh"), files={"leave.sh": program})[0]
    assert client.run(simulation) == ["Succeeded"]
    pid = int((client.workdir(simulation) / "pid").read_text())
    until(lambda: not alive(pid), "the process in the background is gone")


def test_no_more_cores_are_given_away_than_there_are(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    program = f"#!/bin/sh\ntouch started\nwhile ! test -e {gate}; do sleep 0.01; done\n".encode()
    with running(tmp_path / "data", "--cores", "3") as service, Client(service) as client:
        ones = client.simulations(client.experiment("./wait.sh"), 2, files={"wait.sh": program})
        wide = client.simulations(client.experiment("./wait.sh", MinCores=64), files={"wait.sh": program})
        for simulation in ones:
            client.commission("Simulations", simulation)
        client.wait(ones, "Running")
        client.commission("Simulations", wide[0])
        client.wait(wide, "Commissioned")
        gate.touch()
        client.wait(ones + wide, "Succeeded")
        start = text(client.jobs(wide[0])[0], "StartTime")
        assert start >= max(text(client.jobs(simulation)[0], "EndTime") for simulation in ones)


def test_higher_priorities_start_first(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    program = f"#!/bin/sh\nwhile ! test -e {gate}; do sleep 0.01; done\n".encode()
    with running(tmp_path / "data", "--cores", "1") as service, Client(service) as client:
        blocker = client.simulations(client.experiment("./wait.sh"), files={"wait.sh": program})
        client.commission("Simulations", blocker[0])
        client.wait(blocker, "Running")
        low, high = (
            client.simulations(client.experiment("true", Priority=priority))[0] for priority in ("Lowest", "Highest")
        )
        for simulation in (low, high):
            client.commission("Simulations", simulation)
        client.wait([low, high], "Commissioned")
        gate.touch()
        client.wait([low, high], "Succeeded")
        assert text(client.jobs(high)[0], "StartTime") < text(client.jobs(low)[0], "StartTime")


def test_simulations_see_the_python_of_the_service_and_none_of_its_secrets(client: Client, local: Running) -> None:
    program = b"#!/usr/bin/env python3\nimport json, os, sys\nprint(json.dumps([sys.prefix, dict(os.environ)]))\n"
    simulation = client.simulations(client.experiment("show.py"), files={"show.py": program})[0]
    assert client.run(simulation) == ["Succeeded"]
    printed = client.http.get(text(client.outputs(simulation)["stdout.txt"], "Url")).text
    prefix, environment = json.loads(printed)
    assert prefix == sys.prefix
    assert "ACOMPS_TEST_SECRET" not in environment
    assert local.password not in printed


def test_a_program_that_changes_its_files_does_not_change_what_is_stored(client: Client) -> None:
    program = b"#!/bin/sh\necho changed > config.json\n"
    files = {"change.sh": program, "config.json": b"as it was"}
    simulations = client.simulations(client.experiment("./change.sh"), 2, files=files)
    assert client.run(*simulations) == ["Succeeded", "Succeeded"]
    stored = {
        text(file, "FileName"): file for file in records(client.one("Simulations", simulations[0], "Files")["Files"])
    }
    assert client.http.get(text(stored["config.json"], "Uri")).content == b"as it was"


def test_an_exclusive_simulation_has_the_machine_for_itself(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    program = f"#!/bin/sh\nwhile ! test -e {gate}; do sleep 0.01; done\n".encode()
    with running(tmp_path / "data", "--cores", "3") as service, Client(service) as client:
        first = client.simulations(client.experiment("./wait.sh"), files={"wait.sh": program})
        client.commission("Simulations", first[0])
        client.wait(first, "Running")
        alone = client.simulations(client.experiment("./wait.sh", Exclusive=True), files={"wait.sh": program})
        after = client.simulations(client.experiment("true", Priority="BelowNormal"))
        for simulation in (*alone, *after):
            client.commission("Simulations", simulation)
        client.wait(alone + after, "Commissioned")
        gate.touch()
        client.wait(first + alone + after, "Succeeded")
        times = [client.jobs(one)[0] for one in (*first, *alone, *after)]
        assert text(times[0], "EndTime") <= text(times[1], "StartTime")
        assert text(times[1], "EndTime") <= text(times[2], "StartTime")


def test_a_work_order_goes_before_the_configuration(client: Client) -> None:
    order = {
        "Command": "sh -c 'echo \"$WHERE\" $WHO; echo $0' ordered",
        "NodeGroupName": "idm_abcd",
        "NumCores": 2,
        "NumProcesses": 1,
        "EnableMpi": False,
        "Environment": {"WHO": "me", "WHERE": "${WHO}/in/$PWD", "UNSET": "$NOTHING_OF_THE_KIND"},
    }
    experiment = client.experiment("false", "never", MinCores=1)
    simulation = client.ordered(experiment, order)
    assert client.run(simulation) == ["Succeeded"]
    directory = client.workdir(simulation)
    assert (directory / "stdout.txt").read_text() == f"me/in/{directory} me\nordered\n"
    configuration = record(client.jobs(simulation)[0]["Configuration"])
    assert (configuration["NodeGroupName"], configuration["MinCores"], configuration["MaxCores"]) == ("idm_abcd", 2, 2)
    assert "ExecutablePath" not in configuration


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"NumCores": 1}, "Command must be a text"),
        ({"Command": "true", "Cores": 1}, "there is no property 'Cores'"),
        ({"Command": "true", "NumCores": 0}, "NumCores must be from 1"),
        ({"Command": "true", "EnableMpi": "yes"}, "EnableMpi must be true or false"),
        ({"Command": "true", "Environment": {"A=B": "c"}}, "is not a name for an environment variable"),
        ({"Command": "true", "NumNodes": 2}, "is one machine"),
        ({"Command": "no-such-program"}, "'no-such-program' was not found"),
    ],
)
def test_a_work_order_that_cannot_be_followed_fails_the_simulation(
    client: Client, order: dict[str, object], says: str
) -> None:
    simulation = client.ordered(client.experiment("true"), order)
    assert client.run(simulation) == ["Failed"]
    assert says in text(client.one("Simulations", simulation), "ErrorMessage")


def test_configurations_add_up_property_by_property(client: Client) -> None:
    suite = client.save(
        "Suites",
        Name="s",
        Configuration={"EnvironmentName": "Local", "ExecutablePath": "false", "MinCores": 2, "Priority": "Lowest"},
    )
    experiment = client.save("Experiments", Name="e", SuiteId=suite, Configuration={"ExecutablePath": "echo"})
    own = {"SimulationInputArgs": "a b", "Priority": "Highest"}
    simulation = client.simulations(experiment, Configuration=own)[0]
    assert client.run(simulation) == ["Succeeded"]
    assert (client.workdir(simulation) / "stdout.txt").read_text() == "a b\n"
    job = client.jobs(simulation)[0]
    assert job["Priority"] == "Highest"
    configuration = record(job["Configuration"])
    assert (configuration["ExecutablePath"], configuration["MinCores"]) == ("echo", 2)


def test_an_environment_runs_no_more_simulations_than_its_limit(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    program = f"#!/bin/sh\nwhile ! test -e {gate}; do sleep 0.01; done\n".encode()
    file = tmp_path / "service.toml"
    file.write_text(
        '[[environments]]\nname = "Local"\ngroup = "ALL"\n[environments.limits]\nmax_simulations = 1\n'
        '[[environments]]\nname = "Other"\ngroup = "ALL"\n'
    )
    with (
        running(tmp_path / "data", "--config", str(file), "--cores", "3") as service,
        Client(service) as client,
    ):
        one, two = client.simulations(client.experiment("./wait.sh"), 2, files={"wait.sh": program})
        other = client.simulations(client.experiment("true", EnvironmentName="Other"))[0]
        for simulation in (one, two, other):
            client.commission("Simulations", simulation)
        client.wait([one], "Running")
        client.wait([other], "Succeeded")
        assert client.state(two) == "Commissioned"
        gate.touch()
        client.wait([one, two], "Succeeded")

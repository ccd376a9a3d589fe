"""Simulations on a real Slurm: how they are submitted, told apart, cancelled and judged."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from support.local_service import Client, alive, record, running, text, until
from support.slurm import Slurm

SLEEPER = b"#!/bin/sh\necho $$ > pid.tmp; mv pid.tmp pid\nsleep 600 &\nwait\n"


@pytest.fixture
def client(configuration: Path, tmp_path: Path) -> Generator[Client]:
    """A client of a service on the cluster."""
    with (
        running(tmp_path / "data", "--config", str(configuration), "--cores", "2", "--cancel-grace", "0.5") as service,
        Client(service) as logged_in,
    ):
        yield logged_in


def pid_of(client: Client, simulation: str) -> int:
    """The number that a sleeper has written."""
    client.wait([simulation], "Running")
    written = client.workdir(simulation) / "pid"
    until(written.exists, "the simulation writes its number")
    return int(written.read_text())


def sleepers(client: Client, count: int, **configuration: object) -> list[str]:
    """Simulations that do not end by themselves, commissioned."""
    experiment = client.experiment("./sleep.sh", "", **configuration)
    simulations = client.simulations(experiment, count, files={"sleep.sh": SLEEPER})
    client.commission("Experiments", experiment)
    return simulations


def test_a_simulation_gets_its_words_as_they_are_and_slurms_number(
    client: Client, slurm: Slurm, tmp_path: Path
) -> None:
    program = (
        b"#!/usr/bin/env python3\nimport json, os, sys\n"
        b"print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]))\nsys.stderr.write(open('Assets/a').read())\n"
    )
    trap = tmp_path / "trap"
    words = ["a b", "$(touch " + str(trap) + ")", "`touch " + str(trap) + "`", "; touch " + str(trap), "", "ä\n'\""]
    quoted = " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
    collection = client.assets({"a": b"from the assets"})
    experiment = client.experiment(
        "./show.py", quoted, EnvironmentName="Cluster", AssetCollectionId=collection, NodeGroupName="emod_abcd"
    )
    simulation = client.simulations(experiment, files={"show.py": program})[0]
    assert client.run(simulation) == ["Succeeded"]
    job = client.jobs(simulation)[0]
    assert job["JobId"] in slurm.numbers()
    assert text(job, "SubmitTime") <= text(job, "StartTime") <= text(job, "EndTime")
    directory = client.workdir(simulation)
    shown, folder, environment = json.loads((directory / "stdout.txt").read_text())
    assert shown == words
    assert not trap.exists()
    assert folder == str(directory)
    assert (directory / "stderr.txt").read_text() == "from the assets"
    assert environment["SLURM_CPUS_PER_TASK"] == "1"
    assert "ACOMPS_TEST_SECRET" not in environment


def test_cores_priority_and_exclusive_reach_slurm(client: Client, slurm: Slurm) -> None:
    simulation = sleepers(client, 1, EnvironmentName="Cluster", MinCores=3, Priority="BelowNormal", Exclusive=True)[0]
    pid_of(client, simulation)
    number = client.jobs(simulation)[0]["JobId"]
    shown = slurm.tool("scontrol", "show", "job", str(number))
    for claim in ("CPUs/Task=3", "NumTasks=1", "Nice=750", "OverSubscribe=NO", "Partition=all"):
        assert claim in shown
    assert client.ask("Simulations", simulation, "CancelRequested").status_code == 200
    client.wait([simulation], "Canceled")


def test_a_work_order_says_what_runs_and_on_what(client: Client, slurm: Slurm) -> None:
    order = {
        "Command": "/bin/sh -c 'echo $WHO $SLURM_NTASKS $SLURM_CPUS_PER_TASK'",
        "NodeGroupName": "emod_short",
        "NumCores": 2,
        "NumNodes": 1,
        "NumProcesses": 3,
        "EnableMpi": False,
        "Environment": {"WHO": "me:$HOME"},
    }
    experiment = client.save("Experiments", Name="e", Configuration={"EnvironmentName": "Cluster"})
    simulation = client.ordered(experiment, order)
    assert client.run(simulation) == ["Succeeded"]
    said = (client.workdir(simulation) / "stdout.txt").read_text().split()
    assert said[0].startswith("me:/")
    assert said[1:] == ["3", "2"]
    job = client.jobs(simulation)[0]
    assert "Partition=short" in slurm.tool("scontrol", "show", "job", str(job["JobId"]))
    configuration = record(job["Configuration"])
    assert (configuration["NodeGroupName"], configuration["MinCores"]) == ("emod_short", 2)


def test_what_slurm_never_takes_fails_with_its_words(client: Client) -> None:
    experiment = client.experiment("true", EnvironmentName="Cluster", NodeGroupName="nowhere")
    simulation = client.simulations(experiment)[0]
    assert client.run(simulation) == ["Failed"]
    assert "Invalid partition name" in text(client.one("Simulations", simulation), "ErrorMessage")
    assert client.jobs(simulation)[0]["JobState"] == "Failed"


def test_one_of_the_simulations_that_share_a_task_is_cancelled_and_the_others_go_on(client: Client) -> None:
    program = b"#!/bin/sh\necho $$ > pid.tmp; mv pid.tmp pid\nif test -e long; then sleep 600; fi\n"
    experiment = client.experiment("./run.sh", EnvironmentName="Shared")
    long = client.simulations(experiment, files={"run.sh": program, "long": b""})[0]
    queued, *quick = client.simulations(experiment, 4, files={"run.sh": program})
    client.commission("Experiments", experiment)
    pid = pid_of(client, long)
    numbers = {str(client.jobs(one)[0]["JobId"]) for one in (long, queued, *quick)}
    assert len(numbers) == 1
    for one in (queued, long):
        assert client.ask("Simulations", one, "CancelRequested").status_code == 200
    client.wait([long, queued], "Canceled")
    client.wait(quick, "Succeeded")
    until(lambda: not alive(pid), "the process is gone")
    assert not (client.workdir(queued) / "stdout.txt").exists()


def test_a_cancelled_experiment_leaves_nothing_in_slurm(client: Client, slurm: Slurm) -> None:
    simulations = sleepers(client, 40, EnvironmentName="Cluster")
    pids = [pid_of(client, simulations[0]), pid_of(client, simulations[1])]
    experiment = text(client.one("Simulations", simulations[0]), "ExperimentId")
    assert client.ask("Experiments", experiment, "CancelRequested").status_code == 200
    client.wait(simulations, "Canceled")
    until(lambda: not any(alive(pid) for pid in pids), "the processes are gone")
    until(lambda: slurm.tool("squeue", "-h") == "", "Slurm's queue is empty")


def test_a_job_that_somebody_cancels_in_slurm_is_cancelled(client: Client, slurm: Slurm) -> None:
    simulation = sleepers(client, 1, EnvironmentName="Cluster")[0]
    pid_of(client, simulation)
    slurm.tool("scancel", str(client.jobs(simulation)[0]["JobId"]))
    client.wait([simulation], "Canceled")


def test_environments_with_different_executors_work_side_by_side(client: Client) -> None:
    found: dict[str, str] = {}
    for name in ("Cluster", "Shared", "Local"):
        experiment = client.experiment("/bin/sh", "-c 'echo ${SLURM_JOB_ID:-none}'", EnvironmentName=name)
        found[name] = client.simulations(experiment)[0]
    assert client.run(*found.values()) == ["Succeeded"] * 3
    said = {name: (client.workdir(one) / "stdout.txt").read_text().strip() for name, one in found.items()}
    assert said["Local"] == "none"
    assert said["Cluster"].isdecimal()
    assert said["Shared"].isdecimal()

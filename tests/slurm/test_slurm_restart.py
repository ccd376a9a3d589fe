"""What survives the ends of the service, of Slurm's controller, and of Slurm's memory."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import pytest
from support.local_service import Client, Running, alive, running, text, until
from support.slurm import Slurm

import acomps
from acomps import Query, Simulation, SimulationState

DEADLINE_S = 90.0
#: Says that it runs, waits for a file, and ends with the code that it finds there.
WAITER = b'#!/bin/sh\necho $$ > pid.tmp; mv pid.tmp pid\nwhile ! test -e "$1"; do sleep 0.05; done\nexit $(cat "$1")\n'

#: What a simulation of the sweep runs, by its kind, and how it must end.
KINDS = {
    "good": ("sleep 0.3", SimulationState.SUCCEEDED),
    "bad": ("echo sorry >&2; exit 3", SimulationState.FAILED),
    "second": ('if mkdir "$1"; then exit 4; fi', SimulationState.SUCCEEDED),
    "never": ("exit 5", SimulationState.FAILED),
    "long": ("exec sleep 600", SimulationState.CANCELED),
}
ATTEMPTS = {"good": 1, "bad": 1, "second": 2, "never": 3, "long": 1}
RETRIES = {"second": 1, "never": 2}


def of_service(data: Path, configuration: Path) -> tuple[Path, list[str]]:
    """The arguments of `running`."""
    return data, ["--config", str(configuration), "--cancel-grace", "0.5"]


def waiters(client: Client, gate: Path, count: int, **configuration: object) -> tuple[list[str], list[int]]:
    """Simulations that run until the gate opens, and the numbers of their processes."""
    experiment = client.experiment("./wait.sh", str(gate), EnvironmentName="Cluster", **configuration)
    simulations = client.simulations(experiment, count, files={"wait.sh": WAITER})
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


def sweep(experiments: dict[str, acomps.Experiment], marks: Path) -> Iterator[Simulation]:
    """A hundred simulations of each environment."""
    for name in experiments:
        for number in range(100):
            kind = ("good", "good", "bad", "second", "never", *["good"] * 4, "long")[number % 10]
            command = KINDS[kind][0].replace("$1", str(marks / f"{name}-{number}"))
            yield Simulation(
                name=f"{name} {number}",
                experiment_id=experiments[name].id,
                tags={"kind": kind},
                configuration=acomps.Configuration(maximum_number_of_retries=RETRIES.get(kind, 0)),
                files=(acomps.SimulationFile(file_name="run.sh", content=command.encode()),),
            )


async def at_least(comps: acomps.Session, count: int, kind: str, state: SimulationState) -> None:
    """Return when so many simulations of a kind are in a state."""
    query = Query().where(state=state).where_tag(kind=kind)
    with anyio.fail_after(DEADLINE_S):
        while await comps.simulations.count(query) < count:
            await anyio.sleep(0.1)


def connected(service: Running, settings: acomps.Settings) -> AbstractAsyncContextManager[acomps.Session]:
    """A session with the service."""
    return acomps.connect(service.url, username=service.username, password=service.password, settings=settings)


@pytest.mark.timeout(180)
async def test_two_hundred_simulations_come_to_their_ends_whatever_is_restarted(
    slurm: Slurm, configuration: Path, tmp_path: Path, settings: acomps.Settings
) -> None:
    data, options = of_service(tmp_path / "data", configuration)
    marks = tmp_path / "marks"
    marks.mkdir()
    with running(data, *options) as service:
        async with connected(service, settings) as comps:
            experiments = {
                name: await comps.experiments.save(
                    acomps.Experiment(
                        name=name,
                        configuration=acomps.Configuration(
                            environment_name=name, executable_path="/bin/sh", simulation_input_args="run.sh"
                        ),
                    )
                )
                for name in ("Cluster", "Shared")
            }
            report = await comps.simulations.save_all(sweep(experiments, marks))
            report.raise_for_failures()
            for experiment in experiments.values():
                await comps.experiments.commission(experiment)
            await at_least(comps, 10, "good", SimulationState.SUCCEEDED)
        service.kill()
    slurm.stop_controller()
    with running(data, *options) as service:
        async with connected(service, settings) as comps:
            slurm.start_controller()
            await at_least(comps, 15, "long", SimulationState.RUNNING)
            for simulation in await comps.simulations.list(Query().where_tag(kind="long")):
                await comps.simulations.cancel(simulation)
            slurm.stop_controller()
            slurm.start_controller()
            with anyio.fail_after(DEADLINE_S):
                for experiment in experiments.values():
                    await comps.wait(experiment, errors=False)
            found = await comps.simulations.list(Query().children("tags", "hpc_jobs"))
    assert len(found) == 200
    for simulation in found:
        kind = str(simulation.tags["kind"])
        jobs = simulation.hpc_jobs
        assert simulation.state == KINDS[kind][1], (simulation.name, simulation.error_message)
        assert len(jobs) == ATTEMPTS[kind], (simulation.name, [(job.job_state, job.error_message) for job in jobs])
        codes = [job.error_message for job in jobs if job.job_state == acomps.JobState.FAILED]
        expected = {"bad": "exit code 3", "second": "exit code 4", "never": "exit code 5"}.get(kind, "")
        assert all(expected in str(code) for code in codes)
    numbers = {job.job_id for simulation in found for job in simulation.hpc_jobs}
    assert len(numbers) < 40, "many simulations share an array"
    assert list((data / "slurm").glob("*/*/*")) == [], "nothing is kept about what has ended"
    assert slurm.tool("squeue", "-h") == ""


def test_jobs_go_on_when_the_service_is_stopped_and_are_found_again(
    slurm: Slurm, configuration: Path, tmp_path: Path
) -> None:
    data, options = of_service(tmp_path / "data", configuration)
    gate = tmp_path / "gate"
    with running(data, *options) as service, Client(service) as client:
        simulations, pids = waiters(client, gate, 2)
        numbers = [client.jobs(simulation)[0]["JobId"] for simulation in simulations]
        assert service.stop() == 0
    assert all(alive(pid) for pid in pids)
    with running(data, *options) as service, Client(service) as client:
        assert client.ask("Simulations", simulations[0], "CancelRequested").status_code == 200
        client.wait(simulations[:1], "Canceled")
        open_gate(gate, 0)
        client.wait(simulations[1:], "Succeeded")
        assert [len(client.jobs(simulation)) for simulation in simulations] == [1, 1]
        assert [client.jobs(simulation)[0]["JobId"] for simulation in simulations] == numbers


def test_when_slurm_has_forgotten_its_jobs_their_statuses_tell(
    slurm: Slurm, configuration: Path, tmp_path: Path
) -> None:
    data, options = of_service(tmp_path / "data", configuration)
    gates = {code: tmp_path / f"gate-{code}" for code in (0, 7)}
    with running(data, *options) as service, Client(service) as client:
        began = {code: waiters(client, gate, 1) for code, gate in gates.items()}
        service.kill()
    for code, gate in gates.items():
        open_gate(gate, code)
    until(lambda: not any(alive(pids[0]) for _, pids in began.values()), "both simulations end")
    slurm.stop_controller()
    slurm.start_controller(forgetful=True)
    assert slurm.numbers() == set()
    with running(data, *options) as service, Client(service) as client:
        client.wait(began[0][0], "Succeeded")
        client.wait(began[7][0], "Failed")
        assert "exit code 7" in text(client.one("Simulations", began[7][0][0]), "ErrorMessage")


def test_what_is_gone_without_a_status_is_tried_again(slurm: Slurm, configuration: Path, tmp_path: Path) -> None:
    data, options = of_service(tmp_path / "data", configuration)
    gate = tmp_path / "gate"
    with running(data, *options) as service, Client(service) as client:
        simulations, pids = waiters(client, gate, 1)
        number = client.jobs(simulations[0])[0]["JobId"]
        slurm.stop_controller()
        for pid in slurm.pids_of_jobs():
            os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pids[0]), "the simulation is gone")
        slurm.start_controller(forgetful=True)
        open_gate(gate, 0)
        client.wait(simulations, "Succeeded")
        lost, found = client.jobs(simulations[0])
        assert (lost["JobState"], found["JobState"]) == ("Failed", "Finished")
        assert f"Slurm has forgotten its task {number}_0" in text(lost, "ErrorMessage")


def test_nothing_is_submitted_twice_when_the_service_ends_while_it_submits(
    slurm: Slurm, configuration: Path, tmp_path: Path
) -> None:
    data, options = of_service(tmp_path / "data", configuration)
    marks = tmp_path / "marks"
    marks.mkdir()
    program = f"#!/bin/sh\nsleep 0.2\nmktemp -p {marks} >/dev/null\n".encode()
    with running(data, *options) as service, Client(service) as client:
        experiment = client.experiment("./run.sh", EnvironmentName="Cluster")
        simulations = client.simulations(experiment, 30, files={"run.sh": program})
        client.commission("Experiments", experiment)
        batches = data / "slurm" / "cluster" / "batches"
        until(lambda: list(batches.glob("*/batch.json")), "a batch is about to be submitted")
        service.kill()
    with running(data, *options) as service, Client(service) as client:
        client.wait(simulations, "Succeeded")
        assert all(len(client.jobs(simulation)) == 1 for simulation in simulations)
    assert len(list(marks.iterdir())) == 30


def test_what_a_broken_node_takes_with_it_is_tried_again(slurm: Slurm, configuration: Path, tmp_path: Path) -> None:
    data, options = of_service(tmp_path / "data", configuration)
    gate = tmp_path / "gate"
    with running(data, *options) as service, Client(service) as client:
        simulations, pids = waiters(client, gate, 1)
        slurm.node("DOWN")
        try:
            until(lambda: not alive(pids[0]), "the simulation is gone")
        finally:
            slurm.node("RESUME")
        open_gate(gate, 0)
        client.wait(simulations, "Succeeded")
        lost, found = client.jobs(simulations[0])
        assert (lost["JobState"], found["JobState"]) == ("Failed", "Finished")
        assert "NODE_FAIL" in text(lost, "ErrorMessage")

"""Work items that depend on others."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_service import refused, text, until
from support.work_items import ItemClient

#: Goes on until the gate opens.
GATED = "while ! test -e '{gate}'; do sleep 0.02; done; echo through"


def test_an_item_waits_for_another_one_and_runs_when_that_has_ended(client: ItemClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first, second = client.command(GATED.format(gate=gate)), client.command("echo after")
    client.depend(second, "WorkItem", first)
    client.commission("WorkItems", second)
    found = client.until_item(second, "Waiting")
    assert text(found, "ErrorMessage") == f"waits for work item {first}"
    assert not (client.item_folder(second) / "stdout.txt").exists()
    client.commission("WorkItems", first)
    client.until_item(first, "Running")
    assert client.item_state(second) == "Waiting"
    gate.touch()
    client.until_item(first, "Succeeded")
    assert "ErrorMessage" not in client.until_item(second, "Succeeded")
    assert client.item_output(second, "stdout.txt") == "after\n"


@pytest.mark.parametrize("kind", ["Simulation", "Experiment", "Suite"])
def test_an_item_waits_for_simulations(client: ItemClient, tmp_path: Path, kind: str) -> None:
    gate = tmp_path / "gate"
    suite = client.save("Suites", Name="s")
    experiment = client.save(
        "Experiments",
        Name="e",
        SuiteId=suite,
        Configuration={"EnvironmentName": "Local", "ExecutablePath": "./wait.sh", "SimulationInputArgs": str(gate)},
    )
    script = b'#!/bin/sh\nwhile ! test -e "$1"; do sleep 0.02; done\nexit 3\n'
    simulations = client.simulations(experiment, 2, files={"wait.sh": script})
    item = client.command("echo after")
    client.depend(item, kind, {"Simulation": simulations[0], "Experiment": experiment, "Suite": suite}[kind])
    client.commission("WorkItems", item)
    found = client.until_item(item, "Waiting")
    assert text(found, "ErrorMessage") == f"waits for {'1 simulation' if kind == 'Simulation' else '2 simulations'}"
    client.commission("Experiments", experiment)
    client.wait(simulations, "Running")
    assert client.item_state(item) == "Waiting"
    gate.touch()
    assert client.until_item(item, "Succeeded", "Failed")["State"] == "Succeeded"
    assert {client.state(simulation) for simulation in simulations} == {"Failed"}


def test_an_item_that_waits_can_be_cancelled(client: ItemClient) -> None:
    first, second = client.command("true"), client.command("true")
    client.depend(second, "WorkItem", first)
    client.commission("WorkItems", second)
    client.until_item(second, "Waiting")
    assert client.ask("WorkItems", second, "CancelRequested").status_code == 200
    assert "ErrorMessage" not in client.until_item(second, "Canceled")


def test_what_was_deleted_and_what_never_changes_is_not_waited_for(client: ItemClient) -> None:
    first, second = client.command("true"), client.command("true")
    client.depend(second, "WorkItem", first)
    client.depend(second, "AssetCollection", client.assets({"a": b"a"}))
    client.depend(second, "Experiment", client.experiment("true"))
    client.commission("WorkItems", second)
    client.until_item(second, "Waiting")
    assert client.http.delete(f"/api/WorkItems/{first}").status_code == 200
    client.until_item(second, "Succeeded")


def test_an_item_cannot_be_made_to_wait_for_itself(client: ItemClient) -> None:
    first, second, third = (client.command("true") for _ in range(3))
    client.depend(second, "WorkItem", first)
    client.depend(third, "WorkItem", second)
    for depends_on in (first, second, third):
        url = f"/api/WorkItems/{first}/Related/DependsOn/WorkItem/{depends_on}"
        refused(client.http.post(url), 400, "would wait for itself")
    assert client.http.post(f"/api/WorkItems/{first}/Related/Created/WorkItem/{third}").status_code == 200
    for item in (third, second):
        client.commission("WorkItems", item)
    client.until_item(third, "Waiting")
    client.commission("WorkItems", first)
    for item in (first, second, third):
        client.until_item(item, "Succeeded")


def test_more_items_than_work_at_once_are_all_done(client: ItemClient) -> None:
    items = [client.command("true", Priority=priority) for priority in ("Lowest", "Highest") * 12]
    for item in items:
        client.commission("WorkItems", item)
    until(
        lambda: all(client.item_state(item) == "Succeeded" for item in items),
        "all have succeeded",
        60,
    )

"""The queue, the channels of charts and the climate catalogue, as dashboards, multi-charts and forms ask for them."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from support.local_service import Client, Record, record, records, refused, running, until


@pytest.fixture
def idle(tmp_path: Path) -> Generator[Client]:
    """A service with one core and nothing in its queue."""
    with running(tmp_path / "data", "--cores", "1", "--cancel-grace", "0.2") as service, Client(service) as client:
        yield client


def queue(client: Client, **query: str) -> Record:
    answer = client.http.get("/api/Metrics/Queue", params={"format": "json", **query})
    assert answer.status_code == 200, answer.text
    return record(record(answer.json())["QueueState"])


def test_the_queue_shows_what_is_active_by_priority_and_experiment(idle: Client) -> None:
    assert queue(idle) == {}
    suite = idle.save("Suites", Name="s", Configuration={"EnvironmentName": "Local", "Priority": "Highest"})
    above = idle.save(
        "Experiments",
        Name="above",
        SuiteId=suite,
        Configuration={"ExecutablePath": "sleep", "SimulationInputArgs": "600"},
    )
    normal = idle.experiment("sleep", "600", NodeGroupName="a group")
    simulations = {above: idle.simulations(above, 2), normal: idle.simulations(normal, 3)}
    idle.simulations(idle.experiment("sleep", "600"))  # Nobody commissions it.
    for experiment in simulations:
        idle.commission("Experiments", experiment)
    until(lambda: len(queue(idle)) == 2, "both experiments are in the queue")
    [first] = records(queue(idle)["Highest"])
    [second] = records(queue(idle)["Normal"])
    assert {name: value for name, value in second.items() if not name.endswith("Time")} == {
        "ExperimentId": normal,
        "Owner": idle.username,
        "SimulationCount": 3,
        "NodeGroup": "a group",
    }
    created = [idle.one("Simulations", one)["DateCreated"] for one in simulations[normal]]
    assert [second["FirstCreateTime"], second["LastCreateTime"]] == [created[0], created[-1]]
    assert first["SimulationCount"] == 2
    assert "NodeGroup" not in first
    assert queue(idle, EnvironmentName="LOCAL") == queue(idle)
    assert queue(idle, EnvironmentName="Calculon") == {}
    idle.http.put(f"/api/Simulations/{simulations[above][0]}/State/CancelRequested")
    idle.wait(simulations[above][:1], "Canceled")
    [first] = records(queue(idle)["Highest"])
    assert first["SimulationCount"] == 1
    for experiment in simulations:
        idle.http.put(f"/api/Experiments/{experiment}/State/CancelRequested")
    until(lambda: queue(idle) == {}, "the queue is empty")


def test_orphans_are_counted_by_owner_and_the_deleted_are_not_counted(idle: Client) -> None:
    configuration = {"EnvironmentName": "Local", "ExecutablePath": "sleep", "SimulationInputArgs": "600"}
    documents = [{"Name": "orphan", "Configuration": {**configuration, "Priority": "Lowest"}}] * 2
    orphans = idle.ids(idle.form("Simulations", documents))
    for orphan in orphans:
        idle.commission("Simulations", orphan)
    [item] = records(queue(idle)["Lowest"])
    assert "ExperimentId" not in item
    assert item["SimulationCount"] == 2
    idle.http.delete(f"/api/Simulations/{orphans[1]}")
    [item] = records(queue(idle)["Lowest"])
    assert item["SimulationCount"] == 1
    idle.http.delete(f"/api/Simulations/{orphans[0]}")
    assert queue(idle) == {}


def chart(**channels: list[float]) -> bytes:
    found = {name: {"Units": f"{name} per day", "Data": data} for name, data in channels.items()}
    return json.dumps({"Header": {"Timesteps": 3}, "Channels": found}).encode()


@pytest.fixture(scope="module")
def charted(client: Client) -> list[str]:
    """Two simulations with a chart, one with something else in its place, and one that never ran."""
    experiment = client.experiment("/bin/sh", "-c 'mkdir output; mv chart.json output/InsetChart.json'")
    contents = [chart(Births=[1, 2.5, 3], Deaths=[0, 0, 1]), chart(Births=[4, 5, 6], Infected=[9, 9, 9]), b"{}"]
    found = [client.simulations(experiment, files={"chart.json": content})[0] for content in contents]
    assert client.run(*found) == ["Succeeded"] * 3
    return [*found, *client.simulations(experiment)]


def ask(client: Client, call: str, **body: object) -> Record:
    answer = client.http.post(f"/api/ChannelData/{call}?format=json", json=body)
    assert answer.status_code == 200, answer.text
    return record(answer.json())


def test_the_channels_of_many_simulations_are_named(client: Client, charted: list[str]) -> None:
    ids = [charted[0], charted[1], charted[3]]
    found = ask(client, "Metadata", SimulationIds=ids, Filename="output/InsetChart.json")
    assert found == {"Channels": ["Births", "Deaths", "Infected"]}
    assert ask(client, "metadata", simulationIds=ids[:1], fileName="output\\InsetChart.json") == {
        "Channels": ["Births", "Deaths"]
    }
    assert ask(client, "Metadata", SimulationIds=ids, Filename="output/Missing.json") == {"Channels": []}


def test_the_data_of_channels_come_together(client: Client, charted: list[str]) -> None:
    ids = [charted[0], charted[1], charted[3]]
    found = ask(client, "Datastream", SimulationIds=ids, Channels=["Births", "Infected", "Absent"])
    assert found == {
        "Info": [{"Name": "Births", "Units": "Births per day"}, {"Name": "Infected", "Units": "Infected per day"}],
        "Simulations": {
            charted[0]: {"Births": {"Data": [1, 2.5, 3]}},
            charted[1]: {"Births": {"Data": [4, 5, 6]}, "Infected": {"Data": [9, 9, 9]}},
        },
    }
    everything = ask(client, "Datastream", SimulationIds=ids[:1], Filename="output/InsetChart.json")
    assert record(everything["Simulations"]) == {
        charted[0]: {"Births": {"Data": [1, 2.5, 3]}, "Deaths": {"Data": [0, 0, 1]}}
    }


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 400, "SimulationIds"),
        ({"SimulationIds": ["no id"]}, 400, "GUID"),
        ({"SimulationIds": ["11111111-2222-3333-4444-555555555555"]}, 404, "Failed to retrieve simulation"),
        ({"SimulationIds": [], "Channels": "Births"}, 400, "Channels"),
        ({"SimulationIds": ["11111111-2222-3333-4444-555555555555"] * 1_001}, 400, "1000"),
    ],
)
def test_a_chart_that_makes_no_sense_is_refused(client: Client, body: Record, status: int, says: str) -> None:
    for call in ("Metadata", "Datastream"):
        refused(client.http.post(f"/api/ChannelData/{call}", json=body), status, says)


def test_a_file_that_is_no_chart_is_named(client: Client, charted: list[str]) -> None:
    for call in ("Metadata", "Datastream"):
        refused(
            client.http.post(f"/api/ChannelData/{call}", json={"SimulationIds": charted}), 400, charted[2], "Channels"
        )


def test_nothing_outside_a_working_directory_is_read_as_a_chart(client: Client, charted: list[str]) -> None:
    found = ask(client, "Metadata", SimulationIds=charted[:1], Filename="../../../../../../../../../etc/passwd")
    assert found == {"Channels": []}


def test_the_climate_catalogue_is_what_the_data_folder_lists(idle: Client, tmp_path: Path) -> None:
    assert idle.http.get("/api/ld/DataSets.json").json() == []
    listed = [{"name": "IDM-Ghana", "startYear": 2001, "endYear": 2016}]
    (tmp_path / "data" / "DataSets.json").write_text(json.dumps(listed))
    assert idle.http.get("/api/ld/DataSets.json").json() == listed
    (tmp_path / "data" / "DataSets.json").write_text("{}")
    refused(idle.http.get("/api/ld/DataSets.json"), 400, "DataSets.json")

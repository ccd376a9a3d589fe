"""The worker that builds sweeps."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.local_service import JSON, Record, record, running, text, until
from support.work_items import ItemClient

FILES = {
    "config.json": (
        b'{"parameters": {"x": 0, "Infectivity": 1.0, "Run_Number": 0, "Campaign_Filename": "campaign.json"}}'
    ),
    "campaign.json": b'{"Events": [{"Start_Day": 1, "Coverage": {"Level": 0.5}}, {"Start_Day": 1}]}',
    "extra.txt": b"as it is",
}


def order(
    header: list[str],
    table: list[list[object]],
    runs: list[int] | None = None,
    static: Mapping[str, object] | None = None,
    limits: tuple[int, int] = (-1, -1),
    **experiment: object,
) -> dict[str, object]:
    """A work order in the form of the protocol."""
    configuration = {
        "NodeGroupName": "ng",
        "ExecutablePath": "true",
        "MinCores": 1,
        "MaxCores": 1,
        "Exclusive": 0,
        "Priority": "Normal",
        "MaximumNumberOfRetries": 1,
    }
    return {
        "WorkItem_Type": "Builder",
        "InputDirectoryRoot": "$COMPS_PATH(INPUT)",
        "EntityMetadata": {
            "Experiment": {"Name": "sweep", "Tags": {"of": "sweeps"}, "Configuration": configuration, **experiment},
            "Simulation": {"Name": "s", "Description": "", "Tags": {"one": "of many"}},
        },
        "FlowControl": {"SimulationCreationLimit": limits[0], "SimulationCommissionLimit": limits[1]},
        "PluginInfo": [
            {
                "Target": "BuilderPlugin",
                "Metadata": {"Name": "BasicBuilderPlugin", "Version": "2.0.0.0"},
                "Content": {
                    "Static_Parameters": static or {},
                    "Dynamic_Parameters": {"Run_Numbers": runs or [1], "Header": header, "Table": table},
                },
            }
        ],
    }


def tags_of(simulation: Record) -> dict[str, object]:
    return record(simulation["Tags"])


def made(client: ItemClient, item: str) -> list[Record]:
    """The simulations that the item has made, in their order."""
    (experiment,) = client.related(item, "Created", "Experiment")
    filters = f"ExperimentId={experiment}"
    found = client.listed("Simulations", filters=filters, children="Tags,Files", count="100000")
    assert sorted(text(one, "Id") for one in found) == sorted(client.related(item, "Created", "Simulation"))
    return sorted(found, key=lambda one: text(one, "Id"))


def names_of(simulation: Record) -> set[str]:
    return {text(record(file), "FileName") for file in _list(simulation["Files"])}


def content(client: ItemClient, simulation: Record, name: str) -> JSON:
    files = {text(file, "FileName"): file for file in map(record, _list(simulation["Files"]))}
    found: JSON = json.loads(client.http.get(text(files[name], "Uri")).content)
    return found


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return [*value]


def test_a_sweep_becomes_an_experiment_of_simulations_that_run(client: ItemClient) -> None:
    suite = client.save("Suites", Name="s")
    header = ["x", "CONFIG.Infectivity", "CAMPAIGN.Start_Day", "CAMPAIGN.Coverage.Level", "Scenario"]
    table: list[list[object]] = [[1, 0.5, 10, 0.1, "low"], [2, 1.5, 20, 0.9, "high"]]
    static = {"CONFIG.Geography": "Zambia", "CAMPAIGN.Coverage.Level": 0.7}
    item = client.item(order(header, table, [7, 8, 9], static, SuiteId=suite), FILES, "Builder")
    ended = client.run_item(item)
    assert (ended["State"], ended.get("ErrorMessage")) == ("Succeeded", None)
    (experiment_id,) = client.related(item, "Created", "Experiment")
    experiment = client.one("Experiments", experiment_id, "Tags,Configuration")
    assert (experiment["Name"], experiment["SuiteId"]) == ("sweep", suite)
    assert experiment["Tags"] == {"of": "sweeps"}
    assert record(experiment["Configuration"])["EnvironmentName"] == "Local"
    simulations = made(client, item)
    assert [(tags_of(one)["Scenario"], tags_of(one)["Run_Number"]) for one in simulations] == list(
        itertools.product(["low", "high"], ["7", "8", "9"])
    )
    last = simulations[-1]
    assert (last["Name"], last.get("Description")) == ("s", None)
    assert tags_of(last) == {
        "one": "of many",
        "x": "2",
        "Infectivity": "1.5",
        "Start_Day": "20",
        "Coverage.Level": "0.9",
        "Scenario": "high",
        "Run_Number": "9",
        "TestPointIndex": "2",
        "Replicate": "3",
    }
    assert content(client, last, "config.json") == {
        "parameters": {
            "x": 2,
            "Infectivity": 1.5,
            "Run_Number": 9,
            "Campaign_Filename": "campaign.json",
            "Geography": "Zambia",
        }
    }
    assert content(client, last, "campaign.json") == {
        "Events": [{"Start_Day": 20, "Coverage": {"Level": 0.9}}, {"Start_Day": 20}]
    }
    assert names_of(last) == {"config.json", "campaign.json", "extra.txt"}
    client.wait([text(one, "Id") for one in simulations], "Succeeded")
    assert client.item_output(item, "stdout.txt").splitlines() == [
        f"made experiment {experiment_id}",
        "made 6 of 6 simulations",
    ]


def test_a_sweep_without_templates_makes_a_configuration_of_its_parameters(client: ItemClient) -> None:
    item = client.item(order(["x"], [[1], [2]]), None, "Builder")
    assert client.run_item(item)["State"] == "Succeeded"
    found = [content(client, one, "config.json") for one in made(client, item)]
    assert found == [{"parameters": {"x": 1, "Run_Number": 1}}, {"parameters": {"x": 2, "Run_Number": 1}}]


def test_a_column_of_run_numbers_counts_instead_of_the_list(client: ItemClient) -> None:
    item = client.item(order(["CONFIG.Run_Number"], [[5], [6]], [1, 2, 3]), None, "Builder")
    assert client.run_item(item)["State"] == "Succeeded"
    assert [tags_of(one)["Run_Number"] for one in made(client, item)] == ["5", "6"]


def test_each_simulation_gets_the_campaign_that_its_row_names(client: ItemClient) -> None:
    files = {"a.json": b'{"Events": [{"Start_Day": 1}]}', "b.json": b'{"Events": [{"Start_Day": 2}]}'}
    types = dict.fromkeys(files, "CAMPAIGN_TEMPLATE")
    document = order(["CONFIG.Campaign_Filename", "CAMPAIGN.Start_Day"], [["a.json", 5], ["b.json", 6]])
    item = client.item(document, {**files, "extra.txt": b"x"}, "Builder", types)
    assert client.run_item(item)["State"] == "Succeeded"
    first, second = made(client, item)
    assert names_of(first) == {"a.json", "config.json", "extra.txt"}
    assert names_of(second) == {"b.json", "config.json", "extra.txt"}
    assert content(client, second, "b.json") == {"Events": [{"Start_Day": 6}]}


@pytest.mark.parametrize(("create", "commission", "expected"), [(3, 2, (3, 2)), (-1, 0, (5, 0)), (0, -1, (0, 0))])
def test_the_limits_of_the_flow_are_kept(
    client: ItemClient, create: int, commission: int, expected: tuple[int, int]
) -> None:
    item = client.item(order(["x"], [[n] for n in range(5)], limits=(create, commission)), None, "Builder")
    assert client.run_item(item)["State"] == "Succeeded"
    states = [text(one, "SimulationState") for one in made(client, item)]
    assert (len(states), len([state for state in states if state != "Created"])) == expected
    assert all(state == "Created" for state in states[expected[1] :])


def changed(document: dict[str, object], **changes: object) -> dict[str, object]:
    return {**document, **changes}


def test_a_wrong_work_order_makes_nothing_and_says_what_is_wrong(client: ItemClient) -> None:
    good = order(["x"], [[1]])
    cases: list[tuple[dict[str, object], str]] = [
        (order(["x", "y"], [[1, 2], [1]]), "row 2 of Table"),
        (order(["x", "x"], [[1, 2]]), "occurs twice"),
        (order(["CAMPAIGN.Nowhere"], [[1]]), "'CAMPAIGN.Nowhere' was found in no campaign template"),
        (order(["x"], [[1]], SuiteId="nobody"), "SuiteId must be a GUID"),
        (order(["x"], [[1]], Configuration={"MinCores": 3, "MaxCores": 2}), "MinCores"),
        (changed(good, PluginInfo=[]), "BasicBuilderPlugin"),
        (changed(good, FlowControl={"SimulationCreationLimit": "many"}), "SimulationCreationLimit"),
        (changed(good, InputDirectoryRoot="$COMPS_PATH(NOWHERE)"), "no macro NOWHERE"),
        (changed(good, WorkItem_Type="DockerWorker"), "DockerWorker"),
    ]
    before = len(client.listed("Experiments", fields="Id"))
    items = [client.item(document, FILES, "Builder") for document, _ in cases]
    for item in items:
        client.commission("WorkItems", item)
    for item, (_, reason) in zip(items, cases, strict=True):
        ended = client.until_item(item, "Failed", "Succeeded")
        assert ended["State"] == "Failed"
        assert reason in text(ended, "ErrorMessage")
    assert len(client.listed("Experiments", fields="Id")) == before


def more_than(client: ItemClient, item: str, count: int) -> None:
    until(lambda: len(client.related(item, "Created", "Simulation")) > count, "more simulations exist")


def test_a_builder_that_is_killed_again_and_again_makes_each_simulation_once(tmp_path: Path) -> None:
    data, total = tmp_path / "data", 3_000
    document = order(["x"], [[n] for n in range(total // 2)], [1, 2], limits=(-1, 0))
    with running(data) as service, ItemClient(service) as client:
        item = client.item(document, None, "Builder")
        client.commission("WorkItems", item)
        until(lambda: client.related(item, "Created", "Simulation"), "some simulations exist")
        service.kill()
    interrupted = 0
    for _ in range(2):
        with running(data) as service, ItemClient(service) as client:
            before = len(client.related(item, "Created", "Simulation"))
            interrupted += before < total
            more_than(client, item, min(before, total - 1))
            service.kill()
    assert interrupted, "it was killed while it worked"
    with running(data) as service, ItemClient(service) as client:
        client.until_item(item, "Succeeded")
        simulations = made(client, item)
        points = Counter((str(tags_of(one)["x"]), str(tags_of(one)["Run_Number"])) for one in simulations)
        assert points == Counter(itertools.product(map(str, range(total // 2)), "12"))
        assert len(client.listed("Experiments", fields="Id")) == 1


def test_a_builder_can_be_cancelled_while_it_works(client: ItemClient) -> None:
    total = 20_000
    item = client.item(order(["x"], [[n] for n in range(total)], limits=(-1, 0)), None, "Builder")
    client.commission("WorkItems", item)
    until(lambda: client.related(item, "Created", "Experiment"), "it has begun")
    assert client.ask("WorkItems", item, "CancelRequested").status_code == 200
    client.until_item(item, "Canceled")
    count = len(client.related(item, "Created", "Simulation"))
    assert count < total
    assert len(client.related(item, "Created", "Simulation")) == count

"""What one side writes, the other reads: entity by entity, field by field."""

from __future__ import annotations

import json
import uuid

import pytest
from support.local_service import Client, Record, record, records, text

import acomps
from interop.both import empty_left_out, ours
from interop.pycomps import Peer, PeerError

CONFIGURATION: Record = {
    "environment_name": "Local",
    "simulation_input_args": "--config config.json",
    "working_directory_root": "$COMPS_PATH(USER)/output",
    "executable_path": "Assets/Eradication",
    "node_group_name": "idm_abcd",
    "maximum_number_of_retries": 2,
    "priority": "AboveNormal",
    "min_cores": 1,
    "max_cores": 2,
    "exclusive": False,
}
TAGS: Record = {"number": 3, "rate": 0.5, "flag": True, "text": "ünï", "nothing": None, "list": "[1, 2]"}
READ_TAGS = {"number": "3", "rate": "0.5", "flag": "true", "text": "ünï", "nothing": "", "list": "[1, 2]"}
FILES = [
    {"name": "config.json", "type": "input", "description": "the configuration", "content": '{"a": 1}'},
    {"name": "empty.txt", "type": "input", "content": ""},
]
SIMULATION = ["tags", "configuration", "files", "hpc_jobs"]


@pytest.fixture(scope="module")
def written(peer: Peer) -> dict[str, str]:
    """One entity of each kind, written by pyCOMPS with everything that it can say."""
    described = {"description": 'as pyCOMPS says: "naïve"'}
    collection = peer.text(
        "save_collection",
        files=[
            {"name": "Eradication", "content": "#!/bin/sh\n"},
            {"name": "rain.bin", "folder": "climate/Ghana", "content": "\x00\x01", "tags": {"kind": "rain"}},
        ],
        tags=TAGS,
    )
    configuration = {**CONFIGURATION, "asset_collection_id": collection}
    suite = peer.text("save_suite", fields={"name": "a suite", **described}, configuration=configuration, tags=TAGS)
    experiment = peer.text(
        "save_experiment",
        fields={"name": "an experiment", "suite_id": suite, **described},
        configuration=configuration,
        tags=TAGS,
    )
    simulation = peer.record(
        "save_simulation",
        fields={"name": "a simulation", "experiment_id": experiment, **described},
        configuration=configuration,
        tags=TAGS,
        files=FILES,
    )
    item = peer.record(
        "save_work_item",
        fields={
            "name": "a work item",
            "environment_name": "Local",
            "priority": "Highest",
            "asset_collection_id": collection,
            **described,
        },
        worker=["nobody's", "1.0.0.0_RELEASE"],
        order='{"WorkItem_Type": "nobody\'s"}',
        tags=TAGS,
        files={"input.txt": "an input"},
    )
    assert simulation["state"] == item["state"] == "Created"
    return {
        "Suite": suite,
        "Experiment": experiment,
        "Simulation": text(simulation, "id"),
        "WorkItem": text(item, "id"),
        "AssetCollection": collection,
    }


async def test_acomps_reads_a_suite_of_pycomps_field_by_field(
    peer: Peer, gateway: acomps.Session, written: dict[str, str]
) -> None:
    theirs = peer.record("fetch_suite", id=written["Suite"])
    mine = await gateway.suites.get(written["Suite"], acomps.Query().children("tags", "configuration"))
    assert empty_left_out(ours(mine)) == empty_left_out(theirs)
    assert theirs["tags"] == READ_TAGS
    assert theirs["configuration"] == {**CONFIGURATION, "asset_collection_id": written["AssetCollection"]}
    assert theirs["description"] == 'as pyCOMPS says: "naïve"'


async def test_acomps_reads_an_experiment_of_pycomps_field_by_field(
    peer: Peer, gateway: acomps.Session, written: dict[str, str]
) -> None:
    theirs = peer.record("fetch_experiment", id=written["Experiment"])
    mine = await gateway.experiments.get(written["Experiment"], acomps.Query().children("tags", "configuration"))
    assert empty_left_out(ours(mine)) == empty_left_out(theirs)
    assert theirs["suite_id"] == written["Suite"]


async def test_acomps_reads_a_simulation_of_pycomps_field_by_field(
    peer: Peer, gateway: acomps.Session, written: dict[str, str]
) -> None:
    theirs = peer.record("fetch_simulation", id=written["Simulation"])
    mine = await gateway.simulations.get(written["Simulation"], acomps.Query().children(*SIMULATION))
    assert empty_left_out(ours(mine)) == empty_left_out(theirs)
    assert theirs["state"] == "Created"
    assert theirs["hpc_jobs"] is None
    assert [file["file_name"] for file in records(theirs["files"])] == ["config.json", "empty.txt"]
    assert [file["length"] for file in records(theirs["files"])] == [8, 0]


async def test_acomps_reads_a_work_item_of_pycomps_field_by_field(
    peer: Peer, gateway: acomps.Session, written: dict[str, str]
) -> None:
    theirs = peer.record("fetch_work_item", id=written["WorkItem"])
    mine = await gateway.work_items.get(written["WorkItem"], acomps.Query().children("tags", "files", "plugins"))
    assert empty_left_out(ours(mine)) == empty_left_out(theirs)
    assert theirs["worker"] == {"name": "nobody's", "version": "1.0.0.0_RELEASE"}
    assert theirs["priority"] == "Highest"
    assert theirs["asset_collection_id"] == written["AssetCollection"]
    assert theirs["plugins"] is None
    assert [[file["file_name"], file["file_type"]] for file in records(theirs["files"])] == [
        ["WorkOrder.json", "WorkOrder"],
        ["input.txt", "input"],
    ]


async def test_acomps_reads_an_asset_collection_of_pycomps_field_by_field(
    peer: Peer, gateway: acomps.Session, written: dict[str, str]
) -> None:
    theirs = peer.record("fetch_collection", id=written["AssetCollection"])
    mine = await gateway.asset_collections.get(written["AssetCollection"], acomps.Query().children("tags", "assets"))
    assert empty_left_out(ours(mine)) == empty_left_out(theirs)
    assert [file["relative_path"] for file in records(theirs["assets"])] == [None, "climate\\Ghana"]
    assert [file["tags"] for file in records(theirs["assets"])] == [None, {"kind": "rain"}]


async def test_pycomps_reads_what_acomps_has_written_field_by_field(peer: Peer, gateway: acomps.Session) -> None:
    configuration = acomps.Configuration(
        environment_name="Local",
        simulation_input_args="-x",
        working_directory_root="$COMPS_PATH(HOME)",
        executable_path="/bin/true",
        node_group_name="a group",
        maximum_number_of_retries=1,
        priority=acomps.Priority.LOWEST,
        min_cores=1,
        max_cores=1,
        exclusive=True,
    )
    tags: dict[str, acomps.TagValue] = {"number": 1, "text": "two", "none": None}
    suite = await gateway.suites.save(
        acomps.Suite(name="a suite", description="of acomps", tags=tags, configuration=configuration)
    )
    experiment = await gateway.experiments.save(
        acomps.Experiment(name="an experiment", suite_id=suite.id, tags=tags, configuration=configuration)
    )
    simulation = await gateway.simulations.save(
        acomps.Simulation(
            name="a simulation",
            experiment_id=experiment.id,
            description="of acomps",
            tags=tags,
            configuration=configuration,
            files=(acomps.SimulationFile(file_name="config.json", description="a file", content=b"{}"),),
        )
    )
    collection = await gateway.asset_collections.save(
        acomps.AssetCollection(
            tags=tags,
            assets=(
                acomps.AssetCollectionFile(
                    file_name="a.bin", relative_path="deep/er", tags={"kind": "a"}, content=uuid.uuid4().bytes
                ),
            ),
        )
    )
    item = await gateway.work_items.save(
        acomps.WorkItem(
            name="a work item",
            environment_name="Local",
            worker=acomps.Worker("nobody's", "1"),
            priority=acomps.Priority.BELOW_NORMAL,
            asset_collection_id=collection.id,
            tags=tags,
            files=(acomps.WorkItemFile.work_order({"WorkItem_Type": "nobody's"}),),
        )
    )
    both = acomps.Query().children("tags", "configuration")
    pairs: list[tuple[str, object]] = [
        ("fetch_suite", await gateway.suites.get(suite, both)),
        ("fetch_experiment", await gateway.experiments.get(experiment, both)),
        ("fetch_simulation", await gateway.simulations.get(simulation, acomps.Query().children(*SIMULATION))),
        ("fetch_work_item", await gateway.work_items.get(item, acomps.Query().children("tags", "files"))),
        (
            "fetch_collection",
            await gateway.asset_collections.get(collection, acomps.Query().children("tags", "assets")),
        ),
    ]
    for scenario, mine in pairs:
        form = record(ours(mine))
        assert peer.record(scenario, id=form["id"]).keys() == form.keys()
        assert empty_left_out(peer.record(scenario, id=form["id"])) == empty_left_out(form)


def test_pycomps_changes_names_configurations_and_parents(peer: Peer, client: Client) -> None:
    first, second = (client.save("Suites", Name=name) for name in ("first", "second"))
    old = client.save(
        "Experiments", Name="old", SuiteId=first, Configuration={"EnvironmentName": "Local", "MinCores": 1}
    )
    new = client.save("Experiments", Name="new")
    [simulation] = client.simulations(old, Configuration={"ExecutablePath": "/bin/true"})
    found = peer.record("change", suite=second, experiment=old, simulation=simulation, configuration={"max_cores": 2})
    assert {kind: record(found[kind])["name"] for kind in found} == {
        "Suite": "changed Suite",
        "Experiment": "changed Experiment",
        "Simulation": "changed Simulation",
    }
    changed = client.one("Experiments", old, "Configuration")
    assert changed["SuiteId"] == second
    assert changed["Description"] == "a changed Experiment"
    # What an update does not name stays.
    assert changed["Configuration"] == {"EnvironmentName": "Local", "MinCores": 1, "MaxCores": 2}
    moved = client.one("Simulations", simulation, "Configuration")
    assert moved["ExperimentId"] == old
    assert moved["Configuration"] == {"ExecutablePath": "/bin/true", "MaxCores": 2}
    peer.record("change", suite=second, experiment=new, simulation=simulation, configuration={"max_cores": 1})
    assert client.one("Simulations", simulation)["ExperimentId"] == new


def test_pycomps_adds_files_to_what_is_saved(peer: Peer, client: Client) -> None:
    [simulation] = client.simulations(client.save("Experiments", Name="files"), files={"config.json": b"{}"})
    assert peer.list("add_a_file", id=simulation, name="late.txt", content="late") == ["config.json", "late.txt"]
    item = peer.record(
        "save_work_item",
        fields={"name": "to change", "environment_name": "Local"},
        worker=["nobody's", "1"],
        order="{}",
        tags={},
        files={},
    )
    assert peer.record("change_work_item", id=item["id"], file="late.txt") == {
        "name": "changed WorkItem",
        "description": "a changed WorkItem",
        "files": ["WorkOrder.json", "late.txt"],
    }


def test_tags_are_set_merged_and_deleted_and_come_back_as_texts(peer: Peer, written: dict[str, str]) -> None:
    steps: list[tuple[str, Record]] = [
        ("set", {"b": 1, "A": "x", "c": None}),
        ("merge", {"b": 2.5, "d": False}),
        ("delete", {"A": None, "absent": "ignored"}),
        ("set", {}),
    ]
    found = peer.list("tag", kind="Experiment", id=written["Experiment"], steps=steps)
    assert found == [
        {"A": "x", "b": "1", "c": ""},
        {"A": "x", "b": "2.5", "c": "", "d": "false"},
        {"b": "2.5", "c": "", "d": "false"},
        None,
    ]
    assert [*record(found[0])] == ["A", "b", "c"]


def test_every_kind_of_entity_has_tags(peer: Peer, client: Client) -> None:
    experiment = client.save("Experiments", Name="tagged")
    entities = {
        "Suite": client.save("Suites", Name="tagged"),
        "Experiment": experiment,
        "Simulation": client.simulations(experiment)[0],
        "WorkItem": _item(peer),
        "AssetCollection": client.assets({"a.txt": b"tagged"}),
    }
    assert peer.record("tag_all", entities=entities) == {kind: {"b": "2.5", "c": ""} for kind in entities}


def _item(peer: Peer) -> str:
    fields = {"name": "an item", "environment_name": "Local"}
    found = peer.record("save_work_item", fields=fields, worker=["nobody's", "1"], order="{}", tags={}, files={})
    return text(found, "id")


def test_what_lies_below_an_entity_is_found_from_above(peer: Peer, client: Client) -> None:
    suite = client.save("Suites", Name="above")
    experiments = [client.save("Experiments", Name=f"{number}", SuiteId=suite) for number in range(3)]
    simulations = client.simulations(experiments[0], 5)
    assert sorted(map(str, peer.list("experiments_of", id=suite))) == sorted(experiments)
    assert sorted(map(str, peer.list("simulations_of", id=experiments[0]))) == sorted(simulations)
    assert peer.list("simulations_of", id=experiments[1]) == []


def test_what_is_deleted_is_gone_with_all_below_it(peer: Peer, client: Client) -> None:
    suite = client.save("Suites", Name="to delete")
    experiment = client.save("Experiments", Name="below", SuiteId=suite)
    [simulation] = client.simulations(experiment)
    peer.ask("delete", kind="Suite", id=suite)
    for kind, id in (("Suite", suite), ("Experiment", experiment), ("Simulation", simulation)):
        with pytest.raises(PeerError, match=f"404 NotFound - Failed to retrieve {kind.lower()} for given id"):
            peer.ask("fetch", kind=kind, id=id)
    assert client.listed("Simulations", filters=f"ExperimentId={experiment}") == []


def test_every_kind_that_can_be_deleted_can_be_deleted(peer: Peer, client: Client) -> None:
    experiment, other = (client.save("Experiments", Name=name) for name in ("one", "other"))
    entities = {
        "WorkItem": _item(peer),
        "Simulation": client.simulations(other)[0],
        "Experiment": experiment,
        "Suite": client.save("Suites", Name="one"),
    }
    peer.ask("delete_all", entities=entities)
    for kind, id in entities.items():
        with pytest.raises(PeerError, match="404"):
            peer.ask("fetch", kind=kind, id=id)
    peer.ask("delete", kind="Experiment", id=other, expire_now=True)
    with pytest.raises(PeerError, match="404"):
        peer.ask("fetch", kind="Experiment", id=other)


def test_what_needs_a_saved_entity_is_refused_before_anything_is_sent(peer: Peer) -> None:
    said = [str(one) for one in peer.list("refuse_unsaved")]
    assert len(said) == 3
    assert all("hasn't been saved" in one for one in said)


def test_fields_and_children_are_what_was_asked_for(peer: Peer, written: dict[str, str]) -> None:
    found = peer.record("fetch", kind="Simulation", id=written["Simulation"], fields=["id", "name"], children=["tags"])
    assert {name: value for name, value in found.items() if value is not None} == {
        "id": written["Simulation"],
        "name": "a simulation",
        "tags": READ_TAGS,
    }
    json.dumps(found)

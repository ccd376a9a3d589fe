"""Work items, and what they have to do with other entities."""

from __future__ import annotations

import json
import uuid

import pytest
from support.local_service import Client, Record, record, records, text, until

import acomps
from interop.both import listed
from interop.pycomps import Peer, PeerError
from interop.test_interop_files import read_zip

RELEASE = "1.0.0.0_RELEASE"
ENDED = {"Succeeded", "Failed", "Canceled"}


def save_item(peer: Peer, worker: str = "nobody's", order: str = "{}", **files: str) -> str:
    fields = {"name": "an item", "environment_name": "Local"}
    found = peer.record("save_work_item", fields=fields, worker=[worker, RELEASE], order=order, tags={}, files=files)
    return text(found, "id")


@pytest.fixture(scope="module")
def related(peer: Peer, client: Client) -> dict[str, str]:
    """One entity of each kind."""
    experiment = client.save("Experiments", Name="related")
    return {
        "WorkItem": save_item(peer),
        "Suite": client.save("Suites", Name="related"),
        "Experiment": experiment,
        "Simulation": client.simulations(experiment)[0],
        "AssetCollection": client.assets({"a.txt": uuid.uuid4().bytes}),
    }


def test_relations_are_seen_from_both_sides(peer: Peer, related: dict[str, str]) -> None:
    first, second = save_item(peer), save_item(peer)
    peer.ask("relate", item=first, related=related, relation="DependsOn")
    peer.ask("relate", item=second, related=related, relation="Created")
    assert peer.record("related_to", item=first) == {
        kind: {"any": [id], "DependsOn": [id], "Created": []} for kind, id in related.items()
    }
    assert record(peer.record("related_to", item=second)["Suite"]) == {
        "any": [related["Suite"]],
        "DependsOn": [],
        "Created": [related["Suite"]],
    }
    both = peer.record("parents_of", related=related, relation=None)
    assert {kind: {*listed(ids)} for kind, ids in both.items()} == {kind: {first, second} for kind in related}
    assert peer.record("parents_of", related=related, relation="Created") == {kind: [second] for kind in related}


def test_what_is_not_there_cannot_be_related(peer: Peer) -> None:
    item = save_item(peer)
    with pytest.raises(PeerError, match="404 NotFound"):
        peer.ask("relate", item=item, related={"Suite": str(uuid.uuid4())}, relation="Created")


ORDER: Record = {
    "WorkItem_Type": "Builder",
    "EntityMetadata": {
        "Experiment": {
            "Name": "built",
            "Tags": {"built": "yes"},
            "Configuration": {"ExecutablePath": "true", "MinCores": 1, "MaxCores": 1, "Priority": "Normal"},
        },
        "Simulation": {"Name": "built simulation", "Description": "", "Tags": {}},
    },
    "FlowControl": {"SimulationCreationLimit": -1, "SimulationCommissionLimit": -1},
    "PluginInfo": [
        {
            "Target": "BuilderPlugin",
            "Metadata": {"Name": "BasicBuilderPlugin", "Version": "2.0.0.0"},
            "Content": {
                "Static_Parameters": {},
                "Dynamic_Parameters": {"Run_Numbers": [1, 2], "Header": ["x"], "Table": [[1], [2], [3]]},
            },
        }
    ],
}


def test_a_builder_work_item_is_saved_with_its_order(peer: Peer, client: Client) -> None:
    item = peer.text("save_builder", name="a builder", order=json.dumps(ORDER))
    found = client.one("WorkItems", item, "Tags,Files")
    assert found["Worker"] == {"Name": "Builder", "Version": RELEASE}
    assert found["EnvironmentName"] == "Local"
    assert found["State"] == "Created"
    assert found["Tags"] == {"kind": "Builder"}
    [order] = records(found["Files"])
    assert [order["FileName"], order["FileType"]] == ["WorkOrder.json", "WorkOrder"]
    assert client.http.get(text(order, "Uri")).json() == ORDER


def ended(client: Client, item: str) -> str:
    """The state in which a commissioned work item ended."""
    until(lambda: client.one("WorkItems", item)["State"] in ENDED, "the work item ends")
    return text(client.one("WorkItems", item), "State")


def test_a_builder_work_item_builds_its_sweep(peer: Peer, client: Client) -> None:
    item = peer.text("save_builder", name="a builder", order=json.dumps(ORDER), commission=True)
    assert ended(client, item) == "Succeeded", client.one("WorkItems", item)
    [experiment] = listed(record(peer.record("related_to", item=item)["Experiment"])["Created"])
    found = client.one("Experiments", str(experiment), "Tags")
    assert found["Name"] == "built"
    simulations = client.listed("Simulations", filters=f"ExperimentId={experiment}")
    assert len(simulations) == 6


@pytest.fixture(scope="module")
def finished(peer: Peer, client: Client) -> str:
    """A work item whose command has run."""
    order = {
        "WorkItem_Type": "DockerWorker",
        "Execution": {"Command": "sh run.sh", "ImageName": ""},
    }
    script = 'echo "ran as $COMPS_WORKITEM_GUID"\nmkdir -p results\nprintf 12345 > results/table.txt\n'
    item = save_item(peer, "DockerWorker", json.dumps(order), **{"run.sh": script})
    client.commission("WorkItems", item)
    assert ended(client, item) == "Succeeded", client.one("WorkItems", item)
    return item


async def test_outputs_of_a_work_item_are_listed_read_and_zipped(
    peer: Peer, gateway: acomps.Session, finished: str
) -> None:
    found = peer.record("read_item_outputs", id=finished, paths=["results/TABLE.txt", "stdout.txt"])
    contents = ["12345", f"ran as {finished}\n"]
    assert found["contents"] == [contents] * 3
    assert read_zip(found["zip"]) == {"results/table.txt": b"12345", "stdout.txt": contents[1].encode()}
    names = listed(found["names"])
    assert {"WorkOrder.json", "run.sh", "table.txt", "stdout.txt"} <= {*names}
    mine = await gateway.outputs.list(await gateway.work_items.get(finished))
    assert sorted(file.file_name for file in mine) == sorted(map(str, names))


def test_what_a_work_item_tells_of_its_run(peer: Peer, finished: str) -> None:
    found = peer.record("fetch_work_item", id=finished)
    assert found["state"] == "Succeeded"
    assert found["host_name"]
    assert found["worker_instance_id"]
    size = found["working_directory_size"]
    assert isinstance(size, int)
    assert size >= 5
    assert text(found, "working_directory").endswith(finished)

"""Saving many at once: batches, order, missing contents."""

from __future__ import annotations

import uuid

from support.local_service import Client, record

import acomps
from interop.both import listed
from interop.pycomps import Peer

#: A request of pyCOMPS is kept below this.
REQUEST_BYTES = 38_912 * 1024


def test_simulations_are_saved_in_batches_and_get_their_ids_in_order(peer: Peer, client: Client) -> None:
    experiment = client.save("Experiments", Name="many")
    found = peer.record("save_many", experiment=experiment, count=250, tags={"run": "many"})
    assert found["told"] == [100, 200, 250]
    saved = client.listed("Simulations", filters=f"ExperimentId={experiment}", children="Tags", orderby="Id")
    # The ids of the service sort by time, so that this is the order in which they were made.
    assert [one["Id"] for one in saved] == found["ids"]
    assert [one["Name"] for one in saved] == [f"simulation {number}" for number in range(250)]
    assert [record(one["Tags"])["number"] for one in saved] == [f"{number}" for number in range(250)]


def test_a_batch_ends_at_the_limit_of_a_request(peer: Peer, client: Client) -> None:
    experiment = client.save("Experiments", Name="large")
    size = 9 * 1024 * 1024
    found = peer.record("save_many", experiment=experiment, count=6, size=size)
    assert found["told"] == [4, 6]
    assert 4 * size < REQUEST_BYTES < 5 * size
    saved = client.listed("Simulations", filters=f"ExperimentId={experiment}", children="Files")
    assert len(saved) == 6


def test_work_items_are_saved_in_batches(peer: Peer, client: Client) -> None:
    found = peer.record("save_many_work_items", count=101)
    assert found["told"] == [".", "."]
    assert client.one("WorkItems", str(listed(found["ids"])[100]))["Name"] == "work item 100"


def test_saving_takes_the_semaphore_that_is_given(peer: Peer, client: Client) -> None:
    experiment = client.save("Experiments", Name="semaphores")
    found = peer.record("save_with_semaphores", experiment=experiment)
    assert found["taken"] == 1 + 2 + 1 + 1
    assert found["own"] == [4, 4]
    saved = client.listed("Simulations", filters=f"ExperimentId={experiment}", orderby="Id")
    assert [one["Id"] for one in saved] == found["ids"]


async def test_missing_contents_are_named_and_nothing_is_saved(
    peer: Peer, client: Client, gateway: acomps.Session
) -> None:
    experiment = client.save("Experiments", Name="missing")
    found = peer.record("save_with_missing", experiment=experiment, content=str(uuid.uuid4()))
    absent = "0f0e0d0c-0b0a-0908-0706-050403020100"
    for way in ("Simulation.save", "Simulation.save_all", "WorkItem.save", "WorkItem.save_all", "AssetCollection.save"):
        assert found[way] == [absent], way
    for way in ("Simulation.save", "WorkItem.save", "AssetCollection.save"):
        assert f"400 BadRequest - Unknown assets referenced in request: {absent}" in str(found[f"{way} raises"])
    assert found["unsaved"] is None
    saved = client.listed("Simulations", filters=f"ExperimentId={experiment}")
    assert [one["Id"] for one in saved] == [found["saved"]]
    assert await gateway.simulations.count(acomps.Query().where(f"experiment_id={experiment}")) == 1

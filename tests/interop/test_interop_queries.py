"""Queries of pyCOMPS find what they should, and acomps's find the same."""

from __future__ import annotations

import pytest
from support.local_service import Client, record

import acomps
from interop.both import listed
from interop.pycomps import Peer, PeerError


@pytest.fixture(scope="module")
def swept(client: Client) -> str:
    """An experiment with simulations 0 to 9: their number, rate and disease are in their tags."""
    experiment = client.save("Experiments", Name="queried", Configuration={"EnvironmentName": "Local"})
    documents = [
        {
            "ExperimentId": experiment,
            "Name": f"simulation {number}",
            "Description": "odd" if number % 2 else "even",
            "Tags": {"number": number, "rate": number / 4, "disease": "Malaria" if number < 5 else "Typhoid"},
        }
        for number in range(10)
    ]
    client.ids(client.form("Simulations", documents))
    return experiment


def names(*numbers: int) -> list[str]:
    return [f"simulation {number}" for number in numbers]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("name=simulation 3", [3]),
        ("name=SIMULATION 3", [3]),
        ("name!=simulation 3", [0, 1, 2, 4, 5, 6, 7, 8, 9]),
        ("name~ion 3", [3]),
        ("name~%ion 3", [3]),
        ("name~sim%4", [4]),
        ("name>simulation 7", [8, 9]),
        ("name>=simulation 8", [8, 9]),
        ("name<simulation 2", [0, 1]),
        ("name<=simulation 1", [0, 1]),
        ("description=odd", [1, 3, 5, 7, 9]),
        ("state=Created", [*range(10)]),
        ("state=0", [*range(10)]),
        ("state!=Created", []),
        ("date_created>2020-01-01", [*range(10)]),
        ("date_created>=2020-01-01 10:11:12", [*range(10)]),
        ("date_created<2020-01-01T00:00:00", []),
        ("last_modified<2020-01-01T00:00:00.0000000Z", []),
    ],
)
def test_every_operator_of_a_filter(peer: Peer, swept: str, where: str, numbers: list[int]) -> None:
    found = peer.list("find", kind="Simulation", where=[f"experiment_id={swept}", where], orderby="name")
    assert found == names(*numbers)


@pytest.mark.parametrize(
    ("where_tag", "numbers"),
    [
        ("number=3", [3]),
        ("number!=3", [0, 1, 2, 4, 5, 6, 7, 8, 9]),
        ("number>8", [9]),
        ("number>=8", [8, 9]),
        ("number<1", [0]),
        ("number<=1.0", [0, 1]),
        ("number>10", []),
        ("rate=0.50", [2]),
        ("disease=malaria", [0, 1, 2, 3, 4]),
        ("disease~yph", [5, 6, 7, 8, 9]),
        ("disease!=Malaria", [5, 6, 7, 8, 9]),
        ("DISEASE", [*range(10)]),
        ("absent", []),
    ],
)
def test_every_operator_of_a_tag_filter(peer: Peer, swept: str, where_tag: str, numbers: list[int]) -> None:
    found = peer.list(
        "find", kind="Simulation", where=[f"experiment_id={swept}"], where_tag=[where_tag], orderby="name"
    )
    assert found == names(*numbers)


def test_order_offset_and_count(peer: Peer, swept: str) -> None:
    mine = [f"experiment_id={swept}"]
    assert peer.list("find", kind="Simulation", where=mine, orderby="name desc", count=2) == names(9, 8)
    assert peer.list("find", kind="Simulation", where=mine, orderby="name", offset=8) == names(8, 9)
    assert peer.list("find", kind="Simulation", where=mine, orderby="name asc", offset=3, count=2) == names(3, 4)
    assert peer.list("find", kind="Simulation", where=mine, orderby="name", offset=10) == []


def test_a_query_with_everything_is_understood(peer: Peer, swept: str) -> None:
    found = peer.record("find_with_everything", experiment=swept)
    assert found["held"] == [
        ["id", "name"],
        ["tags"],
        [f"experiment_id={swept}", "name~simulation"],
        ["number>=2", "number<8"],
        {"format": "json"},
    ]
    assert record(found["sent"])["filters"] == f"ExperimentId={swept},Name~simulation"
    simulations = [record(one) for one in listed(found["found"])]
    assert [one["name"] for one in simulations] == names(6, 5, 4)
    assert record(simulations[0]["tags"])["number"] == "6"
    assert simulations[0]["owner"] is None


def test_extra_parameters_override_and_carry_raw_filters(peer: Peer, swept: str, client: Client) -> None:
    raw = {"filters": f"ExperimentId={swept},Description=odd,Owner={client.username}", "orderby": "Name"}
    assert peer.list("find", kind="Simulation", where=["name=nothing"], extra=raw) == names(1, 3, 5, 7, 9)
    smuggled = [f"name~%%,Owner={client.username},ExperimentId={swept}"]
    assert len(peer.list("find", kind="Simulation", where=smuggled)) == 10


@pytest.mark.parametrize("name", ["filters", "FILTERS", "Filters"])
def test_names_of_parameters_and_fields_are_read_in_any_case(peer: Peer, swept: str, name: str) -> None:
    query = {name: f"experimentid={swept},NAME=simulation 4"}
    assert peer.list("find", kind="Simulation", extra=query) == names(4)


def test_configurations_come_merged_when_asked(peer: Peer, client: Client) -> None:
    suite = client.save("Suites", Name="above", Configuration={"EnvironmentName": "Local", "MinCores": 1})
    experiment = client.save(
        "Experiments", Name="queried", SuiteId=suite, Configuration={"ExecutablePath": "/bin/true"}
    )
    found = peer.list(
        "find_whole",
        kind="Experiment",
        where=[f"id={experiment}"],
        select_children=["configuration"],
        extra={"coalesceConfig": True},
    )
    merged = record(record(found[0])["configuration"])
    assert {name: value for name, value in merged.items() if value is not None} == {
        "environment_name": "Local",
        "min_cores": 1,
        "executable_path": "/bin/true",
    }


def test_asset_collections_are_found_by_their_tags(peer: Peer, client: Client) -> None:
    collection = client.assets({"a.txt": b"to be found"})
    client.http.post(
        f"/api/AssetCollections/{collection}/tags", json={"Tags": {"found": "1"}, "OperationMode": "Merge"}
    )
    assert peer.list("find", kind="AssetCollection", where_tag=["found=1"], orderby="date_created desc") == [collection]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"where": ["name"]}, "400 BadRequest"),
        ({"extra": {"filters": "Colour=red"}}, "400 BadRequest - .*Colour"),
        ({"extra": {"children": "Tags,Kittens"}}, "400 BadRequest - .*Kittens"),
        ({"extra": {"orderby": "Colour"}}, "400 BadRequest - .*Colour"),
        ({"where": ["state=Sleeping"]}, "400 BadRequest - .*Sleeping"),
        ({"where": ["date_created>soon"]}, "400 BadRequest - .*soon"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_in_words(peer: Peer, query: dict[str, object], said: str) -> None:
    with pytest.raises(PeerError, match=said):
        peer.ask("find", kind="Simulation", **query)


def test_ids_may_be_texts_and_bad_ones_are_refused_before_anything_is_sent(peer: Peer) -> None:
    with pytest.raises(PeerError, match="ValueError: Invalid id: no id"):
        peer.ask("fetch_badly", id="no id")
    with pytest.raises(PeerError, match="RuntimeError: 404 NotFound - Failed to retrieve simulation for given id"):
        peer.ask("fetch_badly", id="11111111-2222-3333-4444-555555555555")
    with pytest.raises(
        PeerError, match=r"RuntimeError: 404 NotFound - Failed to retrieve experiment for given id .*CorrelationId = "
    ):
        peer.ask("fetch_experiment_badly", id="11111111-2222-3333-4444-555555555555")


async def test_both_clients_find_the_same(peer: Peer, gateway: acomps.Session, swept: str) -> None:
    query = (
        acomps.Query()
        .where(f"experiment_id={swept}", "name>simulation 2")
        .where_tag("number<8", "disease=Malaria")
        .order_by("name", descending=True)
    )
    mine = [simulation.name for simulation in await gateway.simulations.list(query)]
    theirs = peer.list(
        "find",
        kind="Simulation",
        where=[f"experiment_id={swept}", "name>simulation 2"],
        where_tag=["number<8", "disease=Malaria"],
        orderby="name desc",
    )
    assert mine == theirs == names(4, 3)

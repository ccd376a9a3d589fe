"""Filters, order and pages."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.local_service import Client, refused, text


@pytest.fixture(scope="module")
def experiment(client: Client) -> str:
    """Twenty simulations whose tags say a number, a name and a batch."""
    experiment_id = client.save("Experiments", Name="to be queried", Configuration={"EnvironmentName": "Local"})
    documents = [
        {
            "ExperimentId": experiment_id,
            "Name": f"sim_{number:02}",
            "Description": "100% sure" if number == 7 else "unsure",
            "Tags": {"n": number, "half": number / 2, "parity": "even" if number % 2 == 0 else "odd"}
            | ({"rare": "x", "acomps_key": "batch1-3"} if number == 3 else {}),
        }
        for number in range(20)
    ]
    assert len(client.ids(client.form("Simulations", documents))) == 20
    return experiment_id


def names(client: Client, experiment: str, filters: str = "", **query: str) -> list[str]:
    together = f"ExperimentId={experiment}" + (f",{filters}" if filters else "")
    return [text(found, "Name") for found in client.listed("Simulations", filters=together, **query)]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ("Name=sim_03", 1),
        ("NAME=SIM_03", 1),
        ("name!=sim_03", 19),
        ("Name~sim", 20),
        ("Name~%_03", 1),
        ("Name~im_1", 10),
        ("Name~sim%9", 2),
        ("Name~simX0", 0),
        ("Name<sim_05", 5),
        ("Name>=sim_05", 15),
        ("SimulationState=Created", 20),
        ("state=created", 20),
        ("SimulationState=0", 20),
        ("SimulationState!=Running", 20),
        ("SimulationState=Running", 0),
        ("DateCreated>2020-01-01", 20),
        ("DateCreated<2020-01-01 10:00:00", 0),
        ("DateCreated>=2020-01-01T10:00:00Z,LastModified>2020-01-01T10:00:00", 20),
        ("EnvironmentName=local", 20),
        ("EnvironmentName!=Local", 0),
        ("GroupName=LOCAL", 20),
        ("GroupName=OTHER", 0),
        ("Description~100", 1),
        ("Name='; DROP TABLE simulations; --", 0),
    ],
)
def test_filters_find_what_they_say(client: Client, experiment: str, filters: str, count: int) -> None:
    assert len(names(client, experiment, filters)) == count


@pytest.mark.parametrize(
    ("tag_filters", "count"),
    [
        ("n", 20),
        ("absent", 0),
        ("N=3", 1),
        ("n=3.0", 1),
        ("n>9", 10),
        ("n>=9,n<11", 2),
        ("n!=3", 19),
        ("half=0.5", 1),
        ("half<1.25", 3),
        ("parity=EVEN", 10),
        ("parity!=even", 10),
        ("parity~dd", 10),
        ("parity=even,n<=4", 3),
        ("rare", 1),
        ("acomps_key~batch1", 1),
        ("acomps_key~atch1", 0),
        ("acomps_key~%atch1%", 1),
    ],
)
def test_tag_filters_find_what_they_say(client: Client, experiment: str, tag_filters: str, count: int) -> None:
    assert len(names(client, experiment, tagfilters=tag_filters)) == count


def test_lists_are_in_the_order_asked_for(client: Client, experiment: str) -> None:
    plain = names(client, experiment)
    assert plain == sorted(plain)
    assert names(client, experiment, orderby="Name desc") == plain[::-1]
    assert names(client, experiment, orderby="date_created asc") == plain
    assert names(client, experiment, orderby="DateCreated desc", count="1") == plain[-1:]


def test_a_page_says_where_it_lies_in_the_whole(client: Client, experiment: str) -> None:
    def page(**query: str) -> tuple[int, str | None]:
        answer = client.http.get("/api/Simulations", params={"filters": f"ExperimentId={experiment}", **query})
        return len(answer.json()["Simulations"]), answer.headers.get("Content-Range")

    assert page() == (20, None)
    assert page(count="1") == (1, "0-0/20")
    assert page(offset="15") == (5, "15-19/20")
    assert page(offset="5", count="10") == (10, "5-14/20")
    assert page(offset="20") == (0, None)
    assert page(count="0", offset="0") == (20, None)


def test_experiments_come_in_pages_of_a_thousand(client: Client) -> None:
    suite = client.save("Suites", Name="large")
    documents = [{"Name": f"e{number}", "SuiteId": suite} for number in range(1_001)]
    for part in (documents[:1000], documents[1000:]):
        client.ids(client.http.post("/api/Experiments", json={"Experiments": part}))
    answer = client.http.get("/api/Experiments", params={"filters": f"SuiteId={suite}"})
    assert len(answer.json()["Experiments"]) == 1000
    assert answer.headers["Content-Range"] == "0-999/1001"
    assert len(client.listed("Experiments", filters=f"SuiteId={suite}", count="5000")) == 1001


def test_a_list_of_many_chunks_is_complete_and_in_order(client: Client) -> None:
    experiment = client.save("Experiments", Name="many")
    for _ in range(6):
        client.simulations(experiment, 1000, files={"config.json": b"{}"}, Tags={"k": 1})
    found = client.listed("Simulations", filters=f"ExperimentId={experiment}", children="Tags,Files", orderby="Id")
    assert len(found) == 6000
    assert [text(one, "Id") for one in found] == sorted({text(one, "Id") for one in found})
    assert all(one["Tags"] == {"k": "1"} and one["Files"] for one in found)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"filters": "Nmae=x"}, "Nmae"),
        ({"filters": "Name"}, "Name"),
        ({"filters": "SimulationState=Sleeping"}, "Sleeping"),
        ({"filters": "DateCreated>yesterday"}, "yesterday"),
        ({"filters": "ExperimentId=7"}, "GUID"),
        ({"fields": "Id,Nmae"}, "Nmae"),
        ({"children": "Tag"}, "Tag"),
        ({"orderby": "Nmae"}, "Nmae"),
        ({"orderby": "Name sideways"}, "sideways"),
        ({"count": "many"}, "count"),
        ({"offset": "-1"}, "offset"),
    ],
)
def test_what_a_query_gets_wrong_is_named(client: Client, query: Mapping[str, str], says: str) -> None:
    refused(client.http.get("/api/Simulations", params=query), 400, says)

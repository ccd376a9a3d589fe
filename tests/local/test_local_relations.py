"""What work items have to do with other entities."""

from __future__ import annotations

import uuid

import pytest
from support.local_service import Client, refused


@pytest.fixture
def item(client: Client) -> str:
    """A work item."""
    document = {"Name": "w", "Worker": {"name": "W", "version": "1"}, "EnvironmentName": "Local"}
    return client.ids(client.form("WorkItems", [document]))[0]


def test_relations_are_seen_from_both_sides(client: Client, item: str) -> None:
    experiment, suite = client.save("Experiments", Name="e"), client.save("Suites", Name="s")
    for relation, kind, entity_id in (("DependsOn", "Experiment", experiment), ("Created", "Suite", suite)) * 2:
        assert client.http.post(f"/api/WorkItems/{item}/Related/{relation}/{kind}/{entity_id}").status_code == 200
    described = {
        "DependsOn": {"Id": experiment, "ObjectType": "Experiment", "Relationship": "DependsOn"},
        "Created": {"Id": suite, "ObjectType": "Suite", "Relationship": "Created"},
    }
    url = f"/api/WorkItems/{item}/Related"
    whole = client.http.get(url).json()
    assert (whole["Id"], whole["Ancestors"]) == (item, [])
    assert sorted(found["Relationship"] for found in whole["Related"]) == ["Created", "DependsOn"]
    assert client.http.get(url, params={"RelationType": "Created"}).json()["Related"] == [described["Created"]]
    assert client.http.get(url, params={"RelatedObject": "experiment"}).json()["Related"] == [described["DependsOn"]]
    reverse = f"/api/WorkItems/RelatedEntityId/{experiment}/Type/Experiment"
    assert client.http.get(reverse).json() == {"Parents": [{"Id": item}]}
    assert client.http.get(f"{reverse}/Relation/DependsOn").json() == {"Parents": [{"Id": item}]}
    assert client.http.get(f"{reverse}/Relation/Created").json() == {"Parents": []}
    assert client.http.delete(f"/api/WorkItems/{item}").status_code == 200
    assert client.http.get(reverse).json() == {"Parents": []}


def test_a_relation_with_nothing_is_refused(client: Client, item: str) -> None:
    unknown = str(uuid.uuid4())
    refused(client.http.post(f"/api/WorkItems/{item}/Related/DependsOn/Suite/{unknown}"), 404, "suite")
    refused(client.http.post(f"/api/WorkItems/{unknown}/Related/DependsOn/WorkItem/{item}"), 404, "workitem")
    refused(client.http.post(f"/api/WorkItems/{item}/Related/Likes/WorkItem/{item}"), 400, "likes")
    refused(client.http.post(f"/api/WorkItems/{item}/Related/DependsOn/Planet/{item}"), 400, "planet")
    refused(client.http.get(f"/api/WorkItems/{unknown}/Related"), 404)

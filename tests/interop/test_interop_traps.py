"""What clients stumble over, seen with the real one and byte by byte."""

from __future__ import annotations

import re
import uuid

import pytest
from support.local_service import Client, Running, log_in, record, records, refused, text

import acomps
from interop.both import listed
from interop.pycomps import Peer, PeerError

SEVEN_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")


def test_a_worker_has_two_keys_and_there_are_no_plugins(peer: Peer, client: Client) -> None:
    fields = {"name": "an item", "environment_name": "Local"}
    item = text(peer.record("save_work_item", fields=fields, worker=["W", "1"], order="{}", tags={}, files={}), "id")
    found = client.one("WorkItems", item, "Plugins")
    assert record(found["Worker"]) == {"Name": "W", "Version": "1"}
    assert found.get("Plugins", []) == []
    lower = client.form(
        "WorkItems", [{"name": "n", "WORKER": {"name": "w", "VERSION": "2"}, "environmentname": "local"}]
    )
    [other] = client.ids(lower)
    assert record(client.one("WorkItems", other)["Worker"]) == {"Name": "w", "Version": "2"}


def test_dates_have_seven_digits_of_a_second(client: Client) -> None:
    simulation = client.simulations(client.experiment("true"))[0]
    assert client.run(simulation) == ["Succeeded"]
    found = client.one("Simulations", simulation)
    [job] = client.jobs(simulation)
    dates = [found["DateCreated"], found["LastModified"], job["SubmitTime"], job["StartTime"], job["EndTime"]]
    assert all(SEVEN_DIGITS.fullmatch(str(date)) for date in dates), dates


@pytest.mark.parametrize(
    ("value", "kept"),
    [(1, "1"), (0.0, "0.0"), (1e-7, "1e-07"), (True, "true"), (None, ""), ([1, "a"], '[1, "a"]'), ("", ""), ("1", "1")],
)
def test_a_tag_is_kept_as_the_text_of_its_json(peer: Peer, client: Client, value: object, kept: str) -> None:
    experiment = client.save("Experiments", Name="tags")
    assert peer.list("tag", kind="Experiment", id=experiment, steps=[["set", {"key": value}]]) == [{"key": kept}]


def test_ids_come_in_the_order_of_the_request_for_new_and_changed_alike(client: Client) -> None:
    experiment = client.save("Experiments", Name="ids")
    first, second = client.simulations(experiment, 2)
    documents = [{"Id": second, "Name": "b"}, {"ExperimentId": experiment, "Name": "new"}, {"Id": first, "Name": "a"}]
    ids = client.ids(client.form("Simulations", documents))
    assert [ids[0], ids[2]] == [second, first]
    assert client.one("Simulations", ids[1])["Name"] == "new"


def test_a_token_comes_in_the_header_and_in_the_body(local: Running, client: Client) -> None:
    with client.http.__class__(base_url=local.url) as http:
        answer = log_in(http, local.username, local.password)
        assert answer.headers["X-COMPS-Token"] == answer.json()["Token"]
        renewed = http.put("/api/tokens", json={"ClientVersion": 12}, headers={"X-COMPS-Token": answer.json()["Token"]})
    assert renewed.headers["X-COMPS-Token"] == renewed.json()["Token"]


async def test_suites_and_experiments_come_in_pages_of_a_thousand(
    peer: Peer, client: Client, gateway: acomps.Session
) -> None:
    name = f"one of many {uuid.uuid4()}"
    for plural, kind in (("Suites", "Suite"), ("Experiments", "Experiment")):
        for count in (1_000, 1):
            client.ids(client.http.post(f"/api/{plural}", json={plural: [{"Name": name}] * count}))
        assert len(peer.list("find", kind=kind, where=[f"name={name}"])) == 1_000
        assert len(peer.list("find", kind=kind, where=[f"name={name}"], offset=1_000)) == 1
        assert len(peer.list("find", kind=kind, where=[f"name={name}"], extra={"count": 5_000})) == 1_001
        answer = client.http.get(f"/api/{plural}", params={"filters": f"Name={name}"})
        assert answer.headers["Content-Range"] == "0-999/1001"
    assert len(await gateway.suites.list(acomps.Query().where(f"name={name}"))) == 1_001
    assert len(await gateway.experiments.list(acomps.Query().where(f"name={name}"))) == 1_001


def test_paths_and_query_names_are_read_in_any_case(client: Client) -> None:
    experiment = client.save("Experiments", Name="any case")
    [simulation] = client.simulations(experiment)
    for path in (
        f"/API/SIMULATIONS/{simulation.upper()}",
        f"/api/simulations/{simulation}/",
        f"/Api/Simulations/{simulation}",
    ):
        assert records(client.http.get(path).json()["Simulations"])[0]["Id"] == simulation
    found = client.http.get("/api/Simulations/", params={"FILTERS": f"EXPERIMENTID={experiment}", "Children": "tags"})
    assert len(listed(found.json()["Simulations"])) == 1
    refused(client.http.get(f"/ASSET/simulations/{uuid.uuid4()}/OUTPUT/", params={"Flatten": "1"}), 404)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/api/Simulations/11111111-2222-3333-4444-555555555555", "NotFound"),
        ("/api/Simulations/no-id", "BadRequest"),
        ("/api/nothing", "NotFound"),
        ("/asset/contents/11111111-2222-3333-4444-555555555555/a", "NotFound"),
    ],
)
def test_a_reason_phrase_is_one_word(client: Client, path: str, reason: str) -> None:
    assert client.http.get(path).reason_phrase == reason


def test_without_a_token_the_reason_is_unauthorized(client: Client) -> None:
    answer = client.http.get("/api/Simulations", headers={"X-COMPS-Token": "1,Auth,forged"})
    assert (answer.status_code, answer.reason_phrase) == (401, "Unauthorized")


@pytest.mark.parametrize("kind", ["Suite", "Experiment", "Simulation", "WorkItem", "AssetCollection"])
def test_the_text_for_an_unknown_id_begins_as_clients_expect(peer: Peer, kind: str) -> None:
    said = f"404 NotFound - Failed to retrieve {kind.lower()} for given id"
    with pytest.raises(PeerError, match=said):
        peer.ask("fetch", kind=kind, id=str(uuid.uuid4()))


def test_an_unknown_environment_is_named_as_clients_expect(peer: Peer) -> None:
    with pytest.raises(PeerError, match=r"400 BadRequest - .*invalid environment-name: Calculon"):
        peer.ask("save_experiment", fields={"name": "e"}, configuration={"environment_name": "Calculon"})
    fields = {"name": "an item", "environment_name": "Calculon"}
    with pytest.raises(PeerError, match=r"400 BadRequest - .*invalid environment-name: Calculon"):
        peer.ask("save_work_item", fields=fields, worker=["W", "1"], order="{}", tags={}, files={})

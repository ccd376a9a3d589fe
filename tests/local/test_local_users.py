"""Several users on one service: who sees what, who changes what, passwords and tokens."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from support.local_service import Client, Running, log_in, md5, record, records, refused, running, until

import acomps
from acomps.comps.child import shared_service
from acomps.local.accounts.users import UsersFile

PASSWORD = "correct horse"
GROUPS = {"ann": ["malaria"], "bob": ["malaria", "measles"], "cat": ["measles"]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """A service with three users in two groups."""
    data = tmp_path_factory.mktemp("users") / "data"
    data.mkdir()
    (data / "service.toml").write_text(
        '[[environments]]\nname = "Local"\ngroup = "malaria"\n[[environments]]\nname = "Rash"\ngroup = "measles"\n'
    )
    for name, groups in GROUPS.items():
        UsersFile(data).add(name, PASSWORD, groups=groups, email=f"{name}@example.org")
    with running(data, "--cores", "1") as service:
        yield service


def as_user(service: Running, name: str, password: str = PASSWORD) -> Client:
    return Client(Running(service.process, service.data_dir, service.url, name, password))


@pytest.fixture(scope="module")
def ann(shared: Running) -> Generator[Client]:
    with as_user(shared, "ann") as client:
        yield client


@pytest.fixture(scope="module")
def bob(shared: Running) -> Generator[Client]:
    with as_user(shared, "bob") as client:
        yield client


@pytest.fixture(scope="module")
def cat(shared: Running) -> Generator[Client]:
    with as_user(shared, "cat") as client:
        yield client


def test_the_ready_file_has_no_password_when_users_have_their_own(shared: Running) -> None:
    facts = record(json.loads((shared.data_dir / "service.json").read_bytes()))
    assert set(facts) == {"url", "pid"}
    for name in ("users.json", "service.json", "signing-key"):
        assert stat.S_IMODE((shared.data_dir / name).stat().st_mode) == 0o600
    assert PASSWORD not in (shared.data_dir / "users.json").read_text()


def test_what_belongs_to_a_group_is_seen_by_its_members_and_by_nobody_else(
    ann: Client, bob: Client, cat: Client
) -> None:
    suite = ann.save("Suites", Name="a suite of ann")
    experiment = ann.experiment("/bin/echo", "hello", WorkingDirectoryRoot="$COMPS_PATH(USER)/out")
    simulation = ann.simulations(experiment, files={"in.txt": b"input of ann"})[0]
    collection = ann.assets({"a/tool.sh": b"#!/bin/sh\n# of ann\n"})
    item = ann.ids(
        ann.form("WorkItems", [{"Name": "w", "Worker": {"name": "x", "version": "1"}, "EnvironmentName": "Local"}])
    )[0]
    everything = {
        "Suites": suite,
        "Experiments": experiment,
        "Simulations": simulation,
        "WorkItems": item,
        "AssetCollections": collection,
    }
    for plural, entity_id in everything.items():
        assert bob.one(plural, entity_id)["Id"] == entity_id
        assert entity_id in {found["Id"] for found in bob.listed(plural)}
        refused(cat.http.get(f"/api/{plural}/{entity_id}"), 404, "Failed to retrieve")
        assert entity_id not in {found["Id"] for found in cat.listed(plural)}
        assert cat.listed(plural, id=entity_id) == []
    assert cat.listed("Simulations", filters=f"ExperimentId={experiment}") == []
    assert cat.http.post("/api/Experiments/Stats", json={"Ids": [experiment]}).json()["Stats"] == {}
    refused(cat.http.get(f"/api/Experiments/{experiment}?statsoperations=simulationcount"), 404)
    refused(cat.http.get(f"/api/WorkItems/{item}/Related"), 404)


def test_only_the_owner_changes_things(ann: Client, bob: Client, cat: Client) -> None:
    experiment = ann.experiment("/bin/true")
    simulation = ann.simulations(experiment)[0]
    suite = ann.save("Suites", Name="mine")
    for client, status in ((bob, 403), (cat, 404)):
        for plural, entity_id in (("Experiments", experiment), ("Simulations", simulation), ("Suites", suite)):
            refused(client.ask(plural, entity_id, "CommissionRequested"), status)
            refused(client.ask(plural, entity_id, "CancelRequested"), status)
            refused(client.http.delete(f"/api/{plural}/{entity_id}"), status)
            tags = {"Tags": {"a": "b"}, "OperationMode": "Merge"}
            refused(client.http.post(f"/api/{plural}/{entity_id}/tags", json=tags), status)
        renamed = {"Experiments": [{"Id": experiment, "Name": "stolen"}]}
        refused(client.http.post("/api/Experiments", json=renamed), status)
    refused(bob.form("Simulations", [{"ExperimentId": experiment, "Name": "x"}]), 403, "belongs to ann")
    refused(cat.form("Simulations", [{"ExperimentId": experiment, "Name": "x"}]), 400, "not the id of a known")
    refused(bob.http.post("/api/Experiments", json={"Experiments": [{"SuiteId": suite, "Name": "x"}]}), 403)
    assert ann.one("Experiments", experiment)["Name"] == "an experiment"
    assert ann.state(simulation) == "Created"


def test_owner_is_whoever_is_logged_in_whatever_the_request_says(ann: Client) -> None:
    suite = ann.save("Suites", Name="whose", Owner="bob")
    assert ann.one("Suites", suite)["Owner"] == "ann"


def test_outputs_follow_their_simulation_and_links_open_them_for_anybody(
    shared: Running, ann: Client, bob: Client, cat: Client
) -> None:
    simulation = ann.simulations(ann.experiment("/bin/echo", "secret of ann"))[0]
    assert ann.run(simulation) == ["Succeeded"]
    url = str(bob.outputs(simulation)["stdout.txt"]["Url"])
    refused(cat.http.get(f"/asset/Simulations/{simulation}/Output?flatten=1"), 404)
    bare = url.partition("?")[0]
    refused(cat.http.get(bare), 404)
    assert bob.http.get(bare).text == "secret of ann\n"
    with httpx.Client() as stranger:
        refused(stranger.get(bare), 401)
        assert stranger.get(url).text == "secret of ann\n"
    listed = ann.http.get(f"/asset/Simulations/{simulation}/Output?flatten=1").json()["Resources"]
    ids = [resource["Id"] for resource in listed]
    refused(cat.http.post(f"/asset/Simulations/{simulation}/Output?zip=1", json={"Ids": ids}), 404)
    offer = ann.http.post(f"/asset/Simulations/{simulation}/Output?zip=1", json={"Ids": ids}).json()["Resources"][0]
    refused(cat.http.get(offer["Url"].partition("?")[0]), 404)
    body = {"SimulationIds": [simulation], "Filename": "stdout.txt"}
    refused(cat.http.post("/api/ChannelData/Metadata", json=body), 404)
    assert shared.process.poll() is None


def test_assets_saved_for_one_group_are_seen_by_that_group(ann: Client, bob: Client, cat: Client) -> None:
    def saved(client: Client, group: str) -> httpx.Response:
        data = b"asset for one group"
        asset = {"FileName": "x.txt", "MD5Checksum": md5(data)}
        files: dict[str, tuple[str, str | bytes, str]] = {
            "not_a_file": ("AssetCollections", json.dumps([{"Assets": [asset]}]), "application/json"),
            md5(data): ("x.txt", data, "text/plain"),
        }
        return client.http.post("/api/AssetCollections", params={"groupnames": group}, files=files)

    collection = bob.ids(saved(bob, "Measles"))[0]
    assert cat.one("AssetCollections", collection)["Id"] == collection
    assert bob.one("AssetCollections", collection)["Id"] == collection
    refused(ann.http.get(f"/api/AssetCollections/{collection}"), 404)
    assert bob.ids(saved(bob, "measles")) == [collection]
    assert bob.ids(saved(bob, "malaria")) != [collection]
    refused(saved(ann, "measles"), 403, "not in group")
    refused(
        ann.http.post(
            "/api/Experiments",
            json={"Experiments": [{"Name": "x", "Configuration": {"AssetCollectionId": collection}}]},
        ),
        400,
        "not the id of a known",
    )


def test_environments_belong_to_groups(ann: Client, bob: Client) -> None:
    def names(client: Client) -> list[object]:
        return [one["EnvironmentName"] for one in records(client.http.get("/api/Environments").json()["Environments"])]

    assert names(ann) == ["Local"]
    assert names(bob) == ["Local", "Rash"]
    refused(ann.http.get("/api/Environments/Rash"), 404, "invalid environment-name")
    body = {"Experiments": [{"Name": "x", "Configuration": {"EnvironmentName": "Rash"}}]}
    refused(ann.http.post("/api/Experiments", json=body), 400, "invalid environment-name: Rash")
    assert bob.http.post("/api/Experiments", json=body).status_code == 200


def test_the_group_filter_means_the_groups_of_owners(ann: Client, bob: Client, cat: Client) -> None:
    of_ann = ann.simulations(ann.experiment("/bin/true"))[0]
    of_cat = cat.simulations(cat.save("Experiments", Name="of cat"))[0]
    found = {str(one["Id"]) for one in bob.listed("Simulations", filters="GroupName=Malaria")}
    assert of_ann in found
    assert of_cat not in found
    assert of_cat in {one["Id"] for one in bob.listed("Simulations", filters="GroupName~easl")}
    assert ann.listed("Simulations", filters="GroupName=measles") == []


def test_users_see_the_members_of_their_groups(ann: Client, bob: Client) -> None:
    def names(client: Client) -> list[object]:
        return [one["UserName"] for one in records(client.http.get("/api/users?format=json").json()["Users"])]

    assert names(ann) == ["ann", "bob"]
    assert names(bob) == ["ann", "bob", "cat"]
    refused(ann.http.get("/api/users/cat"), 404)
    told = record(ann.http.get("/api/users/ANN").json()["Users"][0])
    assert told["Groups"] == ["malaria"]
    assert told["Environments"] == ["Local"]
    fields = str(ann.http.headers["X-COMPS-Token"]).split(",")
    assert (fields[2], fields[11], fields[12], fields[13]) == ("ann", "ann@example.org", "malaria", "Local")


def test_a_token_that_is_given_back_is_worth_nothing_even_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    UsersFile(data).add("ann", PASSWORD, groups=["g"])
    with running(data) as service, as_user(service, "ann") as one, as_user(service, "ann") as other:
        one.http.headers["X-COMPS-Token"] = one.http.put("/api/tokens", json={}).headers["X-COMPS-Token"]
        given_back = str(one.http.headers["X-COMPS-Token"])
        kept = log_in(other.http, "ann", PASSWORD).headers["X-COMPS-Token"]
        assert one.http.delete("/api/tokens").status_code == 200
        refused(one.http.get("/api/Suites"), 401, "log in again")
        refused(one.http.put("/api/tokens", json={}), 401)
        if kept != given_back:
            assert other.http.get("/api/Suites", headers={"X-COMPS-Token": kept}).status_code == 200
    with running(data) as service, httpx.Client(base_url=service.url) as http:
        refused(http.get("/api/Suites", headers={"X-COMPS-Token": given_back}), 401)


def test_everybody_changes_their_own_password_and_old_tokens_end(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("ann", "bob"):
        UsersFile(data).add(name, PASSWORD, groups=["g"])

    def form(password: str) -> dict[str, tuple[None, str]]:
        encoded = base64.b64encode(password.encode()).decode()
        return {"Password": (None, encoded), "ApplicationName": (None, "COMPS"), "ClientVersion": (None, "11")}

    with running(data) as service, as_user(service, "ann") as ann, as_user(service, "ann") as elsewhere:
        refused(ann.http.put("/api/users/bob?format=json", files=form("another one")), 403)
        refused(ann.http.put("/api/users/ann?format=json", files=form("short")), 400, "at least 8")
        refused(ann.http.put("/api/users/ann", files={"Password": (None, "%%%")}), 400, "Base64")
        refused(ann.http.put("/api/users/ann", content=b"--", headers={"Content-Type": "multipart/form-data"}), 400)
        answer = ann.http.put("/api/users/Ann?format=json", files=form("another one"))
        assert answer.status_code == 200, answer.text
        refused(ann.http.get("/api/Suites"), 401)
        refused(elsewhere.http.get("/api/Suites"), 401)
        fresh = {"X-COMPS-Token": answer.headers["X-COMPS-Token"]}
        assert ann.http.get("/api/Suites", headers=fresh).status_code == 200
        refused(log_in(ann.http, "ann", PASSWORD), 401)
        assert log_in(ann.http, "ann", "another one").status_code == 200


def test_who_has_forgotten_the_password_is_found_in_the_list_of_users(tmp_path: Path) -> None:
    data = tmp_path / "data"
    file = UsersFile(data)
    file.add("ann", PASSWORD, groups=["g"], email="Ann@example.org")
    with running(data) as service, httpx.Client(base_url=service.url) as http:
        body = {"ApplicationName": "COMPS", "ClientVersion": 11}
        refused(http.post("/api/passwords/nobody@example.org", json=body), 403)
        assert http.post("/api/passwords/ann%40example.org", json=body).status_code == 200
        assert file.load()["ann"].reset_requested
        file.set_password("ann", "a new password")
        assert not file.load()["ann"].reset_requested
        assert log_in(http, "ann", "a new password").status_code == 200


def test_users_come_and_go_while_the_service_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    file = UsersFile(data)
    file.add("ann", PASSWORD, groups=["g"])
    with running(data) as service, as_user(service, "ann") as ann:
        file.add("bob", PASSWORD, groups=["g"])
        with as_user(service, "bob") as bob:
            assert bob.http.get("/api/Suites").status_code == 200
            file.remove("bob")
            until(lambda: bob.http.get("/api/Suites").status_code == 401, "the removed user's token ends")
        refused(log_in(ann.http, "bob", PASSWORD), 401)


def test_guessing_passwords_is_slowed_down(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("ann", "bob"):
        UsersFile(data).add(name, PASSWORD, groups=["g"])
    with running(data) as service, httpx.Client(base_url=service.url) as http:
        answers = [log_in(http, "ann", f"guess {number}") for number in range(8)]
        assert [answer.status_code for answer in answers[:6]] == [401] * 6
        refused(answers[-1], 429, "try again in")
        assert int(answers[-1].headers["Retry-After"]) >= 1
        refused(log_in(http, "ANN", PASSWORD), 429)
        assert log_in(http, "bob", PASSWORD).status_code == 200
        nobody = [log_in(http, "nobody", "guess").status_code for _ in range(8)]
        assert nobody[-1] == 429, "nobody learns from the answers who exists"


async def test_programs_find_a_service_with_users_and_log_in_themselves(shared: Running, tmp_path: Path) -> None:
    async with shared_service(shared.data_dir) as found:
        assert (found.url, found.username, found.password) == (shared.url, "", "")
        own = acomps.Settings(token_cache_dir=tmp_path)
        async with acomps.connect(found.url, username="ann", password=PASSWORD, settings=own) as comps:
            assert [environment.name for environment in await comps.environments.list()] == ["Local"]


def test_a_service_with_users_may_listen_everywhere(tmp_path: Path) -> None:
    data = tmp_path / "data"
    UsersFile(data).add("ann", PASSWORD, groups=["g"])
    with running(data, "--host", "0.0.0.0") as service:
        url = service.url.replace("0.0.0.0", "127.0.0.1")
        with as_user(Running(service.process, data, url, "ann", PASSWORD), "ann") as client:
            assert client.http.get("/api/Suites").status_code == 200

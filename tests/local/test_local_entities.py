"""Creating, reading, changing and deleting entities."""

from __future__ import annotations

import re
import uuid

import pytest
from support.local_service import Client, md5, record, records, refused, text, until

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")
PLURALS = ("Suites", "Experiments", "Simulations", "WorkItems", "AssetCollections")


def test_an_entity_comes_back_as_it_was_saved(client: Client) -> None:
    suite = client.save("Suites", Name="a suite", Description="says something", Tags={"a": "b"})
    found = client.one("Suites", suite, "Tags,Configuration")
    assert found["Name"] == "a suite"
    assert found["Description"] == "says something"
    assert found["Owner"] == client.username
    assert found["Tags"] == {"a": "b"}
    assert "Configuration" not in found
    assert DATE.fullmatch(text(found, "DateCreated"))
    assert DATE.fullmatch(text(found, "LastModified"))


def test_ids_are_in_the_order_of_the_request_and_sort_by_time(client: Client) -> None:
    experiment = client.experiment("/bin/true")
    ids = client.simulations(experiment, 100)
    names = {
        text(found, "Id"): found["Name"] for found in client.listed("Simulations", filters=f"ExperimentId={experiment}")
    }
    assert [names[entity_id] for entity_id in ids] == [f"simulation {number}" for number in range(100)]
    assert ids == sorted(ids)


def test_keys_and_paths_are_read_without_regard_to_case(client: Client) -> None:
    answer = client.http.post("/API/suites/", json={"suites": [{"NAME": "shouted", "tags": {"A": 1}}]})
    suite = client.ids(answer)[0]
    found = client.http.get(f"/api/SUITES/{suite.upper()}/?CHILDREN=tAGS&Fields=nAME").json()["Suites"][0]
    assert found == {"Id": suite, "Name": "shouted", "Tags": {"A": "1"}}


def test_fields_and_children_choose_what_is_sent(client: Client) -> None:
    experiment = client.experiment("/bin/true")
    assert set(client.one("Experiments", experiment)) == {"Id", "Name", "Owner", "DateCreated", "LastModified"}
    answer = client.http.get(f"/api/Experiments/{experiment}?fields=Name&children=Configuration&count=100")
    assert set(answer.json()["Experiments"][0]) == {"Id", "Name", "Configuration"}


def test_an_update_merges_the_configuration_and_leaves_the_rest(client: Client) -> None:
    experiment = client.experiment("/bin/true", MinCores=1, MaxCores=2)
    update = {"Id": experiment, "Description": "new", "Configuration": {"MaxCores": 4}}
    assert client.ids(client.http.post("/api/Experiments", json={"Experiments": [update]})) == [experiment]
    found = client.one("Experiments", experiment, "Configuration")
    assert found["Name"] == "an experiment"
    assert found["Description"] == "new"
    assert found["Configuration"] == {
        "EnvironmentName": "Local",
        "ExecutablePath": "/bin/true",
        "SimulationInputArgs": "",
        "MinCores": 1,
        "MaxCores": 4,
    }


def test_an_update_of_what_does_not_exist_changes_nothing(client: Client) -> None:
    experiment = client.experiment("/bin/true")
    unknown = str(uuid.uuid4())
    before = len(client.listed("Simulations", filters=f"ExperimentId={experiment}"))
    documents = [{"ExperimentId": experiment, "Name": "new"}, {"Id": unknown, "Name": "old"}]
    refused(client.form("Simulations", documents), 404, f"Failed to retrieve simulation for given id {unknown}")
    assert len(client.listed("Simulations", filters=f"ExperimentId={experiment}")) == before


def test_the_merged_configuration_is_sent_when_asked_for(client: Client) -> None:
    suite = client.save(
        "Suites", Name="s", Configuration={"EnvironmentName": "LOCAL", "MinCores": 1, "Priority": "lowest"}
    )
    experiment = client.save("Experiments", Name="e", SuiteId=suite, Configuration={"MinCores": 2})
    simulation = client.simulations(experiment, Configuration={"ExecutablePath": "x"})[0]
    url = f"/api/Simulations/{simulation}?children=Configuration"
    assert client.http.get(url).json()["Simulations"][0]["Configuration"] == {"ExecutablePath": "x"}
    merged = client.http.get(url + "&coalesceConfig=True").json()["Simulations"][0]["Configuration"]
    expected = {"EnvironmentName": "Local", "Priority": "Lowest", "MinCores": 2, "ExecutablePath": "x"}
    assert merged == expected
    listed = client.listed("Simulations", filters=f"Id={simulation}", children="configuration", coalesceconfig="true")
    assert listed[0]["Configuration"] == expected


def test_files_are_described_and_can_be_fetched_by_their_uri(client: Client) -> None:
    small, large = b'{"a": 1}', b"large" * 100_000
    simulation = client.simulations(client.experiment("/bin/true"), files={"config.json": small, "b.bin": large})[0]
    files = {text(file, "FileName"): file for file in records(client.one("Simulations", simulation, "Files")["Files"])}
    assert files["config.json"]["Length"] == len(small)
    assert files["b.bin"]["MD5Checksum"] == md5(large)
    with client.http.__class__() as stranger:
        assert stranger.get(text(files["config.json"], "Uri")).content == small
        assert stranger.get(text(files["b.bin"], "Uri")).content == large
        assert stranger.get(text(files["b.bin"], "Uri"), headers={"Range": "bytes=5-9"}).content == b"large"
        bare = text(files["b.bin"], "Uri").partition("?")[0]
        assert stranger.get(bare).status_code == 401
        assert stranger.get(bare + "?until=99999999999&signature=" + "0" * 32).status_code == 401
    assert client.http.get(bare).content == large


def test_files_can_be_added_and_replaced_later(client: Client) -> None:
    simulation = client.simulations(client.experiment("/bin/true"), files={"a.txt": b"1", "b.txt": b"2"})[0]
    new = [{"FileName": name, "MD5Checksum": md5(data)} for name, data in (("b.txt", b"3"), ("c.txt", b"4"))]
    assert client.ids(client.form("Simulations", [{"Id": simulation, "Files": new}], [b"3", b"4"])) == [simulation]
    files = records(client.one("Simulations", simulation, "Files")["Files"])
    assert {(file["FileName"], file["MD5Checksum"]) for file in files} == {
        ("a.txt", md5(b"1")),
        ("b.txt", md5(b"3")),
        ("c.txt", md5(b"4")),
    }


def test_unknown_md5s_are_named_and_nothing_is_created(client: Client) -> None:
    experiment = client.experiment("/bin/true")
    known, unknown = b"sent along", b"never sent"
    files = [{"FileName": data.decode(), "MD5Checksum": md5(data)} for data in (known, unknown)]
    answer = client.form("Simulations", [{"Name": "s", "ExperimentId": experiment, "Files": files}], [known])
    refused(answer, 400, "Unknown assets referenced in request: ")
    assert answer.json()["UntrackedIds"] == [md5(unknown)]
    assert client.listed("Simulations", filters=f"ExperimentId={experiment}") == []


def test_what_is_stored_needs_not_be_sent_again(client: Client) -> None:
    data = uuid.uuid4().bytes
    assert client.ids(client.form("AssetCollections", [], [data])) == []
    described = [{"FileName": "f", "MD5Checksum": md5(data)}]
    assert len(client.ids(client.form("AssetCollections", [{"Assets": described}]))) == 1


def test_the_same_collection_is_not_made_twice(client: Client) -> None:
    data = uuid.uuid4().bytes
    assets = [{"FileName": "f", "RelativePath": "a/b", "MD5Checksum": md5(data), "Tags": {"Executable": None}}]
    first = client.ids(client.form("AssetCollections", [{"Assets": assets, "Tags": {"n": 1}}], [data]))
    again = client.ids(client.form("AssetCollections", [{"Tags": {"n": "1"}, "Assets": assets}]))
    other = client.ids(client.form("AssetCollections", [{"Tags": {"n": 2}, "Assets": assets}]))
    assert first == again
    assert first != other
    found = client.one("AssetCollections", first[0], "Assets,Tags")
    asset = records(found["Assets"])[0]
    assert asset["RelativePath"] == "a\\b"
    assert asset["Length"] == 16
    assert asset["Tags"] == {"Executable": ""}
    assert client.http.get(text(asset, "Uri")).content == data


def test_a_work_item_keeps_its_worker_and_can_be_cancelled(client: Client) -> None:
    order = b"{}"
    document = {
        "Name": "w",
        "Worker": {"name": "NobodysWorker", "version": "1.0.0.0_RELEASE"},
        "EnvironmentName": "local",
        "Priority": "Highest",
        "Files": [{"FileName": "WorkOrder.json", "FileType": "WorkOrder", "MD5Checksum": md5(order)}],
    }
    item = client.ids(client.form("WorkItems", [document], [order]))[0]
    found = client.one("WorkItems", item, "Files,Plugins")
    assert found["Worker"] == {"Name": "NobodysWorker", "Version": "1.0.0.0_RELEASE"}
    assert (found["EnvironmentName"], found["Priority"], found["State"]) == ("Local", "Highest", "Created")
    client.commission("WorkItems", item)
    refused(client.ask("WorkItems", item, "CommissionRequested"), 400, "nothing to commission")
    assert client.ask("WorkItems", item, "CancelRequested").status_code == 200
    until(lambda: client.one("WorkItems", item)["State"] == "Canceled", "it is cancelled")
    refused(client.form("WorkItems", [{"Name": "w", "EnvironmentName": "Local"}]), 400, "Worker")


def test_tags_become_texts_and_can_be_merged_replaced_and_deleted(client: Client) -> None:
    tags = {"b": 1, "A": 0.5, "c": True, "d": None, "e": [1, "x"]}
    suite = client.save("Suites", Name="s", Tags=tags)

    def change(mode: str, **values: object) -> dict[str, object]:
        answer = client.http.post(f"/api/Suites/{suite}/tags", json={"Tags": values, "OperationMode": mode})
        assert answer.status_code == 200, answer.text
        return record(client.one("Suites", suite, "Tags").get("Tags", {}))

    kept = {"A": "0.5", "b": "1", "c": "true", "d": "", "e": '[1, "x"]'}
    found = record(client.one("Suites", suite, "Tags")["Tags"])
    assert list(found.items()) == list(kept.items())
    assert change("Merge", b=2, new="x") == {**kept, "b": "2", "new": "x"}
    assert change("Delete", A=None, c=None, absent=None) == {"b": "2", "d": "", "e": '[1, "x"]', "new": "x"}
    assert change("Replace", only=1) == {"only": "1"}
    assert change("replace") == {}
    wrong = client.http.post(f"/api/Suites/{suite}/tags", json={"Tags": {}, "OperationMode": "Swap"})
    refused(wrong, 400, "OperationMode")


def test_deleting_takes_everything_below_out_of_sight(client: Client) -> None:
    suite = client.save("Suites", Name="s")
    experiment = client.save("Experiments", Name="e", SuiteId=suite)
    simulation = client.simulations(experiment)[0]
    other = client.save("Experiments", Name="other")
    assert client.http.delete(f"/api/Suites/{suite}?expirenow=True").status_code == 200
    for plural, entity_id in (("Suites", suite), ("Experiments", experiment), ("Simulations", simulation)):
        refused(client.http.get(f"/api/{plural}/{entity_id}"), 404, "Failed to retrieve")
        assert client.listed(plural, filters=f"Id={entity_id}") == []
        refused(client.http.delete(f"/api/{plural}/{entity_id}"), 404)
        refused(client.http.post(f"/api/{plural}/{entity_id}/tags", json={"Tags": {}, "OperationMode": "Merge"}), 404)
    refused(client.form("Simulations", [{"Name": "s", "ExperimentId": experiment}]), 400, experiment)
    assert client.one("Experiments", other)["Name"] == "other"


@pytest.mark.parametrize("plural", PLURALS)
def test_an_unknown_id_is_a_404_in_the_words_that_clients_match(client: Client, plural: str) -> None:
    entity_id = str(uuid.uuid4())
    noun = plural.removesuffix("s").lower()
    answer = client.http.get(f"/api/{plural}/{entity_id}")
    refused(answer, 404)
    assert answer.json()["ResponseMessage"].startswith(f"Failed to retrieve {noun} for given id")
    refused(client.http.get(f"/api/{plural}/none"), 400, "GUID")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Name"),
        ({"Name": "  "}, "Name"),
        ({"Name": 3}, "Name must be a text"),
        ({"Name": "n\0"}, "NUL"),
        ({"Name": "n", "SuiteId": "x"}, "SuiteId"),
        ({"Name": "n", "SuiteId": str(uuid.UUID(int=1))}, "not the id of a known Suite"),
        ({"Name": "n", "Tags": []}, "Tags"),
        ({"Name": "n", "Tags": {"": 1}}, "key"),
        ({"Name": "n", "Configuration": {"EnvironmentName": "Calculon"}}, "invalid environment-name: Calculon"),
        ({"Name": "n", "Configuration": {"Priority": "Urgent"}}, "Priority"),
        ({"Name": "n", "Configuration": {"MinCores": 0}}, "MinCores"),
        ({"Name": "n", "Configuration": {"MinCores": 3, "MaxCores": 2}}, "MinCores (3)"),
        ({"Name": "n", "Configuration": {"MaximumNumberOfRetries": -1}}, "MaximumNumberOfRetries"),
        ({"Name": "n", "Configuration": {"Exclusive": "perhaps"}}, "Exclusive"),
        ({"Name": "n", "Configuration": {"AssetCollectionId": str(uuid.UUID(int=1))}}, "AssetCollection"),
        ({"Name": "n", "Configuration": {"WorkingDirectoryRoot": "/etc"}}, "outside the data folder"),
        ({"Name": "n", "Configuration": {"WorkingDirectoryRoot": "$COMPS_PATH(USER)/../../.."}}, "outside"),
        ({"Name": "n", "Configuration": {"WorkingDirectoryRoot": "$COMPS_PATH(TEMP)"}}, "no macro TEMP"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(client: Client, fields: dict[str, object], says: str) -> None:
    refused(client.http.post("/api/Experiments", json={"Experiments": [fields]}), 400, says)

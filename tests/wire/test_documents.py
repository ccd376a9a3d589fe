"""Documents of the wire: what is written is exactly what the service takes, what is read survives strangers."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acomps import (
    AssetCollection,
    AssetCollectionFile,
    Configuration,
    Experiment,
    HpcJob,
    JobState,
    MalformedAnswer,
    Priority,
    Simulation,
    SimulationFile,
    SimulationState,
    Suite,
    TagOperation,
    UsageError,
    Worker,
    WorkItem,
)
from acomps.wire.dates import format_time, parse_time
from acomps.wire.decode import decode_entities, decode_entity, decode_ids, decode_outputs, decode_users
from acomps.wire.encode import create_document, encode, tags_document, update_document

AN_ID = uuid.UUID("0d25e870-2a1f-4c7e-9d1b-6f6f3f0f8a11")
MD5 = uuid.UUID("9e107d9d-372b-b682-6bd8-1d3542a419d6")


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))
def test_times_have_seven_digits_and_come_back(moment: datetime) -> None:
    text = format_time(moment)
    assert len(text) == len("2019-02-06T19:17:27.8070000Z")
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-02-06T19:17:27.8070000Z", datetime(2019, 2, 6, 19, 17, 27, 807000, UTC)),
        ("2019-02-06T19:17:27.1234567Z", datetime(2019, 2, 6, 19, 17, 27, 123456, UTC)),
        ("2019-02-06T19:17:27Z", datetime(2019, 2, 6, 19, 17, 27, tzinfo=UTC)),
        ("2019-02-06T20:17:27+01:00", datetime(2019, 2, 6, 19, 17, 27, tzinfo=UTC)),
        ("2019-02-06T19:17:27.8", datetime(2019, 2, 6, 19, 17, 27, 800000, UTC)),
    ],
)
def test_times_of_every_server_are_read_as_utc(text: str, expected: datetime) -> None:
    assert parse_time(text) == expected
    assert parse_time(text).tzinfo is UTC


def test_a_text_that_is_no_time_is_named() -> None:
    with pytest.raises(MalformedAnswer, match="'yesterday' where a time belongs"):
        parse_time("yesterday")


def test_a_new_simulation_is_written_in_the_order_of_the_protocol_without_nulls() -> None:
    simulation = Simulation(
        name="s",
        experiment_id=AN_ID,
        tags={"Run": 3, "note": None},
        configuration=Configuration(min_cores=2, priority=Priority.NORMAL, asset_collection_id=AN_ID),
        files=(SimulationFile(file_name="config.json", md5_checksum=MD5),),
    )
    document = orjson.loads(encode(create_document(simulation, "jdoe")))
    assert list(document) == ["ExperimentId", "Name", "Owner", "Tags", "Configuration", "Files"]
    assert document["Tags"] == {"Run": 3, "note": None}
    assert document["Configuration"] == {"Priority": "Normal", "MinCores": 2, "AssetCollectionId": str(AN_ID)}
    assert document["Files"] == [
        {"FileType": "input", "Description": "", "FileName": "config.json", "MD5Checksum": str(MD5)}
    ]


def test_files_and_assets_are_always_there_in_a_create() -> None:
    assert create_document(Simulation(name="s"), "jdoe")["Files"] == []
    assert create_document(AssetCollection(), None)["Assets"] == []


def test_an_asset_is_written_in_the_order_of_the_protocol() -> None:
    asset = AssetCollectionFile(file_name="x", relative_path="a/b", md5_checksum=MD5, tags={"Executable": None})
    written = orjson.loads(orjson.dumps(create_document(AssetCollection(assets=(asset,)), None)))
    assert [list(document) for document in written["Assets"]] == [["RelativePath", "Tags", "FileName", "MD5Checksum"]]


def test_an_id_of_another_kind_of_uuid_is_written_like_any() -> None:
    class DriversOwn(uuid.UUID):
        pass

    simulation = Simulation(
        name="s",
        experiment_id=DriversOwn(AN_ID.hex),
        configuration=Configuration(asset_collection_id=DriversOwn(AN_ID.hex)),
        files=(SimulationFile(file_name="config.json", md5_checksum=DriversOwn(MD5.hex)),),
    )
    document = orjson.loads(encode(create_document(simulation, "jdoe")))
    assert document["ExperimentId"] == document["Configuration"]["AssetCollectionId"] == str(AN_ID)
    assert document["Files"][0]["MD5Checksum"] == str(MD5)


def test_a_worker_is_written_in_lower_case() -> None:
    item = WorkItem(name="w", worker=Worker("DockerWorker", "1.0"), environment_name="Local")
    assert create_document(item, "jdoe")["Worker"] == {"name": "DockerWorker", "version": "1.0"}


SIMULATION: dict[str, Any] = {
    "Id": str(AN_ID),
    "ExperimentId": str(AN_ID),
    "Name": "s",
    "Owner": "jdoe",
    "DateCreated": "2026-01-02T03:04:05.6780000Z",
    "SimulationState": "Running",
    "Tags": {"Run": "3"},
    "Configuration": {"EnvironmentName": "Local", "Priority": "Urgent", "Exclusive": 0},
    "Files": [
        {"FileName": "config.json", "FileType": "input", "MD5Checksum": str(MD5), "Length": 5, "Uri": "/asset/1"}
    ],
    "HPCJobs": [{"Id": str(AN_ID), "JobId": 7, "JobState": "Queued", "TaskState": "NotSet", "TaskId": 1}],
    "SomethingNew": {"deep": [1, 2]},
    "ErrorMessage": None,
}


def test_a_simulation_is_read_with_all_its_children() -> None:
    simulation = decode_entity(Simulation, SIMULATION)
    assert simulation == Simulation(
        id=AN_ID,
        experiment_id=AN_ID,
        name="s",
        owner="jdoe",
        date_created=datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
        state=SimulationState.RUNNING,
        tags={"Run": "3"},
        configuration=Configuration(environment_name="Local", priority=Priority("Urgent"), exclusive=False),
        files=(SimulationFile(file_name="config.json", file_type="input", md5_checksum=MD5, length=5, uri="/asset/1"),),
        hpc_jobs=(HpcJob(id=AN_ID, job_id=7, job_state=JobState.QUEUED),),
    )
    assert simulation.configuration is not None
    assert simulation.configuration.priority is not None
    assert simulation.configuration.priority.text == "Urgent"


def test_keys_are_read_in_any_case() -> None:
    lowered = {key.lower(): value for key, value in SIMULATION.items()}
    assert decode_entity(Simulation, lowered) == decode_entity(Simulation, SIMULATION)


def test_a_partial_answer_needs_no_more_than_the_id() -> None:
    assert decode_entity(Experiment, {"Id": str(AN_ID)}).name == ""
    with pytest.raises(MalformedAnswer, match="without an id"):
        decode_entity(Experiment, {"Name": "x"})


@pytest.mark.parametrize(
    "change",
    [
        {"Id": "no uuid"},
        {"DateCreated": 5},
        {"Files": [{"FileName": "no md5"}]},
        {"Tags": "text"},
        {"HPCJobs": [{"JobId": "seven"}]},
        {"Configuration": []},
        {"Name": 7},
    ],
)
def test_an_answer_that_breaks_the_protocol_is_malformed_not_a_crash(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswer):
        decode_entity(Simulation, SIMULATION | change)


@pytest.mark.parametrize("answer", [None, [], {}, {"Simulations": None}, {"Suites": []}, "x", 3])
def test_a_listing_without_its_list_is_malformed(answer: object) -> None:
    with pytest.raises(MalformedAnswer, match="no list 'Simulations'"):
        decode_entities(Simulation, answer)


def test_what_was_read_and_not_changed_needs_no_update() -> None:
    assert update_document(decode_entity(Simulation, SIMULATION)) is None


def test_an_update_sends_what_changed_and_only_new_files() -> None:
    simulation = decode_entity(Simulation, SIMULATION)
    added = SimulationFile(file_name="more.txt", md5_checksum=MD5)
    changed = dataclasses.replace(simulation, description="now", files=(*simulation.files, added))
    document = orjson.loads(orjson.dumps(update_document(changed)))
    assert document["Id"] == str(AN_ID)
    assert document["Description"] == "now"
    assert [file["FileName"] for file in document["Files"]] == ["more.txt"]
    assert "Configuration" not in document
    assert "Name" not in document


def test_an_update_never_writes_inherited_configuration_back() -> None:
    suite = decode_entity(Suite, {"Id": str(AN_ID), "Name": "s", "Configuration": {"MinCores": 2}})
    assert update_document(suite) is None
    changed = dataclasses.replace(suite, configuration=Configuration(min_cores=4))
    assert update_document(changed) == {"Id": str(AN_ID), "Configuration": {"MinCores": 4}}


def test_equal_files_of_a_sweep_are_one_record_and_others_are_not() -> None:
    def with_files(*files: dict[str, Any]) -> Simulation:
        return decode_entity(Simulation, {"Id": str(AN_ID), "Files": [*files]})

    own, common = (
        {"FileName": name, "MD5Checksum": str(MD5), "Length": 5} for name in ("config.json", "campaign.json")
    )
    first, second = with_files(own, common), with_files({**own, "Length": 6}, dict(common))
    assert first.files[1] is second.files[1]
    assert [file.length for file in (*first.files, *second.files)] == [5, 5, 6, 5]
    assert with_files(dict(own)).files == first.files[:1]


@pytest.mark.parametrize(
    "file",
    [
        None,
        {},
        {"FileName": "config.json"},
        {"MD5Checksum": str(MD5)},
        {"FileName": "../config.json", "MD5Checksum": str(MD5)},
        {"FileName": ["config.json"], "MD5Checksum": str(MD5)},
        {"FileName": "config.json", "MD5Checksum": "md5"},
    ],
)
def test_a_file_that_is_none_is_an_error(file: object) -> None:
    with pytest.raises(MalformedAnswer, match="a simulation's file"):
        decode_entity(Simulation, {"Id": str(AN_ID), "Files": [file]})


def test_tag_calls_name_their_operation() -> None:
    assert tags_document({"a": 1}, TagOperation.MERGE) == {"Tags": {"a": 1}, "OperationMode": "Merge"}
    with pytest.raises(UsageError, match="tag 'a'"):
        tags_document({"a": [1]}, TagOperation.MERGE)  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]  # a caller's mistake


def test_ids_of_a_save_keep_their_order() -> None:
    ids = [uuid.uuid4() for _ in range(3)]
    assert decode_ids({"Ids": [str(one) for one in ids]}) == ids
    with pytest.raises(MalformedAnswer):
        decode_ids({"Ids": ["x"]})


def test_an_output_listing_leaves_folders_out_and_joins_paths() -> None:
    resource = {"Id": str(AN_ID), "FriendlyName": "InsetChart.json", "Length": 3, "Url": "/asset/x"}
    listing: dict[str, Any] = {
        "Resources": [
            {**resource, "PathFromRoot": "output", "Type": "File"},
            {**resource, "PathFromRoot": "."},
            {**resource, "PathFromRoot": "a\\b"},
            {"FriendlyName": "Assets", "Type": "SymLinkDirectory"},
        ]
    }
    paths = [file.path for file in decode_outputs(listing)]
    assert paths == ["output/InsetChart.json", "InsetChart.json", "a/b/InsetChart.json"]


def test_users_are_read_from_lists_and_from_objects_keyed_by_name() -> None:
    answer: dict[str, Any] = {"Users": [{"UserName": "jdoe", "Groups": {"IDM": {}}, "Roles": ["User"]}]}
    [user] = decode_users(answer)
    assert (user.groups, user.roles) == (("IDM",), ("User",))


tag_values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)


@given(
    name=st.text(min_size=1).filter(str.strip),
    description=st.none() | st.text(),
    tags=st.dictionaries(st.text(min_size=1), tag_values, max_size=4),
    cores=st.none() | st.integers(1, 64),
)
def test_an_experiment_survives_the_wire(
    name: str, description: str | None, tags: dict[str, Any], cores: int | None
) -> None:
    configuration = None if cores is None else Configuration(min_cores=cores)
    experiment = Experiment(name=name, description=description, tags=tags, configuration=configuration, suite_id=AN_ID)
    raw = orjson.loads(orjson.dumps(create_document(experiment, None)))
    read = decode_entity(Experiment, {**raw, "Id": str(AN_ID)})
    as_text = {
        key: "" if value is None else value if isinstance(value, str) else str(value) for key, value in tags.items()
    }
    assert read == dataclasses.replace(experiment, id=AN_ID, tags=as_text)

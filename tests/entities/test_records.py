"""Records are values: frozen, checked when they are made, and clear about what is wrong."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import uuid
from typing import TYPE_CHECKING, Any

import pytest

import acomps
from acomps import (
    AssetCollection,
    AssetCollectionFile,
    Configuration,
    Experiment,
    Priority,
    Simulation,
    SimulationFile,
    SimulationState,
    Suite,
    Tags,
    Worker,
    WorkItem,
    WorkItemState,
)

if TYPE_CHECKING:
    from pathlib import Path

AN_ID = uuid.UUID("0d25e870-2a1f-4c7e-9d1b-6f6f3f0f8a11")
WORKER = Worker("DockerWorker", "1.0.0.0_RELEASE")

RECORDS: list[type[Any]] = [
    value for value in vars(acomps).values() if isinstance(value, type) and dataclasses.is_dataclass(value)
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.__name__))
def test_every_record_is_frozen_and_slotted(record: type[Any]) -> None:
    assert record.__dataclass_params__.frozen
    assert "__slots__" in vars(record)


def test_a_record_cannot_be_changed_but_copied_with_a_change() -> None:
    suite = Suite(name="first", tags={"a": 1})
    with pytest.raises(dataclasses.FrozenInstanceError):
        suite.name = "second"  # type: ignore[misc]  # the point of the test
    assert dataclasses.replace(suite, name="second").tags == {"a": 1}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Suite(name=""),
        lambda: Experiment(name="   "),
        lambda: Simulation(name=""),
        lambda: WorkItem(name="", worker=WORKER, environment_name="Local"),
    ],
)
def test_a_new_entity_needs_a_name(make: Any) -> None:
    with pytest.raises(acomps.UsageError, match=r"the name of a new .* must be a non-empty text"):
        make()


def test_a_work_item_needs_a_worker_and_an_environment() -> None:
    with pytest.raises(acomps.UsageError, match="needs a worker"):
        WorkItem(name="x", environment_name="Local")
    with pytest.raises(acomps.UsageError, match="environment_name"):
        WorkItem(name="x", worker=WORKER)


def test_an_id_that_is_no_uuid_is_named_with_what_it_should_be() -> None:
    with pytest.raises(acomps.InvalidId, match="experiment_id is 'abc', which is no UUID: write 32 hexadecimal"):
        Simulation(name="x", experiment_id="abc")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a caller's mistake


def test_ids_may_be_given_as_text_and_are_uuids_afterwards() -> None:
    simulation = Simulation(name="x", experiment_id=str(AN_ID))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as scripts do
    assert simulation.experiment_id == AN_ID


@pytest.mark.parametrize("value", [[1], {"a": 1}, object(), b"x", AN_ID, float("nan")])
def test_a_tag_value_that_is_no_scalar_is_refused_by_name(value: Any) -> None:
    with pytest.raises(acomps.UsageError, match="tag 'Run'"):
        Simulation(name="x", tags={"Run": value})


def test_tags_are_immutable_hashable_and_equal_to_their_mapping() -> None:
    tags = Tags({"a": 1, "b": None})
    assert tags == {"a": 1, "b": None}
    assert hash(tags) == hash(Tags({"b": None, "a": 1}))
    assert tags | {"a": 2} == {"a": 2, "b": None}
    with pytest.raises(TypeError):
        tags["a"] = 2  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  # the point of the test
    assert pickle.loads(pickle.dumps(tags)) == tags


def test_tags_do_not_follow_the_dictionary_they_were_made_from() -> None:
    source: dict[str, acomps.TagValue] = {"a": 1}
    suite = Suite(name="x", tags=source)
    source["a"] = 2
    assert suite.tags["a"] == 1


@pytest.mark.parametrize("name", ["a/b", "a\\b", "..", ".", "", "x\0y"])
def test_a_file_has_a_plain_name(name: str) -> None:
    with pytest.raises(acomps.UsageError, match="file_name"):
        SimulationFile(file_name=name, content=b"")


def test_a_file_needs_content_or_an_md5() -> None:
    with pytest.raises(acomps.UsageError, match="needs content"):
        SimulationFile(file_name="config.json")
    with pytest.raises(acomps.UsageError, match=r"give bytes .* or a pathlib.Path"):
        SimulationFile(file_name="config.json", content="{}")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a caller's mistake
    assert SimulationFile(file_name="config.json", md5_checksum=AN_ID).content is None


def test_a_file_from_a_path_keeps_its_kind(tmp_path: Path) -> None:
    file = SimulationFile.from_path(tmp_path / "config.json")
    assert (type(file), file.file_name) == (SimulationFile, "config.json")


@pytest.mark.parametrize("folder", ["../up", "a/../..", "C:/x", "a\0b"])
def test_an_asset_cannot_leave_its_collection(folder: str) -> None:
    with pytest.raises(acomps.UsageError, match="leaves the collection"):
        AssetCollectionFile(file_name="x", relative_path=folder, content=b"")


def test_asset_paths_have_one_form() -> None:
    asset = AssetCollectionFile(file_name="x.txt", relative_path="\\a\\b\\", content=b"")
    assert asset.path == "a/b/x.txt"
    assert AssetCollectionFile(file_name="x.txt", content=b"").path == "x.txt"


def test_a_collection_refuses_two_files_at_one_place() -> None:
    one = AssetCollectionFile(file_name="A.txt", content=b"1")
    two = AssetCollectionFile(file_name="a.TXT", content=b"2")
    with pytest.raises(acomps.UsageError, match="twice"):
        AssetCollection(assets=(one, two))


def test_a_state_of_a_newer_server_is_unknown_and_keeps_its_text() -> None:
    state = SimulationState("Paused")
    assert state == SimulationState.UNKNOWN
    assert (state.text, state.final, state.active) == ("Paused", False, False)
    assert state in {SimulationState.UNKNOWN}
    assert copy.deepcopy(state).text == pickle.loads(pickle.dumps(state)).text == "Paused"


@pytest.mark.parametrize("states", [SimulationState, WorkItemState])
def test_no_state_is_both_active_and_final(states: type[SimulationState] | type[WorkItemState]) -> None:
    assert {state.text for state in states if state.final} == {"Succeeded", "Failed", "Canceled"}
    assert not [state for state in states if state.final and state.active]


def test_cores_and_retries_are_checked() -> None:
    with pytest.raises(acomps.UsageError, match=r"min_cores \(4\) is more than max_cores \(2\)"):
        Configuration(min_cores=4, max_cores=2)
    with pytest.raises(acomps.UsageError, match="cannot be negative"):
        Configuration(maximum_number_of_retries=-1)
    assert Configuration(priority=Priority.LOWEST).priority == Priority.LOWEST


def test_using_an_unsaved_entity_as_a_reference_says_to_save_it_first() -> None:
    with pytest.raises(acomps.UsageError, match="simulation 'x' has no id yet: save it first"):
        _ = Simulation(name="x").saved_id

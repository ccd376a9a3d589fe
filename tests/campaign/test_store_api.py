"""Every method of the planned API is there, with its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from campaign.seed_methods import CLASSES, FEATURES, FUNCTIONS

from acomps import campaign
from acomps.campaign import PersistentStoreFeatures

MEMBERS = [(kind, name, wanted) for kind, members in CLASSES.items() for name, wanted in members.items()]
#: These do not touch the disk: they only look at, or forget, what is in memory.
PLAIN = {"clear_pending", "reject_pending", "__init__"}
NO_COROUTINES = {"cached_load", "get_task_elements_islice"}


@pytest.mark.parametrize(("kind", "name", "wanted"), MEMBERS, ids=[f"{kind}.{name}" for kind, name, _ in MEMBERS])
def test_each_member_of_the_api_exists_with_its_parameters(kind: str, name: str, wanted: str) -> None:
    member: object = inspect.getattr_static(getattr(campaign, kind), name)
    if wanted == "property":
        assert isinstance(member, property)
        return
    function = cast("Callable[..., object]", getattr(member, "__func__", member))
    given = inspect.signature(function).parameters
    required = [one for one in [*given][1:] if given[one].kind is not inspect.Parameter.KEYWORD_ONLY]
    assert required[: len(wanted.split())] == wanted.split()
    assert all(given[one].default is not inspect.Parameter.empty for one in required[len(wanted.split()) :])
    if name not in PLAIN | NO_COROUTINES:
        assert inspect.iscoroutinefunction(function), f"{kind}.{name} touches the disk"


@pytest.mark.parametrize(("name", "wanted"), FUNCTIONS.items())
def test_each_function_of_the_api_exists_with_its_parameters(name: str, wanted: str) -> None:
    assert [*inspect.signature(getattr(campaign, name)).parameters] == wanted.split()


def test_the_features_are_those_of_the_api() -> None:
    assert {name: getattr(PersistentStoreFeatures(), name) for name in FEATURES} == FEATURES
    assert PersistentStoreFeatures(True, False, True, False).schedulers


def test_the_table_in_the_docstring_names_every_method() -> None:
    text = campaign.__doc__ or ""
    assert not [name for _, name, _ in MEMBERS if name != "__init__" and name not in text]
    assert not [name for name in FUNCTIONS if name not in text]


def test_stores_say_what_they_are() -> None:
    json_features = PersistentStoreFeatures(schedulers=True, submission=True)
    store = campaign.JSONPersistentStore(campaign.WorkflowFolder(Path("nowhere")))
    assert (store.store_name, store.features) == ("json", json_features)
    assert store.store_path == store.workflow_path == store.workflow.path
    assert store.ts_fmt == "%Y-%m-%d %H:%M:%S.%f"
    with pytest.raises(ValueError, match="sqlite"):
        campaign.store_cls_from_str("sqlite")
    assert campaign.store_cls_from_str("zarr") is campaign.ZarrPersistentStore


async def test_the_store_of_a_folder_is_found_by_what_is_in_it(
    kind: type[campaign.PersistentStore], folder: Path
) -> None:
    with pytest.raises(campaign.WorkflowNotFoundError, match="workflow"):
        await campaign.store_cls_from_path(folder)
    await kind.write_empty_workflow({"name": "w"}, {}, folder, None, {})
    assert await campaign.store_cls_from_path(folder) is kind
    assert await kind.path_has_store(folder)
    assert await kind(campaign.WorkflowFolder(folder)).exists()

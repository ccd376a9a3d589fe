"""Stores of both forms in a temporary folder, and a small workflow to put in them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from acomps.campaign import (
    Element,
    Iteration,
    Jobscript,
    JSONPersistentStore,
    Loop,
    ParameterSource,
    PersistentStore,
    Run,
    Submission,
    Task,
    WorkflowFolder,
    ZarrPersistentStore,
)

TEMPLATE: dict[str, object] = {"name": "demo", "workflow": None, "resources": {}, "tasks": [], "loops": []}
INFO: dict[str, object] = {
    "app_info": {"name": "demo", "version": "1"},
    "create_time": "2026-01-01 08:00:00.000000",
    "ts_fmt": "%Y-%m-%d %H:%M:%S.%f",
    "ts_name_fmt": "%Y-%m-%d_%H%M%S",
}
COMPONENTS = {"parameters": {"9c1f": {"type": "beta"}}, "task_schemas": {"77aa": {"objective": "sim"}}}
GIVEN = ParameterSource(type="local_input", indices={"task_insert_ID": 0, "element_set_idx": 0})
KINDS: list[type[PersistentStore]] = (
    [JSONPersistentStore, ZarrPersistentStore] if importlib.util.find_spec("zarr") else [JSONPersistentStore]
)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[PersistentStore]:
    """A class of stores."""
    return cast("type[PersistentStore]", request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the workflow of a test is, or will be."""
    return tmp_path / "workflow"


async def write_empty(kind: type[PersistentStore], folder: Path) -> None:
    """A workflow without tasks."""
    await kind.write_empty_workflow(TEMPLATE, COMPONENTS, folder, None, INFO)


async def made(kind: type[PersistentStore], folder: Path, *, points: int = 2) -> PersistentStore:
    """An open store with one task, some points of which each has an iteration with one run."""
    await write_empty(kind, folder)
    store = kind(WorkflowFolder(folder))
    async with store.batch_update():
        await plan(store, points=points)
    return store


async def plan(store: PersistentStore, *, points: int = 2, task_idx: int = 0, insert_ID: int = 0) -> list[int]:
    """Add a task with some points; gives the indices of their outputs, which are unset."""
    task = Task(insert_ID=insert_ID, dir_name=f"task_{insert_ID}_sim", schemas=["hash:77aa"])
    await store.add_empty_task(task_idx, task.to_dict())
    inputs = [await store.add_parameter_data(0.25 * point, GIVEN.to_dict()) for point in range(points)]
    outputs = [await store.add_unset_parameter_data({"type": "EAR_output"}) for _ in range(points)]
    await store.add_element_set(task_idx, {"inputs": [], "_element_local_idx_range": [0, points]})
    data = [{"inputs.beta": a, "outputs.peak": b} for a, b in zip(inputs, outputs, strict=True)]
    elements = [Element(iterations_idx=[point], seq_idx={"inputs.beta": point}) for point in range(points)]
    iterations = [
        Iteration(global_idx=point, data_idx=data[point], schema_parameters=["inputs.beta", "outputs.peak"])
        for point in range(points)
    ]
    await store.add_elements(
        task_idx, insert_ID, [one.to_dict() for one in elements], [one.to_dict() for one in iterations]
    )
    for point in range(points):
        run = Run(index=point, data_idx=data[point])
        source = {"task_insert_ID": insert_ID, "EAR_idx": point, "element_idx": point}
        await store.add_EARs(task_idx, insert_ID, point, {0: [run.to_dict()]}, {outputs[point]: source})
    return outputs


def a_loop(name: str = "round") -> Loop:
    """A loop over the first task."""
    return Loop(name=name, task_insert_IDs=[0], num_iterations=3)


def a_submission() -> Submission:
    """A submission of one jobscript."""
    return Submission(jobscripts=[Jobscript(task_insert_IDs=[0], task_elements={0: [0, 1]})], JS_parallelism=False)


def dicts(found: object) -> Sequence[dict[str, object]]:
    """What is a list of dicts."""
    return cast("Sequence[dict[str, object]]", found)


def at(found: object, *steps: str | int) -> object:
    """What is found by going into lists and dicts."""
    for step in steps:
        found = cast("dict[str | int, object]", found)[step]
    return found


def iterations_of(element: dict[str, object]) -> list[Iteration]:
    """The iterations of an element that was read."""
    return [Iteration.from_dict(one) for one in dicts(element["iterations"])]


async def everything(store: PersistentStore) -> dict[str, object]:
    """All that can be read of a store."""
    tasks = await store.get_all_tasks_metadata()
    template = await store.get_template()
    inserted = [Task.from_dict(one).insert_ID for one in dicts(template["tasks"])]
    return {
        "template": template,
        "components": await store.get_template_components(),
        "info": await store.get_creation_info(),
        "loops": await store.get_loops(),
        "submissions": await store.get_submissions(),
        "added": await store.get_num_added_tasks(),
        "tasks": tasks,
        "elements": [
            await store.get_task_elements(index, insert_ID, slice(None), keep_iterations_idx=True)
            for index, insert_ID in enumerate(inserted)
        ],
        "parameters": await store.get_all_parameter_data(),
        "sources": [await store.get_parameter_source(index) for index in await store.get_all_parameter_data()],
    }

"""What a process does to a store until it is killed: random steps, and what must be there after each of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from acomps.campaign import (
    Element,
    Iteration,
    JSONPersistentStore,
    PersistentStore,
    Run,
    WorkflowFolder,
    ZarrPersistentStore,
)

#: A step: what is done, and with which numbers.
Step = tuple[str, tuple[int, ...]]
KINDS: dict[str, type[PersistentStore]] = {"json": JSONPersistentStore, "zarr": ZarrPersistentStore}
CHECKPOINT_BYTES = 3_000
#: How many steps a process makes if nobody kills it.
STEPS = 40


@dataclass
class Expected:
    """What must be in the store."""

    parameters: list[int | None] = field(default_factory=list[int | None])
    points: int = 0
    tasks: int = 0
    started: set[int] = field(default_factory=set[int])
    ended: set[int] = field(default_factory=set[int])

    def after(self, step: Step) -> None:
        """Make the step here."""
        name, numbers = step
        if name == "add":
            self.parameters.extend(numbers)
        elif name == "unset":
            self.parameters.extend([None] * numbers[0])
        elif name in {"set", "set together", "set at once"}:
            for index in numbers:
                self.parameters[index] = index
        elif name == "points":
            self.points += numbers[0]
            self.parameters.extend([None] * numbers[0])
        elif name == "task":
            self.tasks += 1
        elif name == "start":
            self.started.update(numbers)
        elif name == "end":
            self.ended.update(numbers)


def steps(seed: int, count: int = STEPS) -> list[Step]:
    """The steps of a seed; the first makes a task."""
    draw = random.Random(seed)
    expected = Expected()
    made: list[Step] = []
    while len(made) < count:
        unset = [index for index, value in enumerate(expected.parameters) if value is None]
        name = draw.choice(
            ["add", "unset", "set", "set together", "set at once", "points", "task", "start", "end", "start", "end",
             "checkpoint", "reject", "reopen"]
        )  # fmt: skip
        if not made:
            name = "task"
        numbers: tuple[int, ...] = ()
        if name == "add":
            numbers = tuple(draw.randrange(1_000_000) for _ in range(draw.randint(1, 5)))
        elif name in {"unset", "points", "reject"}:
            numbers = (draw.randint(1, 5),)
        elif name == "set" and unset:
            numbers = (draw.choice(unset),)
        elif name in {"set together", "set at once"} and unset:
            numbers = tuple(draw.sample(unset, min(len(unset), 4)))
        elif name in {"start", "end"} and expected.points:
            numbers = (draw.randrange(expected.points),)
        elif name not in {"task", "checkpoint", "reopen"}:
            continue
        made.append((name, numbers))
        expected.after(made[-1])
    return made


async def begin(kind: str, folder: Path) -> None:
    """An empty workflow."""
    await KINDS[kind].write_empty_workflow({"name": "w"}, {}, folder, None, {})


async def do(store: PersistentStore, step: Step, so_far: Expected) -> PersistentStore:
    """Make the step in the store; gives the store to go on with."""
    name, numbers = step
    if name == "add":
        async with store.batch_update():
            for number in numbers:
                await store.add_parameter_data(number, {"type": "local_input"})
    elif name == "unset":
        async with store.batch_update():
            for _ in range(numbers[0]):
                await store.add_unset_parameter_data({"type": "EAR_output"})
    elif name == "set":
        await store.set_parameter(numbers[0], numbers[0])
    elif name == "set together":
        async with store.batch_update():
            for index in numbers:
                await store.set_parameter(index, index)
    elif name == "set at once":
        async with anyio.create_task_group() as tasks:
            for index in numbers:
                tasks.start_soon(store.set_parameter, index, index)
    elif name == "points":
        async with store.batch_update():
            await _points(store, so_far.points, numbers[0])
    elif name == "task":
        async with store.batch_update():
            await store.add_empty_task(so_far.tasks, {"insert_ID": so_far.tasks})
            await store.add_element_set(so_far.tasks, {"of": so_far.tasks})
    elif name == "start":
        await store.set_EAR_start(0, numbers[0], 0, 0)
    elif name == "end":
        await store.set_EAR_end(0, numbers[0], 0, 0, success=True)
    elif name == "checkpoint":
        await store.checkpoint()
    elif name == "reject":
        async with store.batch_update():
            for _ in range(numbers[0]):
                await store.add_parameter_data("rejected", {"type": "local_input"})
            store.reject_pending()
    elif name == "reopen":
        await store.aclose()
        store = type(store)(store.workflow, checkpoint_bytes=CHECKPOINT_BYTES)
    return store


async def _points(store: PersistentStore, first: int, count: int) -> None:
    places = range(first, first + count)
    outputs = [await store.add_unset_parameter_data({"type": "EAR_output"}) for _ in places]
    elements = [Element(iterations_idx=[place]).to_dict() for place in places]
    await store.add_elements(0, 0, elements, [Iteration().to_dict() for _ in places])
    for place, output in zip(places, outputs, strict=True):
        run = Run(index=place, data_idx={"outputs.x": output})
        await store.add_EARs(0, 0, place, {0: [run.to_dict()]}, {output: {"EAR_idx": place}})


async def seen(store: PersistentStore) -> tuple[Expected, list[str]]:
    """What is in the store, and what in it does not fit together."""
    found = Expected()
    odd: list[str] = []
    for index, (is_set, value) in (await store.get_all_parameter_data()).items():
        found.parameters.append(value if is_set and isinstance(value, int) else None)
        if is_set != isinstance(value, int):
            odd.append(f"parameter {index} is {value!r}")
    found.tasks = await store.get_num_added_tasks()
    template: dict[str, Any] = await store.get_template()
    if [task["element_sets"] for task in template["tasks"]] != [[{"of": task}] for task in range(found.tasks)]:
        odd.append("the element sets are not those of the tasks")
    elements: list[dict[str, Any]] = await store.get_task_elements(0, 0, slice(None)) if found.tasks else []
    found.points = len(elements)
    for element in elements:
        [run] = element["iterations"][0]["actions"][0]
        source = await store.get_parameter_source(run["data_idx"]["outputs.x"])
        if source != {"EAR_idx": element["index"], "type": "EAR_output"}:
            odd.append(f"the source of the output of {element['index']} is {source}")
        if run["metadata"]["start_time"]:
            found.started.add(element["index"])
        if run["metadata"]["end_time"]:
            found.ended.add(element["index"])
    return found, odd


def opened(kind: str, folder: Path) -> PersistentStore:
    """The store, which writes checkpoints often."""
    return KINDS[kind](WorkflowFolder(folder), checkpoint_bytes=CHECKPOINT_BYTES)

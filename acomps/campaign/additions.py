"""The changes that add something to a workflow and so give out the next index."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, cast

from acomps.campaign.change import a_change
from acomps.campaign.documents import as_dict, as_int, as_list, dump, load, load_dict
from acomps.campaign.encoding import Value
from acomps.campaign.model import Element, Iteration, Run
from acomps.campaign.state import LoopTable, SubmissionTable, TaskTable
from acomps.collector import made
from acomps.errors import UsageError

if TYPE_CHECKING:
    from acomps.campaign.state import State

__all__ = [
    "AddComponents",
    "AddElementSet",
    "AddElements",
    "AddIterations",
    "AddLoop",
    "AddParameter",
    "AddRuns",
    "AddSubmission",
    "AddTask",
]


@a_change
@dataclass(frozen=True, slots=True)
class AddComponents:
    """Definitions by kind and content hash; one that is known stays as it is."""

    components: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        found = {kind: as_dict(items, kind) for kind, items in load_dict(self.components).items()}
        for kind, items in found.items():
            known = state.components.setdefault(kind, {})
            for digest, definition in items.items():
                if digest not in known:
                    known[digest] = dump(definition, "a definition")


@a_change
@dataclass(frozen=True, slots=True)
class AddTask:
    """A task without elements, at an index."""

    task_idx: int
    template: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        template = load_dict(self.template)
        if not 0 <= self.task_idx <= len(state.tasks):
            raise UsageError(f"a task cannot be inserted at {self.task_idx}: the workflow has {len(state.tasks)}")
        insert_ID = as_int(template, "insert_ID", "a task")
        if any(task.insert_ID == insert_ID for task in state.tasks):
            raise UsageError(f"there is a task with the insert ID {insert_ID} already")
        sets = as_list(template.pop("element_sets", []), "the element sets of a task")
        table = TaskTable(insert_ID, dump(template, "a task"), [dump(one, "an element set") for one in sets])
        state.tasks.insert(self.task_idx, table)
        state.num_added_tasks += 1


@a_change
@dataclass(frozen=True, slots=True)
class AddElementSet:
    """An element set of a task."""

    task_idx: int
    document: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        state.task(self.task_idx).element_sets.append(self.document)


@a_change
@dataclass(frozen=True, slots=True)
class AddElements:
    """Elements of a task and their iterations, which the elements must share out among them."""

    task_idx: int
    insert_ID: int
    elements: bytes
    iterations: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        task = state.task(self.task_idx, self.insert_ID)
        elements = made(map(Element.from_dict, _dicts(self.elements)))
        iterations = made(map(Iteration.from_dict, _dicts(self.iterations)))
        _require_shared_out(task, [position for one in elements for position in one.iterations_idx], len(iterations))
        task.elements.extend(elements)
        _extend(task, iterations)


@a_change
@dataclass(frozen=True, slots=True)
class AddIterations:
    """More iterations of elements that are there."""

    task_idx: int
    insert_ID: int
    iterations: bytes
    positions: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        task = state.task(self.task_idx, self.insert_ID)
        iterations = made(map(Iteration.from_dict, _dicts(self.iterations)))
        positions = {int(key): cast("list[int]", many) for key, many in load_dict(self.positions).items()}
        for element in positions:
            if not 0 <= element < len(task.elements):
                raise UsageError(f"the task {self.task_idx} has no element {element}, but {len(task.elements)}")
        _require_shared_out(task, [*chain.from_iterable(positions.values())], len(iterations))
        for element, many in positions.items():
            known = task.elements[element]
            task.elements[element] = replace(known, iterations_idx=(*known.iterations_idx, *many))
        _extend(task, iterations)


@a_change
@dataclass(frozen=True, slots=True)
class AddRuns:
    """Runs of an iteration, by action; an action that has some already gets more. Sources are told of their run."""

    task_idx: int
    insert_ID: int
    iteration: int
    runs: bytes
    sources: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        task = state.task(self.task_idx, self.insert_ID)
        if not 0 <= self.iteration < len(task.iterations):
            raise UsageError(f"the task {self.task_idx} has no iteration {self.iteration}, but {len(task.iterations)}")
        added = {int(key): [Run.from_dict(one) for one in _listed(many)] for key, many in load_dict(self.runs).items()}
        updates = {int(key): as_dict(update, "a source") for key, update in load_dict(self.sources).items()}
        patched = {
            index: dump(dict(sorted({**load_dict(state.source(index)), **update}.items())), "a source")
            for index, update in updates.items()
        }
        known = task.iterations[self.iteration]
        actions = dict(known.actions)
        for action, runs in added.items():
            actions[action] = (*actions.get(action, ()), *runs)
        task.iterations[self.iteration] = replace(known, actions=actions, EARs_initialised=True)
        task.runs += sum(map(len, added.values()))
        for index, source in patched.items():
            state.sources[index] = source


@a_change
@dataclass(frozen=True, slots=True)
class AddLoop:
    """A loop over tasks, all of whose iterations become its number 0."""

    task_indices: tuple[int, ...]
    template: bytes
    iterable_parameters: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        template = load_dict(self.template)
        name = template.get("name")
        inserted = as_list(template.get("task_insert_IDs"), "the task_insert_IDs of a loop")
        if not isinstance(name, str) or not name:
            raise UsageError(f"a loop needs a name, not {name!r}")
        if len(inserted) != len(self.task_indices):
            raise UsageError(f"the loop {name!r} names {len(inserted)} tasks, and {len(self.task_indices)} are given")
        tasks = [state.task(index, cast("int", one)) for index, one in zip(self.task_indices, inserted, strict=True)]
        if any(loop.name == name for loop in state.loops) or any(
            name in iteration.loop_idx for task in tasks for iteration in task.iterations
        ):
            raise UsageError(f"there is a loop {name!r} already")
        for task in tasks:
            task.iterations[:] = [replace(one, loop_idx={**one.loop_idx, name: 0}) for one in task.iterations]
        state.loops.append(LoopTable(name, self.template, self.iterable_parameters))


@a_change
@dataclass(frozen=True, slots=True)
class AddParameter:
    """A parameter with its source, set or not."""

    value: Value | None
    source: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        state.values.append(None if self.value is None else self.value.stored)
        state.sources.append(self.source)


@a_change
@dataclass(frozen=True, slots=True)
class AddSubmission:
    """A submission."""

    document: bytes
    adds: ClassVar[bool] = True

    def apply(self, state: State) -> None:
        """Make the change."""
        document = load_dict(self.document)
        jobscripts = as_list(document.get("jobscripts", []), "the jobscripts of a submission")
        state.submissions.append(SubmissionTable(self.document, len(jobscripts)))


def _listed(found: object) -> list[dict[str, object]]:
    return [as_dict(one, "a record") for one in as_list(found, "records")]


def _dicts(document: bytes) -> list[dict[str, object]]:
    return _listed(load(document))


def _extend(task: TaskTable, iterations: list[Iteration]) -> None:
    task.iterations.extend(iterations)
    task.runs += sum(len(runs) for one in iterations for runs in one.actions.values())


def _require_shared_out(task: TaskTable, positions: list[int], added: int) -> None:
    first = len(task.iterations)
    if sorted(positions) != list(range(first, first + added)):
        raise UsageError(
            f"the {added} new iterations get the positions from {first} on, each in one element; "
            f"the elements name {str(sorted(positions))[:80]}"
        )

"""All tables of a store in memory. What is in them never changes; a table changes by getting other things.

So a copy of the tables is cheap: a batch works on one of its own, and a checkpoint writes one while the next changes
are made already.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from acomps.campaign.documents import load_dict
from acomps.campaign.encoding import Value
from acomps.campaign.errors import NoSuchRecord
from acomps.campaign.model import Element, Iteration, RunMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acomps.campaign.arrays import StoredArray

__all__ = ["LoopTable", "RunPlace", "State", "SubmissionTable", "TaskTable"]

#: Iteration, action and number of a run within its task.
RunPlace: TypeAlias = tuple[int, int, int]


@dataclass(slots=True)
class TaskTable:
    """A task: its template without the element sets, and what was added to it."""

    insert_ID: int
    template: bytes
    element_sets: list[bytes] = field(default_factory=list[bytes])
    elements: list[Element] = field(default_factory=list[Element])
    iterations: list[Iteration] = field(default_factory=list[Iteration])
    #: What became of runs since their iterations were made.
    marks: dict[RunPlace, RunMetadata] = field(default_factory=dict[RunPlace, RunMetadata])
    runs: int = 0

    def copied(self) -> TaskTable:
        """The same table, to be changed apart from this one."""
        return TaskTable(
            self.insert_ID,
            self.template,
            self.element_sets.copy(),
            self.elements.copy(),
            self.iterations.copy(),
            self.marks.copy(),
            self.runs,
        )

    def metadata(self, place: RunPlace) -> RunMetadata:
        """What became of a run."""
        known = self.marks.get(place)
        if known is not None:
            return known
        iteration, action, run = place
        if 0 <= iteration < len(self.iterations):
            runs = self.iterations[iteration].actions.get(action, ())
            if 0 <= run < len(runs):
                return runs[run].metadata
        raise NoSuchRecord(
            f"the task with the insert ID {self.insert_ID} has no run {run} of action {action} in iteration {iteration}"
        )

    def iteration(self, index: int) -> Iteration:
        """An iteration with all that became of its runs."""
        found = self.iterations[index]
        if not found.actions or not self.marks:
            return found
        marks = self.marks
        actions = {
            action: [
                run if mark is None else replace(run, metadata=mark)
                for mark, run in ((marks.get((index, action, number)), run) for number, run in enumerate(runs))
            ]
            for action, runs in found.actions.items()
        }
        return replace(found, actions=actions)

    def element(self, index: int, *, keep_iterations_idx: bool) -> dict[str, object]:
        """An element as the store gives it."""
        found = self.elements[index]
        given = found.to_dict()
        if not keep_iterations_idx:
            del given["iterations_idx"]
        given["iterations"] = [{**self.iteration(one).to_dict(), "index": one} for one in found.iterations_idx]
        given["index"] = index
        return given


@dataclass(frozen=True, slots=True)
class LoopTable:
    """A loop: its template, which parameters go round, and how many iterations were added."""

    name: str
    template: bytes
    iterable_parameters: bytes
    num_added_iterations: int = 1


@dataclass(slots=True)
class SubmissionTable:
    """A submission: its document, further attempts, and what was said of its jobscripts since."""

    document: bytes
    jobscripts: int
    attempts: list[bytes] = field(default_factory=list[bytes])
    marks: dict[tuple[int, str], bytes] = field(default_factory=dict[tuple[int, str], bytes])

    def copied(self) -> SubmissionTable:
        """The same table, to be changed apart from this one."""
        return SubmissionTable(self.document, self.jobscripts, self.attempts.copy(), self.marks.copy())


@dataclass(slots=True)
class State:
    """The tables of a store."""

    creation_info: bytes
    #: Without its tasks and loops.
    template: bytes
    #: kind -> content hash -> definition
    components: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    tasks: list[TaskTable] = field(default_factory=list[TaskTable])
    num_added_tasks: int = 0
    loops: list[LoopTable] = field(default_factory=list[LoopTable])
    #: The value of each parameter, None while it is unset: its text alone if it has no arrays.
    values: list[bytes | Value | None] = field(default_factory=list["bytes | Value | None"])
    #: The source of each parameter.
    sources: list[bytes] = field(default_factory=list[bytes])
    submissions: list[SubmissionTable] = field(default_factory=list[SubmissionTable])
    #: The name of a folder beside the workflow's, which that one took the place of.
    replaced_dir: str | None = None
    #: How much of each inbox has been taken in.
    inboxes: dict[str, int] = field(default_factory=dict[str, int])

    def copied(self) -> State:
        """The same tables, to be changed apart from these."""
        return State(
            self.creation_info,
            self.template,
            {kind: known.copy() for kind, known in self.components.items()},
            [task.copied() for task in self.tasks],
            self.num_added_tasks,
            self.loops.copy(),
            self.values.copy(),
            self.sources.copy(),
            [submission.copied() for submission in self.submissions],
            self.replaced_dir,
            self.inboxes.copy(),
        )

    def task(self, task_idx: int, insert_ID: int | None = None) -> TaskTable:
        """The task at an index, which must have the insert ID that is given."""
        if not 0 <= task_idx < len(self.tasks):
            raise NoSuchRecord(f"there is no task {task_idx}: the workflow has {len(self.tasks)}")
        found = self.tasks[task_idx]
        if insert_ID is not None and found.insert_ID != insert_ID:
            raise NoSuchRecord(f"the task {task_idx} has the insert ID {found.insert_ID}, not {insert_ID}")
        return found

    def inserted(self, insert_ID: int) -> TaskTable:
        """The task with an insert ID."""
        for task in self.tasks:
            if task.insert_ID == insert_ID:
                return task
        raise NoSuchRecord(f"there is no task with the insert ID {insert_ID}")

    def value(self, index: int) -> bytes | Value | None:
        """The value of the parameter at an index."""
        self.require_parameter(index)
        return self.values[index]

    def source(self, index: int) -> bytes:
        """The source of the parameter at an index."""
        self.require_parameter(index)
        return self.sources[index]

    def require_parameter(self, index: int) -> None:
        """NoSuchRecord when there is no parameter at an index."""
        if not 0 <= index < len(self.sources):
            raise NoSuchRecord(f"there is no parameter {index}: the workflow has {len(self.sources)}")

    def arrays(self) -> Iterator[StoredArray]:
        """The arrays of all parameters."""
        for value in self.values:
            if isinstance(value, Value):
                yield from value.arrays

    def submission(self, sub_idx: int, js_idx: int | None = None) -> SubmissionTable:
        """The submission at an index, which must have the jobscript that is given."""
        if not 0 <= sub_idx < len(self.submissions):
            raise NoSuchRecord(f"there is no submission {sub_idx}: the workflow has {len(self.submissions)}")
        found = self.submissions[sub_idx]
        if js_idx is not None and not 0 <= js_idx < found.jobscripts:
            raise NoSuchRecord(f"submission {sub_idx} has no jobscript {js_idx}, but {found.jobscripts}")
        return found

    def run_count(self) -> Iterator[tuple[int, int, int]]:
        """For each task: how many elements, iterations and runs."""
        for task in self.tasks:
            yield len(task.elements), len(task.iterations), task.runs

    def whole_template(self) -> dict[str, object]:
        """The template with its tasks, their element sets, and its loops."""
        return {
            **load_dict(self.template),
            "tasks": [
                {**load_dict(task.template), "element_sets": [load_dict(one) for one in task.element_sets]}
                for task in self.tasks
            ],
            "loops": [load_dict(loop.template) for loop in self.loops],
        }

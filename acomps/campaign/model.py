"""The records of a workflow as values, to and from the dicts that a store takes and gives.

    workflow
    ├── tasks[task_idx]                Task: what is to be done, known by its insert_ID
    │   ├── element_sets[es_idx]       ElementSet: points that were planned together
    │   ├── elements[element_idx]      Element: one point; it has iterations
    │   └── element_iterations[...]    Iteration: one round of an element; it has runs by action
    │         └── actions[action_idx]  Run: one attempt (EAR: element, action, run), with its RunMetadata
    ├── loops[loop_idx]                Loop: tasks that are repeated
    ├── parameters[param_idx]          a value, set once, and its ParameterSource
    └── submissions[sub_idx]           Submission: jobscripts that were sent together
          └── jobscripts[js_idx]       Jobscript: one remote job or array

What a dict has beyond the named fields is kept in `more`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias, cast

from acomps.campaign.fields import Fields, copied
from acomps.campaign.times import utc

__all__ = [
    "DataIndex",
    "Element",
    "ElementSet",
    "Iteration",
    "Jobscript",
    "Loop",
    "ParameterSource",
    "Run",
    "RunMetadata",
    "Submission",
    "Task",
]

#: Path of a datum, such as "inputs.beta" -> index of its parameter, or of all that were grouped.
DataIndex: TypeAlias = Mapping[str, "int | Sequence[int]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The template of a task; `schemas` are references into the template components ("hash:...")."""

    insert_ID: int
    dir_name: str = ""
    schemas: Sequence[str] = ()
    element_sets: Sequence[ElementSet] = ()
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> Task:
        """The task behind a store's dict."""
        given = Fields(found, "a task")
        return cls(
            insert_ID=given.whole("insert_ID"),
            dir_name=given.text("dir_name"),
            schemas=[str(name) for name in given.items("schemas")],
            element_sets=[ElementSet.from_dict(one) for one in given.dicts("element_sets")],
            more=given.rest(),
        )

    def to_dict(self) -> dict[str, object]:
        """The dict that `add_empty_task` takes."""
        return {
            **copied(self.more),
            "insert_ID": self.insert_ID,
            "dir_name": self.dir_name,
            "schemas": [*self.schemas],
            "element_sets": [one.to_dict() for one in self.element_sets],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementSet:
    """Points planned together: `local_range` is the first of their element indices, and the one after the last."""

    local_range: tuple[int, int] | None = None
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> ElementSet:
        """The element set behind a store's dict."""
        given = Fields(found, "an element set")
        ends = [cast("int", end) for end in given.items("_element_local_idx_range")]
        return cls(local_range=(ends[0], ends[1]) if len(ends) == 2 else None, more=given.rest())

    def to_dict(self) -> dict[str, object]:
        """The dict that `add_element_set` takes."""
        ends = {} if self.local_range is None else {"_element_local_idx_range": [*self.local_range]}
        return {**copied(self.more), **ends}


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One point: its iterations by position in the task, its set, and its place in each sequence and source."""

    iterations_idx: Sequence[int] = ()
    es_idx: int = 0
    seq_idx: Mapping[str, int] = field(default_factory=dict[str, int])
    src_idx: Mapping[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> Element:
        """The element behind a store's dict."""
        given = Fields(found, "an element")
        return cls(
            iterations_idx=tuple(given.wholes("iterations_idx")),
            es_idx=given.whole("es_idx", 0),
            seq_idx=given.indices("seq_idx"),
            src_idx=given.indices("src_idx"),
        )

    def to_dict(self) -> dict[str, object]:
        """The dict that `add_elements` takes."""
        return {
            "iterations_idx": [*self.iterations_idx],
            "es_idx": self.es_idx,
            "seq_idx": {**self.seq_idx},
            "src_idx": {**self.src_idx},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetadata:
    """What became of a run; nothing of it is known in the beginning."""

    submission_idx: int | None = None
    success: bool | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> RunMetadata:
        """The metadata behind a store's dict, whose times are values."""
        if not any(value is not None for value in found.values()):
            return UNTOUCHED
        given = Fields(found, "the metadata of a run")
        start, end = given.one("start_time"), given.one("end_time")
        return cls(
            submission_idx=cast("int | None", given.one("submission_idx")),
            success=cast("bool | None", given.one("success")),
            start_time=utc(start) if isinstance(start, datetime) else None,
            end_time=utc(end) if isinstance(end, datetime) else None,
            more=given.rest(),
        )

    def started(self, moment: datetime) -> RunMetadata:
        """The same with another start: `replace` takes three times as long, and there are many starts."""
        return RunMetadata(
            submission_idx=self.submission_idx,
            success=self.success,
            start_time=moment,
            end_time=self.end_time,
            more=self.more,
        )

    def to_dict(self) -> dict[str, object]:
        """The dict that a store gives; the times are values."""
        return {
            **self.more,
            "submission_idx": self.submission_idx,
            "success": self.success,
            "start_time": self.start_time,
            "end_time": self.end_time,
        }


UNTOUCHED: Final = RunMetadata()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at an action (EAR): its number in the task, its data, and what became of it."""

    index: int
    data_idx: DataIndex = field(default_factory=dict[str, "int | Sequence[int]"])
    metadata: RunMetadata = UNTOUCHED

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> Run:
        """The run behind a store's dict."""
        given = Fields(found, "a run")
        metadata = RunMetadata.from_dict(given.mapping("metadata"))
        return cls(index=given.whole("index"), data_idx=given.data("data_idx"), metadata=metadata)

    def to_dict(self) -> dict[str, object]:
        """The dict that `add_EARs` takes, in a list for its action."""
        return {"index": self.index, "data_idx": copied(self.data_idx), "metadata": self.metadata.to_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One round of an element: its data, its runs by action, and its number in each loop."""

    global_idx: int = 0
    data_idx: DataIndex = field(default_factory=dict[str, "int | Sequence[int]"])
    EARs_initialised: bool = False
    actions: Mapping[int, Sequence[Run]] = field(default_factory=dict[int, "Sequence[Run]"])
    schema_parameters: Sequence[str] = ()
    loop_idx: Mapping[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> Iteration:
        """The iteration behind a store's dict."""
        given = Fields(found, "an element iteration")
        return cls(
            global_idx=given.whole("global_idx", 0),
            data_idx=given.data("data_idx"),
            EARs_initialised=bool(given.one("EARs_initialised")),
            actions={int(key): tuple(map(Run.from_dict, runs)) for key, runs in given.lists("actions").items()},
            schema_parameters=tuple(cast("Sequence[str]", given.items("schema_parameters"))),
            loop_idx=given.indices("loop_idx"),
        )

    def to_dict(self) -> dict[str, object]:
        """The dict that `add_elements` and `add_element_iterations` take."""
        return {
            "global_idx": self.global_idx,
            "data_idx": copied(self.data_idx),
            "EARs_initialised": self.EARs_initialised,
            "actions": {key: [run.to_dict() for run in runs] for key, runs in self.actions.items()},
            "schema_parameters": [*self.schema_parameters],
            "loop_idx": {**self.loop_idx},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Tasks that are repeated together; `num_iterations` is the plan."""

    name: str
    task_insert_IDs: Sequence[int]
    num_iterations: int = 1
    non_iterable_parameters: Sequence[str] = ()
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> Loop:
        """The loop behind a store's dict."""
        given = Fields(found, "a loop")
        return cls(
            name=given.text("name"),
            task_insert_IDs=given.wholes("task_insert_IDs"),
            num_iterations=given.whole("num_iterations", 1),
            non_iterable_parameters=[str(name) for name in given.items("non_iterable_parameters")],
            more=given.rest(),
        )

    def to_dict(self) -> dict[str, object]:
        """The dict that `add_loop` takes."""
        return {
            **copied(self.more),
            "name": self.name,
            "task_insert_IDs": [*self.task_insert_IDs],
            "num_iterations": self.num_iterations,
            "non_iterable_parameters": [*self.non_iterable_parameters],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSource:
    """Where a parameter comes from: a kind, and the indices that this kind has.

    Kinds are "local_input", "default_input", "workflow_resources" and "EAR_output".
    """

    type: str
    indices: Mapping[str, int] = field(default_factory=dict[str, int])
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> ParameterSource:
        """The source behind a store's dict."""
        given = Fields(found, "a parameter source")
        kind = given.text("type")
        rest = given.rest()
        indices = {name: value for name, value in rest.items() if isinstance(value, int)}
        return cls(type=kind, indices=indices, more={name: rest[name] for name in rest if name not in indices})

    def to_dict(self) -> dict[str, object]:
        """The dict that `add_parameter_data` takes, its keys in order."""
        return dict(sorted({**copied(self.more), **self.indices, "type": self.type}.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobscript:
    """One remote job or array: what it runs, and what became of it once it was sent."""

    task_insert_IDs: Sequence[int] = ()
    task_elements: Mapping[int, Sequence[int]] = field(default_factory=dict[int, "Sequence[int]"])
    submit_time: datetime | None = None
    scheduler_job_ID: str | None = None
    version_info: Mapping[str, object] | None = None
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> Jobscript:
        """The jobscript behind a store's dict, whose time is a value."""
        given = Fields(found, "a jobscript")
        elements = {int(key): [cast("int", one) for one in many] for key, many in given.raw("task_elements").items()}
        sent, job, version = given.one("submit_time"), given.one("scheduler_job_ID"), given.one("version_info")
        return cls(
            task_insert_IDs=given.wholes("task_insert_IDs"),
            task_elements=elements,
            submit_time=utc(sent) if isinstance(sent, datetime) else None,
            scheduler_job_ID=None if job is None else str(job),
            version_info=cast("Mapping[str, object] | None", version),
            more=given.rest(),
        )

    def to_dict(self) -> dict[str, object]:
        """The dict that stands in a submission."""
        return {
            **copied(self.more),
            "task_insert_IDs": [*self.task_insert_IDs],
            "task_elements": {key: [*many] for key, many in self.task_elements.items()},
            "submit_time": self.submit_time,
            "scheduler_job_ID": self.scheduler_job_ID,
            "version_info": None if self.version_info is None else copied(self.version_info),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Jobscripts that were sent together; each attempt lists those that were sent by it."""

    jobscripts: Sequence[Jobscript] = ()
    submission_attempts: Sequence[Sequence[int]] = ()
    JS_parallelism: bool | None = None
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> Submission:
        """The submission behind a store's dict."""
        given = Fields(found, "a submission")
        return cls(
            jobscripts=[Jobscript.from_dict(one) for one in given.dicts("jobscripts")],
            submission_attempts=[cast("list[int]", one) for one in given.items("submission_attempts")],
            JS_parallelism=cast("bool | None", given.one("JS_parallelism")),
            more=given.rest(),
        )

    def to_dict(self) -> dict[str, object]:
        """The dict that `add_submission` takes."""
        return {
            **copied(self.more),
            "submission_attempts": [[*attempt] for attempt in self.submission_attempts],
            "JS_parallelism": self.JS_parallelism,
            "jobscripts": [one.to_dict() for one in self.jobscripts],
        }

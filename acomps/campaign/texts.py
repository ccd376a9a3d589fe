"""Records of the tables <-> the JSON texts that checkpoints of every form consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from acomps.campaign.documents import as_dict, as_int, as_list, dump, load, load_dict
from acomps.campaign.model import Element, Iteration
from acomps.campaign.state import LoopTable, State, SubmissionTable, TaskTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acomps.campaign.times import Times

__all__ = [
    "element_text",
    "iteration_text",
    "read_submission",
    "small_records",
    "state_from",
    "submission_record",
]


def element_text(task: TaskTable, index: int) -> bytes:
    """An element as JSON."""
    return dump(task.elements[index].to_dict(), "an element")


def iteration_text(task: TaskTable, index: int, times: Times) -> bytes:
    """An iteration as JSON, with its runs and what became of them."""
    return dump(task.iteration(index).to_dict(), "an element iteration", times.as_text)


def _task(
    template: dict[str, object], elements: Iterable[object], iterations: Iterable[object], times: Times
) -> TaskTable:
    """A task's table from its template and its records."""
    sets = as_list(template.pop("element_sets", []), "element sets")
    table = TaskTable(
        as_int(template, "insert_ID", "a task"),
        dump(template, "a task"),
        [dump(one, "an element set") for one in sets],
        [Element.from_dict(as_dict(one, "an element")) for one in elements],
        [_iteration(as_dict(one, "an element iteration"), times) for one in iterations],
    )
    table.runs = sum(len(runs) for one in table.iterations for runs in one.actions.values())
    return table


def _iteration(record: dict[str, object], times: Times) -> Iteration:
    for runs in cast("dict[str, list[dict[str, dict[str, object]]]]", record.get("actions") or {}).values():
        for run in runs:
            metadata = run["metadata"]
            for name in ("start_time", "end_time"):
                if metadata.get(name):
                    metadata[name] = times.moment(metadata[name])
    return Iteration.from_dict(record)


def small_records(state: State) -> dict[str, object]:
    """All that there is once: creation info, template, components, the count of tasks, loops."""
    return {
        "creation_info": load(state.creation_info),
        "template": state.whole_template(),
        "template_components": {
            kind: {digest: load(definition) for digest, definition in known.items()}
            for kind, known in state.components.items()
        },
        "num_added_tasks": state.num_added_tasks,
        "loops": [
            {"num_added_iterations": loop.num_added_iterations, "iterable_parameters": load(loop.iterable_parameters)}
            for loop in state.loops
        ],
    }


def state_from(
    root: dict[str, object], records: Iterable[tuple[Iterable[object], Iterable[object]]], times: Times
) -> State:
    """The tables behind `small_records`, and the elements and iterations of each task; without parameters."""
    template = as_dict(root["template"], "a template")
    replaced = root.get("replaced_dir")
    tasks = [as_dict(one, "a task") for one in as_list(template.pop("tasks", []), "the tasks of a template")]
    loops = [as_dict(one, "a loop") for one in as_list(template.pop("loops", []), "the loops of a template")]
    now = [as_dict(one, "a loop") for one in as_list(root["loops"], "loops")]
    components = as_dict(root["template_components"], "template components")
    return State(
        dump(root["creation_info"], "creation info"),
        dump(template, "a template"),
        {
            kind: {digest: dump(one, "a definition") for digest, one in as_dict(known, kind).items()}
            for kind, known in components.items()
        },
        [_task(task, *found, times) for task, found in zip(tasks, records, strict=True)],
        as_int(root, "num_added_tasks", "a workflow"),
        [_loop(loop, record) for loop, record in zip(loops, now, strict=True)],
        replaced_dir=None if replaced is None else str(replaced),
    )


def _loop(loop: dict[str, object], record: dict[str, object]) -> LoopTable:
    return LoopTable(
        str(loop.get("name")),
        dump(loop, "a loop"),
        dump(record.get("iterable_parameters", {}), "the parameters of a loop"),
        as_int(record, "num_added_iterations", "a loop"),
    )


def submission_record(submission: SubmissionTable) -> dict[str, object]:
    """A submission with all that was said of it since; times are texts."""
    record = load_dict(submission.document)
    if submission.attempts:
        known = as_list(record.get("submission_attempts", []), "attempts")
        record["submission_attempts"] = [*known, *map(load, submission.attempts)]
    jobscripts = as_list(record.get("jobscripts", []), "jobscripts")
    for (index, name), document in submission.marks.items():
        as_dict(jobscripts[index], "a jobscript")[name] = load(document)
    return record


def read_submission(document: bytes) -> SubmissionTable:
    """The table of a submission."""
    jobscripts = as_list(load_dict(document).get("jobscripts", []), "jobscripts")
    return SubmissionTable(document, len(jobscripts))

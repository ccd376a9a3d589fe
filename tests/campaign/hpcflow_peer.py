"""hpcFlow's own JSON store (hpcflow-new2 0.2.0a39) doing one job of the interoperability tests, in its interpreter.

The job comes on stdin; what was read goes to stdout, with tuples and sets told apart from lists. It imports nothing of
acomps.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def told_apart(value: Any) -> Any:
    """A JSON form in which tuples, sets, times and keys that are no texts can be told from others."""
    found: Any = value
    if isinstance(value, dict):
        return {"dict": sorted(([told_apart(key), told_apart(item)] for key, item in found.items()), key=str)}
    if isinstance(value, tuple | list):
        return {type(found).__name__: [told_apart(item) for item in found]}
    if isinstance(value, set):
        return {"set": sorted((told_apart(item) for item in found), key=str)}
    if isinstance(value, datetime):
        return {"datetime": value.replace(tzinfo=None).isoformat()}
    return value


def make(folder: Path) -> Any:
    """A real workflow of two tasks, several elements, a loop, runs and a submission, with tuples and sets set."""
    make_workflow: Any = importlib.import_module("hpcflow.sdk.core.test_utils").make_workflow
    api: Any = importlib.import_module("hpcflow.api")
    workflow = make_workflow(
        schemas_spec=[[{"p1": None}, ("p1",), "t1"], [{"p1": None}, ("p2",), "t2"]],
        local_sequences={0: [("inputs.p1", 3, 0)]},
        nesting_orders={0: {"inputs.p1": 0}, 1: {"inputs.p1": 0}},
        path=folder,
        name="peer",
        store="json",
    )
    workflow.add_loop(api.Loop(name="round", tasks=[0], num_iterations=2))
    store = workflow._store
    runs = [run for task in workflow.tasks for element in task.elements for run in element.iterations[0].action_runs]
    outputs = sorted(
        {index for run in runs for path, index in run.get_data_idx().items() if path.startswith("outputs")}
    )
    values = [(1, 2, (3,)), {4, 5}, {"of": ({"deep": (6,)}, [7.5, None]), "sets": [{(8, 9)}]}]
    with contextlib.suppress(StopIteration):
        left = iter(index for index in outputs if not store.is_parameter_set(index))
        for value in values:
            store.set_parameter(next(left), value)
    workflow.add_submission()
    store.set_EAR_start(0, 0, 0, 0)
    store.set_EAR_end(0, 0, 0, 0)
    store.set_jobscript_submit_time(0, 0, datetime(2026, 1, 2, 3, 4, 5))
    store.set_jobscript_job_ID(0, 0, "1234")
    store.append_submission_attempt(0, [0])
    return workflow


def change(store: Any, job: dict[str, Any]) -> None:
    """Change a workflow that another store has written."""
    store.set_parameter(job["index"], (1, {"set": {2, 3}}))
    store.add_parameter_data((4, 5), {"type": "local_input", "task_insert_ID": 0})
    store.set_EAR_start(0, 1, 0, 0)


def bare(folder: Path) -> Any:
    """Its store on the least that it needs of a workflow, for what is no whole workflow of hpcFlow."""
    kind: Any = importlib.import_module("hpcflow.sdk.persistence").JSONPersistentStore
    tasks = json.loads((folder / "metadata.json").read_text())["template"]["tasks"]
    templates = [SimpleNamespace(insert_ID=task["insert_ID"], index=index) for index, task in enumerate(tasks)]
    workflow = SimpleNamespace(
        path=folder, ts_fmt="%Y-%m-%d %H:%M:%S.%f", _in_batch_mode=False, template=SimpleNamespace(tasks=templates)
    )
    store = kind(workflow)
    counts = [one["num_elements"] for one in store.get_all_tasks_metadata()]
    workflow.tasks = [SimpleNamespace(_num_elements=count, num_elements=count) for count in counts]
    return store


def read(store: Any) -> dict[str, Any]:
    """All that its store gives."""
    counts = store.get_all_tasks_metadata()
    parameters = store.get_all_parameter_data()
    template = store.get_template()
    return {
        "template": template,
        "components": store.get_template_components(),
        "info": store.get_creation_info(),
        "loops": store.get_loops(),
        "submissions": store.get_submissions(),
        "added": store.get_num_added_tasks(),
        "tasks": counts,
        "elements": [
            store.get_task_elements(index, task["insert_ID"], slice(0, counts[index]["num_elements"], 1), True)
            for index, task in enumerate(template["tasks"])
        ],
        "parameters": parameters,
        "sources": [store.get_parameter_source(index) for index in parameters],
    }


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    folder = Path(job["folder"])
    with contextlib.redirect_stdout(sys.stderr):
        kind: Any = importlib.import_module("hpcflow.api").Workflow
        if job["do"] == "make":
            folder = make(folder).path
        if job["do"] == "change":
            change(kind(folder)._store, job)
        store = bare(folder) if job["do"] == "read bare" else kind(folder)._store
        found = read(store)
    json.dump({"folder": str(folder), "found": told_apart(found)}, sys.stdout)


if __name__ == "__main__":
    main()

"""hpcFlow's own stores at the work of `benchmarks.store`, in an interpreter that has one of its releases.

The job comes on stdin. A line goes to stdout when a row begins, [row, null], and one with its seconds when it is done.
It imports nothing of acomps.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE = {"day": 41, "range": [0.1, 0.9], "curve": [1.5, 2.5, 3.5]}
SOURCE = {"type": "local_input", "task_insert_ID": 0, "element_set_idx": 0}


class Rows:
    """Does the rows one after the other, and tells of each when it begins and what it took."""

    def __init__(self, told: TextIO) -> None:
        self._told = told

    def tell(self, row: str, taken: tuple[float, float] | None = None) -> None:
        """A line: the row begins, or took so long on the clock and of computing."""
        print(json.dumps([row, taken]), file=self._told, flush=True)

    def once(self, row: str, work: Callable[[], object]) -> None:
        """What one call takes."""
        self.tell(row)
        self.tell(row, seconds(work))

    def each(self, row: str, work: Callable[[int], object], ones: int) -> None:
        """The medians of single calls."""
        self.tell(row)
        taken = [seconds(functools.partial(work, index)) for index in range(ones)]
        self.tell(row, (statistics.median(wall for wall, _ in taken), statistics.median(cpu for _, cpu in taken)))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """What one call takes: on the clock, and of computing."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def seed_release(folder: Path, form: str, n: int, ones: int, rows: Rows) -> None:
    """0.2.0a39, whose store needs very little of a workflow."""
    module: Any = importlib.import_module("hpcflow.sdk.persistence")
    kind = module.store_cls_from_str(form)
    path = folder / "workflow"
    info: dict[str, object] = {
        "app_info": {"name": "w"},
        "create_time": "2026-01-01 08:00:00.000000",
        "ts_fmt": "%Y-%m-%d %H:%M:%S.%f",
    }
    kind.write_empty_workflow({"name": "w", "tasks": [], "loops": [], "resources": {}}, {}, path, None, info)
    counts = SimpleNamespace(_num_elements=0, _num_element_iterations=0, num_elements=0)
    tasks = [SimpleNamespace(insert_ID=0, index=0)]
    workflow = SimpleNamespace(
        path=path, ts_fmt=info["ts_fmt"], _in_batch_mode=False, tasks=[counts], template=SimpleNamespace(tasks=tasks)
    )
    store = kind(workflow)

    def batch(work: Callable[[], object]) -> Callable[[], None]:
        def all_of_it() -> None:
            workflow._in_batch_mode = True
            with store.cached_load():
                work()
                store.commit_pending()
            workflow._in_batch_mode = False

        return all_of_it

    def cached(work: Callable[[], object]) -> Callable[[], None]:
        def all_of_it() -> None:
            with store.cached_load():
                work()

        return all_of_it

    many = n + ones
    store.add_empty_task(0, {"insert_ID": 0, "dir_name": "task_0_sim", "schemas": [], "element_sets": []})
    rows.once("add set parameters", batch(lambda: [store.add_parameter_data(VALUE, SOURCE) for _ in range(n)]))
    elements = [
        {"iterations_idx": [i], "es_idx": 0, "seq_idx": {"inputs.p1": i}, "src_idx": {"inputs.p1": 0}}
        for i in range(many)
    ]
    iterations = [
        {"global_idx": i, "data_idx": {"inputs.p1": i, "outputs.p2": n + i}, "EARs_initialised": False, "actions": {},
         "schema_parameters": ["inputs.p1", "outputs.p2"], "loop_idx": {}}
        for i in range(many)
    ]  # fmt: skip
    empty = {"submission_idx": None, "success": None, "start_time": None, "end_time": None}

    def prepare() -> None:
        batch(lambda: [store.add_unset_parameter_data({"type": "EAR_output"}) for _ in range(many)])()
        batch(runs)()

    def runs() -> None:
        store.add_elements(0, 0, elements, iterations)
        for i in range(many):
            run = {"index": i, "data_idx": {"inputs.p1": i, "outputs.p2": n + i}, "metadata": dict(empty)}
            store.add_EARs(0, 0, i, {0: [run]}, {})

    rows.once("prepare", prepare)
    counts._num_elements = counts._num_element_iterations = counts.num_elements = many
    rows.once("set outputs", batch(lambda: [store.set_parameter(n + i, VALUE) for i in range(n)]))
    rows.each("set one output", lambda i: store.set_parameter(2 * n + i, VALUE), ones)
    rows.once("read outputs", cached(lambda: [store.get_parameter_data(n + i) for i in range(n)]))
    rows.once("read runs with elements", cached(lambda: store.get_task_elements(0, 0, slice(0, n, 1))))
    rows.once("run starts", batch(lambda: [store.set_EAR_start(0, i, 0, 0) for i in range(n)]))
    rows.each("one start", lambda i: store.set_EAR_start(0, n + i, 0, 0), ones)


def newest(folder: Path, form: str, n: int, ones: int, rows: Rows) -> None:
    """0.3.0, through a workflow of its own that has been submitted: it drops what is set of other runs."""
    rows.tell("prepare")
    app: Any = importlib.import_module("hpcflow.app").app
    many = n + ones
    schema = app.TaskSchema(
        "sim",
        inputs=[app.SchemaInput(parameter=app.Parameter("p1"))],
        outputs=[app.SchemaOutput(parameter=app.Parameter("p2"))],
        actions=[app.Action(commands=[app.Command("echo <<parameter:p1>>", stdout="<<int(parameter:p2)>>")])],
    )
    sequence = app.ValueSequence(path="inputs.p1", values=list(range(many)))
    workflow = app.Workflow.from_template_data(
        template_name="w", path=str(folder), store=form, tasks=[app.Task(schema=schema, sequences=[sequence])]
    )
    store = workflow._store
    with store.cache_ctx():
        workflow.add_submission()
    with store.cache_ctx():
        outputs = [run.data_idx["outputs.p2"] for run in store.get_EARs(range(many))]

    def batch(work: Callable[[], object]) -> Callable[[], None]:
        def all_of_it() -> None:
            with store.cached_load(), store.cache_ctx():
                work()
                store._pending.commit_all()

        return all_of_it

    def cached(work: Callable[[], object]) -> Callable[[], None]:
        def all_of_it() -> None:
            with store.cached_load(), store.cache_ctx():
                work()

        return all_of_it

    def set_outputs() -> None:
        list(store.get_task_elements(0))  # fills its caches, without which it takes half an hour
        for i in range(n):
            store.set_parameter_value(outputs[i], VALUE, save=False)

    rows.once(
        "add set parameters",
        batch(lambda: [store.add_set_parameter(VALUE, dict(SOURCE), save=False) for _ in range(n)]),
    )
    rows.once("set outputs", batch(set_outputs))
    rows.each("set one output", lambda i: store.set_parameter_value(outputs[n + i], VALUE), ones)
    rows.once("read outputs", cached(lambda: store.get_parameters(outputs[:n])))
    rows.once("read runs with elements", cached(lambda: list(store.get_task_elements(0, range(n)))))
    rows.once("run starts", batch(lambda: [store.set_EAR_start(i, None, None, save=False) for i in range(n)]))
    rows.each("one start", lambda i: store.set_EAR_start(n + i, None, None), ones)


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    work = {"a39": seed_release, "0.3.0": newest}[job["release"]]
    rows = Rows(sys.stdout)
    with contextlib.redirect_stdout(sys.stderr):
        work(Path(job["folder"]), job["form"], job["n"], job["ones"], rows)


if __name__ == "__main__":
    main()

"""`python -m benchmarks.store [--seed PYTHON] [--newest PYTHON]`: our stores and hpcFlow's at the same work.

PYTHON is an interpreter that has hpcflow-new2 0.2.0a39 (--seed) or hpcflow 0.3.0 (--newest). The seconds of single
settings are medians; ours are on the disk (synced) when a call returns, theirs are handed to the system.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import orjson

from acomps.campaign import JSONPersistentStore, PersistentStore, WorkflowFolder, ZarrPersistentStore
from benchmarks.store_peer import SOURCE, VALUE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROWS: Final = (
    "add set parameters",
    "set outputs",
    "set one output",
    "read outputs",
    "read runs with elements",
    "run starts",
    "one start",
)
OURS: Final[dict[str, type[PersistentStore]]] = {"json": JSONPersistentStore, "zarr": ZarrPersistentStore}
Taken: TypeAlias = tuple[float, float]
NOTHING_YET: Final = {"submission_idx": None, "success": None, "start_time": None, "end_time": None}


async def seconds(work: Callable[[], Awaitable[object]]) -> Taken:
    """What one call takes: on the clock, and of computing."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - wall, time.process_time() - cpu


async def each(work: Callable[[int], Awaitable[object]], ones: int) -> Taken:
    """The medians of single calls."""
    taken = [await seconds(partial(work, index)) for index in range(ones)]
    return statistics.median(wall for wall, _ in taken), statistics.median(cpu for _, cpu in taken)


async def fill(store: PersistentStore, n: int, many: int) -> None:
    """A task whose elements have an iteration with a run each, and the parameters that will be their outputs."""
    async with store.batch_update():
        await store.add_empty_task(0, {"insert_ID": 0, "dir_name": "task_0_sim", "schemas": [], "element_sets": []})
        for _ in range(many):
            await store.add_unset_parameter_data({"type": "EAR_output"})
        elements = [
            {"iterations_idx": [i], "es_idx": 0, "seq_idx": {"inputs.p1": i}, "src_idx": {"inputs.p1": 0}}
            for i in range(many)
        ]
        data = [{"inputs.p1": i, "outputs.p2": n + i} for i in range(many)]
        iterations = [
            {"global_idx": i, "data_idx": data[i], "schema_parameters": ["inputs.p1", "outputs.p2"], "loop_idx": {}}
            for i in range(many)
        ]
        await store.add_elements(0, 0, elements, iterations)
        for i in range(many):
            await store.add_EARs(0, 0, i, {0: [{"index": i, "data_idx": data[i], "metadata": NOTHING_YET}]}, {})


async def ours(folder: Path, form: str, n: int, ones: int) -> dict[str, Taken]:
    """Our store at all rows."""
    kind = OURS[form]
    path = folder / "workflow"
    info: dict[str, object] = {
        "app_info": {"name": "w"},
        "create_time": "2026-01-01 08:00:00.000000",
        "ts_fmt": "%Y-%m-%d %H:%M:%S.%f",
    }
    await kind.write_empty_workflow({"name": "w", "resources": {}}, {}, path, None, info)
    found: dict[str, Taken] = {}
    async with kind(WorkflowFolder(path)) as store:

        async def add() -> None:
            async with store.batch_update():
                for _ in range(n):
                    await store.add_parameter_data(VALUE, SOURCE)

        async def set_outputs() -> None:
            async with store.batch_update():
                for i in range(n):
                    await store.set_parameter(n + i, VALUE)

        async def read() -> None:
            async with store.cached_load():
                for i in range(n):
                    await store.get_parameter_data(n + i)

        async def start() -> None:
            async with store.batch_update():
                for i in range(n):
                    await store.set_EAR_start(0, i, 0, 0)

        found["add set parameters"] = await seconds(add)
        await fill(store, n, n + ones)
        found["set outputs"] = await seconds(set_outputs)
        found["set one output"] = await each(lambda i: store.set_parameter(2 * n + i, VALUE), ones)
        found["read outputs"] = await seconds(read)
        found["read runs with elements"] = await seconds(lambda: store.get_task_elements(0, 0, slice(0, n, 1)))
        found["run starts"] = await seconds(start)
        found["one start"] = await each(lambda i: store.set_EAR_start(0, n + i, 0, 0), ones)
        found["close"] = await seconds(store.aclose)
    again = kind(WorkflowFolder(path))
    found["reopen"] = await seconds(again.get_num_added_tasks)
    await again.aclose()
    found["files"] = sum(1 for one in path.rglob("*") if one.is_file()), 0
    return found


async def run_job(command: list[str], job: dict[str, object]) -> dict[str, Taken]:
    """Have a process of its own do the work once."""
    with tempfile.TemporaryDirectory(prefix="acomps-store-") as folder:
        done = await anyio.run_process(command, input=orjson.dumps({**job, "folder": folder}), stderr=None, cwd=folder)
    found: dict[str, Taken] = orjson.loads(done.stdout)
    return found


async def compare(chosen: argparse.Namespace) -> dict[str, list[dict[str, Taken]]]:
    """All rounds of all stores, in turn."""
    us = [sys.executable, "-m", "benchmarks.store", "--work"]
    them = str(Path(__file__).with_name("store_peer.py"))
    contestants: dict[str, tuple[list[str], dict[str, object]]] = {}
    for form in OURS:
        contestants[f"ours {form}"] = us, {"form": form}
    for release, python in (("a39", chosen.seed), ("0.3.0", chosen.newest)):
        for form in OURS if python else ():
            contestants[f"{release} {form}"] = [python, them], {"form": form, "release": release}
    if chosen.only:
        contestants = {name: contestants[name] for name in chosen.only}
    found: dict[str, list[dict[str, Taken]]] = {name: [] for name in contestants}
    for _ in range(chosen.rounds):
        for name, (command, job) in contestants.items():
            found[name].append(await run_job(command, {**job, "n": chosen.n, "ones": chosen.ones}))
            print(f"{name} done", file=sys.stderr)
    return found


def table(found: dict[str, list[dict[str, Taken]]]) -> str:
    """Medians of the rounds; the last column says how many times the best peer takes what our slower store does."""
    return "\n\n".join(half_table(found, number, title) for number, title in enumerate(("seconds", "CPU seconds")))


def half_table(found: dict[str, list[dict[str, Taken]]], number: int, title: str) -> str:
    """The table of one of both measures."""
    lines = [f"{title:<26}" + "".join(f"{name:>12}" for name in found) + f"{'best peer':>12}"]
    for row in (*ROWS, "close", "reopen", "files"):
        values = {
            name: statistics.median(one[row][number] for one in rounds)
            for name, rounds in found.items()
            if row in rounds[0]
        }
        peers = [value for name, value in values.items() if not name.startswith("ours")]
        mine = [value for name, value in values.items() if name.startswith("ours")]
        cells = "".join(f"{values[name]:>12.4g}" if name in values else " " * 12 for name in found)
        lines.append(f"{row:<26}{cells}" + (f"{min(peers) / max(mine):>11.1f}x" if peers and mine else ""))
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--seed", metavar="PYTHON", help="an interpreter with hpcflow-new2 0.2.0a39")
    parser.add_argument("--newest", metavar="PYTHON", help="an interpreter with hpcflow 0.3.0")
    parser.add_argument("--n", type=int, default=10_000, help="how many parameters, and runs (10000)")
    parser.add_argument("--ones", type=int, default=5, help="how many single settings (5)")
    parser.add_argument("--rounds", type=int, default=1, help="the table has their medians (1)")
    parser.add_argument("--only", action="append", help='a store to measure, such as "ours zarr" (all)')
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        job = orjson.loads(sys.stdin.buffer.read())
        found = anyio.run(ours, Path(job["folder"]), job["form"], job["n"], job["ones"])
        sys.stdout.buffer.write(orjson.dumps(found))
    else:
        print(table(anyio.run(compare, chosen)))


if __name__ == "__main__":
    main()

"""`python -m benchmarks.store [--seed PYTHON] [--newest PYTHON]`: our stores and hpcFlow's at the same work.

PYTHON is an interpreter that has hpcflow-new2 0.2.0a39 (--seed) or hpcflow 0.3.0 (--newest). The seconds of single
settings are medians; ours are on the disk (synced) when a call returns, theirs are handed to the system.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import orjson
from anyio.streams.buffered import BufferedByteReceiveStream

from acomps.campaign import JSONPersistentStore, PersistentStore, WorkflowFolder, ZarrPersistentStore
from benchmarks.store_peer import SOURCE, VALUE, Rows

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


async def once(rows: Rows, row: str, work: Callable[[], Awaitable[object]]) -> None:
    """A row of one call."""
    rows.tell(row)
    rows.tell(row, await seconds(work))


async def each(rows: Rows, row: str, work: Callable[[int], Awaitable[object]], ones: int) -> None:
    """A row that has the medians of single calls."""
    rows.tell(row)
    taken = [await seconds(partial(work, index)) for index in range(ones)]
    rows.tell(row, (statistics.median(wall for wall, _ in taken), statistics.median(cpu for _, cpu in taken)))


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


async def ours(folder: Path, form: str, n: int, ones: int) -> None:
    """Our store at all rows."""
    kind = OURS[form]
    path = folder / "workflow"
    info: dict[str, object] = {
        "app_info": {"name": "w"},
        "create_time": "2026-01-01 08:00:00.000000",
        "ts_fmt": "%Y-%m-%d %H:%M:%S.%f",
    }
    await kind.write_empty_workflow({"name": "w", "resources": {}}, {}, path, None, info)
    rows = Rows(sys.stdout)
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

        await once(rows, "add set parameters", add)
        await once(rows, "prepare", lambda: fill(store, n, n + ones))
        await once(rows, "set outputs", set_outputs)
        await each(rows, "set one output", lambda i: store.set_parameter(2 * n + i, VALUE), ones)
        await once(rows, "read outputs", read)
        await once(rows, "read runs with elements", lambda: store.get_task_elements(0, 0, slice(0, n, 1)))
        await once(rows, "run starts", start)
        await each(rows, "one start", lambda i: store.set_EAR_start(0, n + i, 0, 0), ones)
        await once(rows, "close", store.aclose)
    again = kind(WorkflowFolder(path))
    await once(rows, "reopen", again.get_num_added_tasks)
    await again.aclose()
    rows.tell("files", (sum(1 for one in path.rglob("*") if one.is_file()), 0))


async def run_job(name: str, command: list[str], job: dict[str, object], limit_s: float) -> dict[str, Taken]:
    """Have a process of its own do the work once; a row that takes longer than the limit is its last one."""
    found: dict[str, Taken] = {}
    row = ""
    with tempfile.TemporaryDirectory(prefix="acomps-store-") as folder:
        async with await anyio.open_process(command, stderr=None, cwd=folder) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            await process.stdin.send(orjson.dumps({**job, "folder": folder}))
            await process.stdin.aclose()
            lines = BufferedByteReceiveStream(process.stdout)
            try:
                while True:
                    with anyio.fail_after(limit_s):
                        row, taken = orjson.loads(await lines.receive_until(b"\n", 1_000))
                    if taken is not None:
                        found[row] = taken
                        print(f"{name}: {row} {taken[0]:.4g}", file=sys.stderr)
            except anyio.IncompleteRead:
                pass
            except TimeoutError:
                process.kill()
                found[row] = math.inf, math.inf
                print(f"{name}: {row or 'its start'} took over {limit_s:g} s, the rest is left out", file=sys.stderr)
                return found
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}")
    return found


def sync_seconds(ones: int) -> Taken:
    """The medians of what it takes to bring 200 bytes more of one file to the disk: no durable setting is cheaper."""
    taken: list[Taken] = []
    with tempfile.TemporaryFile(prefix="acomps-store-", buffering=0) as handle:
        for _ in range(ones):
            wall, cpu = time.perf_counter(), time.process_time()
            handle.write(bytes(200))
            os.fsync(handle.fileno())
            taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return statistics.median(wall for wall, _ in taken), statistics.median(cpu for _, cpu in taken)


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
            work = {**job, "n": chosen.n, "ones": chosen.ones}
            found[name].append(await run_job(name, command, work, chosen.limit))
    return found


def table(found: dict[str, list[dict[str, Taken]]], limit_s: float) -> str:
    """Medians of the rounds; the last column says how many times the best peer takes what our slower store does."""
    return "\n\n".join(half_table(found, number, limit_s) for number in (0, 1))


def half_table(found: dict[str, list[dict[str, Taken]]], number: int, limit_s: float) -> str:
    """The table of one of both measures: on the clock, or of computing."""
    title = ("seconds", "CPU seconds")[number]
    lines = [f"{title:<26}" + "".join(f"{name:>12}" for name in found) + f"{'best peer':>12}"]
    for row in (*ROWS, "close", "reopen", "files"):
        values = {
            name: statistics.median(one[row][number] for one in rounds if row in one)
            for name, rounds in found.items()
            if any(row in one for one in rounds)
        }
        peers = [min(value, limit_s) for name, value in values.items() if not name.startswith("ours")]
        mine = [value for name, value in values.items() if name.startswith("ours")]
        cells = "".join(cell(values.get(name), limit_s) for name in found)
        lines.append(f"{row:<26}{cells}" + (f"{min(peers) / max(mine):>11.1f}x" if peers and mine else ""))
    return "\n".join(lines)


def cell(value: float | None, limit_s: float) -> str:
    """A figure of the table; a row that was not done in time says so, those after it are empty."""
    if value is None:
        return " " * 12
    return f"{value:>12.4g}" if math.isfinite(value) else f"{f'> {limit_s:g} s':>12}"


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--seed", metavar="PYTHON", help="an interpreter with hpcflow-new2 0.2.0a39")
    parser.add_argument("--newest", metavar="PYTHON", help="an interpreter with hpcflow 0.3.0")
    parser.add_argument("--n", type=int, default=10_000, help="how many parameters, and runs (10000)")
    parser.add_argument("--ones", type=int, default=5, help="how many single settings (5)")
    parser.add_argument("--rounds", type=int, default=1, help="the table has their medians (1)")
    parser.add_argument(
        "--limit", type=float, default=300, help="seconds for a row; a store that is slower ends there (300)"
    )
    parser.add_argument("--only", action="append", help='a store to measure, such as "ours zarr" (all)')
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        job = orjson.loads(sys.stdin.buffer.read())
        anyio.run(ours, Path(job["folder"]), job["form"], job["n"], job["ones"])
    else:
        print(table(anyio.run(compare, chosen), chosen.limit))
        wall, cpu = sync_seconds(max(chosen.ones, 20))
        print(f"\nadding 200 bytes to a file and syncing it takes {wall:.2g} s here ({cpu:.2g} s of computing)")


if __name__ == "__main__":
    main()

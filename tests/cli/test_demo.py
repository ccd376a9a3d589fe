"""`acomps demo` as a process: what it leaves on disk, and what it never leaves running."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

import acomps.cli.demo as steps
from acomps.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Generator

    import acomps

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")

#: A test run in the background ignores Ctrl-C, and so would its children.
MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from acomps.cli import main; main()"


@contextmanager
def demo(folder: Path, *options: str) -> Generator[tuple[subprocess.Popen[str], IO[str]]]:
    """The demo, started in `folder` with a folder for temporary files of its own, and its stderr."""
    temporary = folder / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "demo", *options],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            yield process, process.stderr
        finally:
            process.kill()


def wait_for_line(stream: IO[str], pattern: str) -> str:
    """Read up to the line that matches; the test's own timeout is the deadline."""
    for line in stream:
        if re.search(pattern, line):
            return line
    raise AssertionError(f"no line like {pattern!r} came")


def processes_in(folder: Path) -> list[int]:
    """Who works in the folder, or was started with its name in the command line."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                place, words = os.readlink(entry / "cwd"), (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{place}/".startswith(f"{folder}/") or os.fsencode(folder) in words:
                found.append(int(entry.name))
    return found


def wait_until_gone(pids: list[int], seconds: float) -> None:
    """Wait for the end of processes that are not our children."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([handle], [], [], seconds)[0], f"process {pid} goes on"
        finally:
            os.close(handle)


def test_the_demo_runs_200_simulations_and_leaves_results_but_no_process(tmp_path: Path) -> None:
    with demo(tmp_path) as (process, _):
        said, notes = process.communicate()
    assert process.returncode == 0, notes
    results = tmp_path / "results"

    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "results/runs",
        "results/summary.csv",
        "results/infected.png",
    ]
    assert sorted(path.name for path in results.iterdir()) == ["infected.png", "runs", "summary.csv"]
    with (results / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    points = [(float(row["Base_Infectivity_Constant"]), int(row["Run_Number"])) for row in rows]
    assert points == [(round(0.05 * step, 2), run) for step in range(1, 21) for run in range(1, 11)]
    assert {row["state"] for row in rows} == {"Succeeded"}
    assert float(rows[0]["final_recovered"]) < 0.1
    assert float(rows[-1]["final_recovered"]) > 0.9
    assert (results / "infected.png").read_bytes().startswith(b"\x89PNG")
    charts = sorted((results / "runs").rglob("*.json"))
    assert len(charts) == 200
    assert sum(json.loads(charts[-1].read_bytes())["Channels"]["New Infections"]["Data"]) > 1500

    assert "\x1b" not in notes
    assert re.search(r"Submitted 200 simulations in \d+ requests", notes)
    assert "200 of 200 done: 200 Succeeded" in notes
    assert processes_in(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("stage", ["Local service at", "Submitted 200", "50 of 200 done|[56789]. of 200 done"])
def test_an_interrupted_demo_ends_with_130_and_leaves_nothing(
    tmp_path: Path, stage: str, signal_number: signal.Signals
) -> None:
    with demo(tmp_path) as (process, notes):
        wait_for_line(notes, stage)
        process.send_signal(signal_number)
        _, rest = process.communicate()
    assert process.returncode == 130
    assert "acomps: interrupted" in rest
    assert "Traceback" not in rest
    assert processes_in(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "results" / "summary.csv").exists()


def test_a_demo_that_is_killed_takes_its_service_and_simulations_with_it(tmp_path: Path) -> None:
    with demo(tmp_path) as (process, notes):
        wait_for_line(notes, "Submitted 200")
        others = [pid for pid in processes_in(tmp_path / "tmp") if pid != process.pid]
        assert others
        process.kill()
        process.wait()
        wait_until_gone(others, seconds=20)
    assert processes_in(tmp_path / "tmp") == []


def test_with_keep_the_data_of_the_service_stays_and_is_named(tmp_path: Path) -> None:
    with demo(tmp_path, "--keep", "--into", "elsewhere") as (process, _):
        _, notes = process.communicate()
    assert process.returncode == 0, notes
    named = re.search(r"acomps serve --data-dir (.+)", notes)
    assert named is not None
    assert any(Path(named[1]).iterdir())
    assert (tmp_path / "elsewhere" / "infected.png").exists()


async def test_simulations_that_fail_are_reported_and_do_not_hide_the_others(
    comps: acomps.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "POINTS", {steps.INFECTIVITY: [-1, 0.5], steps.SEED: [1, 2]})
    experiment = await steps.submit(comps)
    await steps.follow(comps, experiment)
    outcomes = await steps.harvest(comps, experiment, tmp_path)
    steps.report(outcomes, tmp_path)
    assert [outcome.chart is None for outcome in outcomes] == [True, True, False, False]
    assert steps.judge(outcomes) == Exit.FAILED
    said, notes = capfd.readouterr()
    assert f"{tmp_path / 'summary.csv'}: 4 rows" in said
    assert "2 of 4 simulations did not succeed; the first is simulation 'acomps demo Base_Infectivity" in notes
    assert (tmp_path / "infected.png").exists()
    with (tmp_path / "summary.csv").open(newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["Failed", "Failed", "Succeeded", "Succeeded"]

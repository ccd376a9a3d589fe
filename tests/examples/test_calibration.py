"""The calibration example: to its end, and through ten kills to the same end with nothing made twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from acomps.campaign import JSONPersistentStore, Results, WorkflowFolder
from acomps.comps.child import Service

EXAMPLE = Path(__file__).parents[2] / "examples" / "calibration.py"
CHILD = Path(__file__).with_name("calibration_child.py")
KILLS = 10
SEED = 8


def test_the_example_fits_the_data_and_draws_it(tmp_path: Path) -> None:
    into = tmp_path / "calibration"
    command = [sys.executable, str(EXAMPLE), "--into", str(into)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("108 simulations; best fit: ")
    assert float(done.stdout.split()[-1]) < 40, "the best pair is near the data"
    assert (into / "fit.png").read_bytes().startswith(b"\x89PNG")
    assert len((into / "results.csv").read_text().splitlines()) == 109


async def run_child(service: Service, folder: Path, upto: int) -> tuple[int, str]:
    command = [sys.executable, str(CHILD), str(folder), service.url, service.username, service.password, str(upto)]
    done = await anyio.run_process(command, check=False, stderr=None)
    return done.returncode, done.stdout.decode()


async def found_in(folder: Path) -> list[tuple[object, ...]]:
    from acomps.campaign.runner.points import read_results

    async with JSONPersistentStore(WorkflowFolder(folder)) as store:
        results: Results = await read_results(store)
    return [(one.stage, one.round, one.point, dict(one.inputs), dict(one.outputs or {})) for one in results]


async def campaign_id(folder: Path) -> str:
    async with JSONPersistentStore(WorkflowFolder(folder)) as store:
        return str((await store.get_template())["campaign"]["id"])  # type: ignore[index]  # a JSON document


def made(data: Path, campaign: str) -> tuple[list[str], list[str]]:
    """The keys of all simulations that the service has of a campaign, and of those that it has run, once per run."""
    there = "key = 'acomps_key' AND value LIKE ?"
    with closing(sqlite3.connect(f"file:{data / 'service.sqlite'}?mode=ro", uri=True)) as database:
        keys = database.execute(
            f"SELECT value FROM tags JOIN simulations ON id = entity_id WHERE {there} AND removed_at IS NULL",
            (f"{campaign}-%",),
        ).fetchall()
        runs = database.execute(
            f"SELECT value FROM tags JOIN jobs ON simulation_id = entity_id WHERE {there}", (f"{campaign}-%",)
        ).fetchall()
    return sorted(key for (key,) in keys), sorted(key for (key,) in runs)


@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or os.name != "posix", reason="kill -9 is POSIX's")
async def test_killed_at_ten_places_it_comes_to_the_same_result_and_makes_nothing_twice(
    tmp_path: Path, service: Service, service_folder: Path
) -> None:
    whole = tmp_path / "whole" / "campaign"
    code, told = await run_child(service, whole, 0)
    assert code == 0
    lines = int(told)
    draw = random.Random(SEED)
    killed = tmp_path / "killed" / "campaign"
    # The first are early: in the making of the store, of the plan, of the first orders.
    for kill in range(KILLS):
        upto = draw.randint(1, lines // 50) if kill < KILLS // 2 else draw.randint(lines // 50, lines // 9)
        code, _ = await run_child(service, killed, upto)
        assert code == -signal.SIGKILL, f"kill {kill} at line {upto} of {lines}"
    code, _ = await run_child(service, killed, 0)
    assert code == 0
    assert await found_in(killed) == await found_in(whole)
    keys, runs = made(service_folder, await campaign_id(killed))
    assert len(keys) == 108
    assert len(set(keys)) == 108
    assert runs == keys

"""The example with the real EMOD executable, where EMOD can run."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "emod_sweep.py"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("emod_sweep", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_twenty_emod_simulations_go_the_whole_way(tmp_path: Path) -> None:
    example = loaded()
    try:
        example.find_emod()
    except example.EmodMissing as exc:
        pytest.skip(str(exc))
    command = [sys.executable, str(EXAMPLE), "--infectivities", "0.1", "0.3", "0.6", "1.2", "--seeds", "5", "--into"]
    done = subprocess.run([*command, str(tmp_path / "emod")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "emod" / "summary.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 20
    assert {row["state"] for row in rows} == {"Succeeded"}
    infections = {
        value: sum(float(row["total_new_infections"]) for row in rows if row["Base_Infectivity_Constant"] == value) / 5
        for value in ("0.1", "0.3", "0.6", "1.2")
    }
    assert sorted(infections.values()) == list(infections.values()), "more infectivity, more infections"
    assert 50 < infections["0.1"] < 200
    assert 900 < infections["1.2"] < 1_100
    assert (tmp_path / "emod" / "infected.png").read_bytes().startswith(b"\x89PNG")


def test_where_emod_cannot_run_the_example_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE), "--python-lib", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "EMOD does not start" in done.stderr or "pip install emod-generic" in done.stderr
    assert list(tmp_path.iterdir()) == []

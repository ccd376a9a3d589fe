"""Sweep files: what they say becomes simulations, and what is wrong in them is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acomps.entities import Experiment, Priority
from acomps.errors import AcompsError
from acomps.sweep.plan import Plan, read_plan

HEAD = 'name = "a sweep"\n'
SIMULATION = '[simulation]\nbase = "config.json"\n'
BASE = {"parameters": {"Rate": 0.5, "Run_Number": 1, "Place": "here"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(BASE))
    (tmp_path / "points.csv").write_text("Rate,Place\n0.1,Oslo\n0.2,Bern\n")
    (tmp_path / "campaign.json").write_bytes(b"{}")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_bytes(b"x" * 100)
    return tmp_path


def plan(folder: Path, text: str) -> Plan:
    (folder / "sweep.toml").write_text(text)
    return read_plan(folder / "sweep.toml")


def points(found: Plan) -> list[tuple[object, ...]]:
    """The tags of the simulations, in order."""
    return [tuple(simulation.tags.values()) for simulation in found.sweep()]


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        ("[parameters]\nRate = [0.1, 0.2]\nRun_Number = {from = 1, to = 2}", [(0.1, 1), (0.1, 2), (0.2, 1), (0.2, 2)]),
        ("[parameters]\nRate = {from = 0.1, to = 0.3, step = 0.1}", [(0.1,), (0.2,), (0.1 + 2 * 0.1,)]),
        ("[parameters]\nRate = {from = 0, to = 1, count = 3}", [(0.0,), (0.5,), (1.0,)]),
        ("[zip]\nRate = [0.1, 0.2]\nRun_Number = [7, 8]", [(0.1, 7), (0.2, 8)]),
        ('[table]\nfile = "points.csv"', [(0.1, "Oslo"), (0.2, "Bern")]),
        ('[table]\nfile = "points.csv"\n[parameters]\nRun_Number = [1, 2]', [
            (0.1, "Oslo", 1), (0.1, "Oslo", 2), (0.2, "Bern", 1), (0.2, "Bern", 2),
        ]),
    ],
)  # fmt: skip
def test_a_file_gives_its_points_in_order(design: str, expected: list[tuple[object, ...]], folder: Path) -> None:
    found = plan(folder, f"{HEAD}{SIMULATION}{design}\n")
    assert points(found) == expected
    assert len(found.sweep()) == len(expected)


def test_a_latin_hypercube_is_crossed_with_seeds(folder: Path) -> None:
    pytest.importorskip("scipy")
    found = plan(
        folder,
        f"{HEAD}{SIMULATION}[latin_hypercube]\nsamples = 5\nseed = 3\n[latin_hypercube.parameters]\nRate = [0.1, 0.9]\n"
        "[parameters]\nRun_Number = [1, 2]\n",
    )
    rates = [float(str(point[0])) for point in points(found)]
    assert len(rates) == 10
    assert len(set(rates)) == 5
    assert all(0.1 <= rate <= 0.9 for rate in rates)


def test_everything_that_a_file_can_say_is_in_the_simulations(folder: Path) -> None:
    found = plan(
        folder,
        """
name = "a sweep"
description = "what for"
tags = { study = "x" }
[configuration]
environment_name = "Local"
max_cores = 4
priority = "Lowest"
exclusive = true
[assets]
folder = "model"
[simulation]
base = "config.json"
config = "input.json"
files = ["campaign.json"]
name = "run"
tags = { round = 2 }
adding = ["New"]
[parameters]
Run_Number = [1, 2, 3]
New = ["a"]
[estimate]
minutes_per_simulation = 10
""",
    )
    configuration = found.experiment.configuration
    assert configuration is not None
    assert (configuration.priority, configuration.max_cores, configuration.exclusive) == (Priority.LOWEST, 4, True)
    assert (found.experiment.description, dict(found.experiment.tags)) == ("what for", {"study": "x"})
    experiment = Experiment(id="00000000-0000-0000-0000-000000000001", name="saved")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a text is taken
    first = next(iter(found.sweep(experiment)))
    assert (first.name, first.experiment_id) == ("run Run_Number=1 New=a", experiment.id)
    assert dict(first.tags) == {"round": 2, "Run_Number": 1, "New": "a"}
    assert [file.file_name for file in first.files] == ["input.json", "campaign.json"]
    assert (
        first.files[0].content
        == json.dumps({"parameters": {**BASE["parameters"], "New": "a"}}, separators=(",", ":")).encode()
    )
    size = found.size()
    assert (size.simulations, size.shared_bytes, size.core_hours) == (3, 102, 2.0)
    assert size.own_bytes == 3 * len(str(first.files[0].content)) - 9  # without b''


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "name must be a text, and is not there"),
        (HEAD, "base must be a text"),
        (f"{HEAD}{SIMULATION}", "no points"),
        (f"{HEAD}colour = 1\n{SIMULATION}", "'colour'"),
        (f'{HEAD}[simulation]\nbase = "nothing.json"\n', "nothing.json is not there"),
        (f"{HEAD}{SIMULATION}[parameters]\nRate = 1\n", "write a list"),
        (f"{HEAD}{SIMULATION}[parameters]\nRate = {{from = 2, to = 1}}\n", "cannot go from 2 to 1"),
        (f"{HEAD}{SIMULATION}[parameters]\nRate = {{from = 2, to = 3, count = 1}}\n", "at least 2"),
        (f"{HEAD}{SIMULATION}[parameters]\nRate = []\n", "has no values"),
        (f"{HEAD}{SIMULATION}[zip]\nRate = [1]\nRun_Number = [1, 2]\n", "as many"),
        (f'{HEAD}{SIMULATION}[table]\nfile = "points.csv"\n[parameters]\nRate = [1]\n', "one place"),
        (f'{HEAD}{SIMULATION}[zip]\nRate = [1]\n[table]\nfile = "points.csv"\n', "zip and table"),
        (f"{HEAD}{SIMULATION}[latin_hypercube]\nsamples = 1.5\n", "whole numbers"),
        (f"{HEAD}{SIMULATION}[configuration]\nmax_cores = 'x'\n", "max_cores"),
        (f"{HEAD}{SIMULATION}[configuration]\npriority = 'x'\n", "no priority 'x'"),
        (f"{HEAD}{SIMULATION}[estimate]\nminutes_per_simulation = 0\n", "above 0"),
        ("name = ", "no TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text: str, complaint: str, folder: Path) -> None:
    with pytest.raises(AcompsError, match=complaint):
        plan(folder, text)


def test_a_parameter_that_the_base_does_not_have_is_named_before_anything_is_made(folder: Path) -> None:
    found = plan(folder, f"{HEAD}{SIMULATION}[parameters]\nRatte = [1]\n")
    with pytest.raises(AcompsError, match="did you mean 'Rate'"):
        found.sweep()

"""The shipped SEIR model, run as a simulation runs it: a process in a folder with a config.json."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from acomps.local.models import seir_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE: dict[str, object] = {
    "Base_Infectivity_Constant": 0.6,
    "Incubation_Period_Constant": 1,
    "Infectious_Period_Exponential": 4,
    "Initial_Population": 1000,
    "Initial_Infected_Fraction": 0.05,
    "Run_Number": 1,
    "Simulation_Duration": 365,
    "Simulation_Timestep": 1,
}


def start(folder: Path, config: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(config)
    command = [sys.executable, str(seir_path()), "--config", "config.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def channels(folder: Path) -> dict[str, list[float]]:
    chart = json.loads((folder / "output" / "InsetChart.json").read_bytes())
    return {name: channel["Data"] for name, channel in chart["Channels"].items()}


@pytest.fixture
def simulate(tmp_path: Path) -> Callable[..., dict[str, list[float]]]:
    def run(**parameters: object) -> dict[str, list[float]]:
        done = start(tmp_path, json.dumps({"parameters": {**BASE, **parameters}}))
        assert (done.returncode, done.stderr) == (0, "")
        return channels(tmp_path)

    return run


def final_size(r0: float, susceptible: float) -> float:
    """The share that the final-size equation leaves susceptible, by fixed-point iteration."""
    left = susceptible
    for _ in range(10_000):
        left = susceptible * math.exp(-r0 * (1.0 - left))
    return left


@pytest.mark.parametrize(
    "incubation",
    [{"Incubation_Period_Constant": 0}, {"Incubation_Period_Constant": 5}, {"Incubation_Period_Exponential": 3}],
)
def test_everybody_is_in_one_compartment_at_every_step(tmp_path: Path, incubation: dict[str, object]) -> None:
    parameters = {**BASE, "Initial_Population": 997, **incubation}
    if "Incubation_Period_Exponential" in incubation:
        del parameters["Incubation_Period_Constant"]
    assert start(tmp_path, json.dumps({"parameters": parameters})).returncode == 0
    data = channels(tmp_path)
    names = ("Susceptible Population", "Exposed Population", "Infectious Population", "Recovered Population")
    counts = [[round(share * 997) for share in data[name]] for name in names]
    infected_so_far = 0
    for step in range(365):
        susceptible, exposed, infectious, recovered = (column[step] for column in counts)
        infected_so_far += round(data["New Infections"][step])
        assert min(susceptible, exposed, infectious, recovered) >= 0
        assert susceptible + exposed + infectious + recovered == 997
        assert susceptible == 997 - infected_so_far
        assert round(data["Infected"][step] * 997) == exposed + infectious
    assert data["Statistical Population"] == [997] * 365


def test_a_run_number_gives_the_same_epidemic_again_and_another_one_a_different_one(
    simulate: Callable[..., dict[str, list[float]]],
) -> None:
    first = simulate(Run_Number=7)
    assert simulate(Run_Number=7) == first
    assert simulate(Run_Number=8) != first


@pytest.mark.parametrize("timestep", [1, 0.25])
def test_a_large_epidemic_ends_where_the_final_size_equation_says(
    simulate: Callable[..., dict[str, list[float]]], timestep: float
) -> None:
    data = simulate(Initial_Population=50_000, Initial_Infected_Fraction=0.01, Simulation_Timestep=timestep)
    assert abs(data["Susceptible Population"][-1] - final_size(0.6 * 4, 0.99)) < 0.01
    assert data["Infected"][-1] == 0


def test_hardly_anybody_escapes_a_very_infectious_disease(simulate: Callable[..., dict[str, list[float]]]) -> None:
    data = simulate(Base_Infectivity_Constant=3, Initial_Population=50_000)
    assert abs(data["Susceptible Population"][-1] - final_size(12, 0.95)) < 0.001
    assert data["Recovered Population"][-1] > 0.999


def test_below_the_threshold_there_is_no_epidemic(simulate: Callable[..., dict[str, list[float]]]) -> None:
    sizes = [
        sum(simulate(Base_Infectivity_Constant=0.1, Initial_Infected_Fraction=0.01, Run_Number=seed)["New Infections"])
        for seed in range(10)
    ]
    assert statistics.mean(sizes) < 30  # 10 from outside, and 0.4 / (1 - 0.4) more for each of them
    assert max(sizes) < 100


def test_without_infectivity_only_those_infected_from_outside_are_ever_infected(
    simulate: Callable[..., dict[str, list[float]]],
) -> None:
    data = simulate(Base_Infectivity_Constant=0)
    assert sum(data["New Infections"]) == data["New Infections"][0] == 50


def test_the_exposed_become_infectious_after_the_constant_incubation(
    simulate: Callable[..., dict[str, list[float]]],
) -> None:
    data = simulate(Incubation_Period_Constant=10, Infectious_Period_Exponential=1e6)
    assert data["Exposed Population"][:10] == [0.05] * 10
    assert data["Infectious Population"][:11] == [0.0] * 10 + [0.05]


def test_an_incubation_longer_than_the_simulation_infects_nobody_else(
    simulate: Callable[..., dict[str, list[float]]],
) -> None:
    data = simulate(Incubation_Period_Constant=1e6, Simulation_Timestep=0.01, Simulation_Duration=1)
    assert sum(data["New Infections"]) == 50
    assert data["Exposed Population"] == [0.05] * 100


def test_the_output_has_the_shape_of_an_emod_inset_chart(tmp_path: Path) -> None:
    parameters = {**BASE, "Simulation_Duration": 10.5, "Simulation_Timestep": 0.5}
    assert start(tmp_path, json.dumps({"parameters": parameters})).returncode == 0
    chart = json.loads((tmp_path / "output" / "InsetChart.json").read_bytes())
    assert set(chart) == {"Header", "Channels"}
    header = chart["Header"]
    assert (header["Report_Type"], header["Report_Version"]) == ("InsetChart", "3.2")
    assert (header["Simulation_Timestep"], header["Timesteps"]) == (0.5, 21)
    assert header["Channels"] == len(chart["Channels"])
    assert all(
        set(channel) == {"Units", "Data"} and len(channel["Data"]) == 21 for channel in chart["Channels"].values()
    )
    assert chart["Channels"]["Infected"]["Units"] == "Infected Fraction"
    assert (tmp_path / "status.txt").read_text().startswith("21 of 21 steps complete.\nDone")
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "InsetChart.json",
        "config.json",
        "output",
        "status.txt",
    ]


def test_an_empty_set_of_parameters_is_the_default_epidemic(tmp_path: Path) -> None:
    assert start(tmp_path / "default", '{"parameters": {}}').returncode == 0
    assert start(tmp_path / "same", json.dumps({"parameters": BASE})).returncode == 0
    assert channels(tmp_path / "default") == channels(tmp_path / "same")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ('{"parameters": {"Base_Infectivity_Constant": -1}}', "Base_Infectivity_Constant is -1; it must be a number"),
        ('{"parameters": {"Base_Infectivity_Constant": "0.6"}}', 'Base_Infectivity_Constant is "0.6"'),
        ('{"parameters": {"Base_Infectivity_Constant": true}}', "Base_Infectivity_Constant is true"),
        ('{"parameters": {"Base_Infectivity_Constant": NaN}}', "Base_Infectivity_Constant is NaN"),
        ('{"parameters": {"Initial_Infected_Fraction": 1.5}}', "at least 0 and at most 1"),
        ('{"parameters": {"Initial_Population": 10.5}}', "a whole number, at least 1"),
        ('{"parameters": {"Infectious_Period_Exponential": 0}}', "more than 0"),
        (
            '{"parameters": {"Simulation_Timestep": 5e-324}}',
            "Simulation_Duration / Simulation_Timestep makes inf steps",
        ),
        ('{"parameters": {"Base_Infectivty": 1}}', "Base_Infectivty is no parameter of this model"),
        (
            '{"parameters": {"Incubation_Period_Constant": 1, "Incubation_Period_Exponential": 1}}',
            "exclude each other",
        ),
        ('{"Parameters": {}}', '"parameters"'),
        ("[]", '"parameters"'),
        ("{", "line 1 column 2"),
        ("\udcff", "utf-8"),
    ],
)
def test_a_bad_configuration_is_one_sentence_and_leaves_no_output(tmp_path: Path, config: str, complaint: str) -> None:
    (tmp_path / "config.json").write_bytes(config.encode(errors="surrogateescape"))
    command = [sys.executable, str(seir_path()), "--config", "config.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("seir.py: config.json: ")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    command = [sys.executable, str(seir_path()), "--config", "nothing.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "nothing.json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_model_runs_without_acomps_or_any_other_package(tmp_path: Path) -> None:
    (tmp_path / "Assets").mkdir()
    (tmp_path / "Assets" / "seir.py").write_bytes(seir_path().read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"parameters": BASE}))
    command = [sys.executable, "-I", "-S", "Assets/seir.py", "--config", "config.json"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert sum(channels(tmp_path)["New Infections"]) > 800

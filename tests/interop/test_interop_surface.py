"""Nothing that pyCOMPS can do is left out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.local_service import record

import acomps
from interop import surface
from interop.pycomps import Peer, peer_environment

TESTS = Path(__file__).parent

LIST_SCENARIOS = """
import importlib, json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from interop.peer.__main__ import MODULES
for module in MODULES:
    importlib.import_module(f"interop.peer.{module}")
from interop.peer.scenario import SCENARIOS
json.dump({name: sorted(each.exercises) for name, each in SCENARIOS.items()}, answers)
"""


@pytest.fixture(scope="module")
def scenarios(pycomps_python: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each scenario exercises; when it is acted out, the peer makes sure that it does."""
    folder = tmp_path_factory.mktemp("scenarios")
    done = subprocess.run(
        [pycomps_python, "-c", LIST_SCENARIOS],
        cwd=folder,
        env=peer_environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return {name: {*each} for name, each in found.items()}


def test_every_public_name_of_pycomps_is_exercised(scenarios: dict[str, set[str]]) -> None:
    exercised = {name for each in scenarios.values() for name in each}
    assert surface.names() - exercised - surface.ELSEWHERE.keys() == set()
    assert surface.ELSEWHERE.keys() <= surface.names()


def test_every_scenario_is_acted_out_by_a_test(scenarios: dict[str, set[str]]) -> None:
    said = "".join(path.read_text() for path in TESTS.glob("*.py"))
    assert {name for name in scenarios if f'"{name}"' not in said} == set()


def test_the_states_and_other_enumerations_have_the_same_names_and_numbers(peer: Peer) -> None:
    found = peer.record("enumerations")
    theirs = record(found["enumerations"])
    ours = {
        "Priority": acomps.Priority,
        "SimulationState": acomps.SimulationState,
        "WorkItemState": acomps.WorkItemState,
        "RelationType": acomps.RelationType,
        "HpcState": acomps.JobState,
    }
    for name, kind in ours.items():
        assert {member.text: member.code for member in kind if member.code >= 0} == theirs[name]
    assert theirs["TagOperationMode"] == {"Merge": 1, "Replace": 2, "Delete": 3}
    assert theirs["EntityType"] == {"Simulations": 0, "WorkItems": 1}
    assert theirs["AssetType"] == {"Linked": 0, "Output": 1}
    assert theirs.keys() == surface.ENUMERATIONS
    assert found["WorkerOrPluginKey"] == {"name": "a name", "version": "a version"}
    assert found["EntityType"] == {"name": "Simulation", "article": "a", "has_state": True}


@pytest.mark.parametrize("kind", ["Suite", "Experiment", "Simulation", "WorkItem", "AssetCollection"])
def test_properties_are_spelled_alike(peer: Peer, kind: str) -> None:
    from acomps.wire.spelling import SPELLINGS

    spelling = SPELLINGS[acomps.EntityKind(kind)]
    found = peer.record("spell", kind=kind)
    ours = {**spelling.basics, **spelling.children}
    assert record(found["names"]) == ours
    assert found["configuration"] == {"EnvironmentName": "Local", "MinCores": 2}

"""summary.csv: one row per simulation."""

from __future__ import annotations

import csv
import json
import uuid
from typing import TYPE_CHECKING

import pytest

from acomps.entities import Simulation, SimulationState
from acomps.results import InsetChart, Outcome, read_inset_chart, summarise, write_summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from acomps.entities import TagValue


def chart(**channels: Sequence[float]) -> InsetChart:
    data = {name.replace("_", " "): {"Units": "", "Data": list(values)} for name, values in channels.items()}
    return read_inset_chart(json.dumps({"Header": {"Start_Time": 1}, "Channels": data}).encode())


def outcome(tags: Mapping[str, TagValue], found: InsetChart | None, state: SimulationState) -> Outcome:
    return Outcome(simulation=Simulation(id=uuid.uuid4(), name="", tags=tags, state=state), chart=found)


EPIDEMIC = chart(New_Infections=[5, 10, 20, 0], Infected=[0.1, 0.3, 0.3, 0.0], Recovered_Population=[0, 0, 0.1, 0.35])


def test_the_figures_are_those_of_the_course() -> None:
    row = summarise(outcome({}, EPIDEMIC, SimulationState.SUCCEEDED))
    assert (row.total_new_infections, row.peak_infected, row.peak_day, row.final_recovered) == (35, 0.3, 2, 0.35)


def test_every_outcome_has_a_row_also_one_without_a_chart(tmp_path: Path) -> None:
    done = outcome({"acomps_key": "k/1", "Run_Number": "1", "beta": 0.1}, EPIDEMIC, SimulationState.SUCCEEDED)
    failed = outcome({"Run_Number": "2", "note": 'a "quoted", text\nof two lines'}, None, SimulationState.FAILED)
    bare = outcome({}, chart(Infected=[]), SimulationState.SUCCEEDED)
    path = tmp_path / "results" / "summary.csv"
    assert write_summary(iter([done, failed, bare]), path) == 3
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "id", "state", "Run_Number", "beta", "note",
        "total_new_infections", "peak_infected", "peak_day", "final_recovered",
    ]  # fmt: skip
    assert rows[0] == {
        "id": str(done.simulation.id),
        "state": "Succeeded",
        "Run_Number": "1",
        "beta": "0.1",
        "note": "",
        "total_new_infections": "35",
        "peak_infected": "0.3",
        "peak_day": "2",
        "final_recovered": "0.35",
    }
    assert (rows[1]["state"], rows[1]["note"]) == ("Failed", 'a "quoted", text\nof two lines')
    assert rows[1]["total_new_infections"] == rows[2]["peak_infected"] == ""
    assert [found.name for found in path.parent.iterdir()] == ["summary.csv"]


def test_the_columns_of_tags_can_be_chosen_and_never_hide_a_fixed_one(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    write_summary([outcome({"id": "x", "b": 1, "c": 2}, None, SimulationState.CREATED)], path, tags=["c", "id"])
    header, row = path.read_text().splitlines()
    assert header.startswith("id,state,c,tag_id,")
    assert row.split(",")[1:4] == ["Created", "2", "x"]


def test_a_failure_while_writing_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    path.write_text("older")
    with pytest.raises(UnicodeEncodeError):
        write_summary([outcome({"a": "\udcff"}, None, SimulationState.CREATED)], path)
    assert path.read_text() == "older"
    assert [found.name for found in tmp_path.iterdir()] == ["summary.csv"]

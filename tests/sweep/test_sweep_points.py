"""The points of a sweep by themselves, the simulation of one, and what tells a sweep from another."""

from __future__ import annotations

from pathlib import Path

import acomps

BASE = {"parameters": {"a": 0, "b": 0}}


def test_each_point_makes_the_simulation_that_the_sweep_has_there() -> None:
    sweep = acomps.sweep(BASE, {"a": [1, 2], "b": [0.5, 0.25]}, name="s")
    points = list(sweep.points())
    assert points == [{"a": 1, "b": 0.5}, {"a": 1, "b": 0.25}, {"a": 2, "b": 0.5}, {"a": 2, "b": 0.25}]
    assert [sweep.simulation(point) for point in points] == list(sweep)
    assert sweep.simulation({"b": 7}).tags == {"b": 7}


def test_a_digest_tells_sweeps_apart_by_all_that_is_in_them(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("1")
    files = [acomps.SimulationFile.from_path(file)]
    one = acomps.sweep(BASE, {"a": [1, 2]}, files=files).digest()
    assert one == acomps.sweep(BASE, {"a": [1, 2]}, files=files).digest()
    assert one == acomps.sweep(BASE, rows=[{"a": 1}, {"a": 2}], files=files).digest()
    others = {
        acomps.sweep(BASE, {"a": [2, 1]}, files=files).digest(),
        acomps.sweep(BASE, {"b": [1, 2]}, files=files).digest(),
        acomps.sweep({"parameters": {"a": 0, "b": 1}}, {"a": [1, 2]}, files=files).digest(),
        acomps.sweep(BASE, {"a": [1, 2]}).digest(),
        acomps.sweep(BASE, {"a": [1, 2]}, files=files, tags={"t": 1}).digest(),
        acomps.sweep(BASE, {"a": [1, 2]}, files=files, name="other").digest(),
    }
    file.write_text("2")
    others.add(acomps.sweep(BASE, {"a": [1, 2]}, files=files).digest())
    assert len(others) == 7
    assert one not in others

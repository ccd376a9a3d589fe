"""Points that are no product: side by side, from a table, by a latin hypercube; and crossed with others."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from acomps.errors import ContentError, UsageError
from acomps.sweep.designs import Crossed, Range, latin_hypercube, side_by_side, table


def test_values_side_by_side_are_rows() -> None:
    assert side_by_side({"a": [1, 2], "b": ["x", "y"]}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize("parameters", [{"a": [1, 2], "b": [1]}, {}])
def test_values_side_by_side_must_be_as_many(parameters: dict[str, list[int]]) -> None:
    with pytest.raises(UsageError, match="as many"):
        side_by_side(parameters)


def test_rows_are_crossed_with_all_combinations_of_further_values() -> None:
    crossed = Crossed([{"a": 1}, {"a": 2}], {"b": [3, 4], "c": [5]})
    assert len(crossed) == 4
    assert (
        [*crossed]
        == [*crossed]
        == [
            {"a": 1, "b": 3, "c": 5},
            {"a": 1, "b": 4, "c": 5},
            {"a": 2, "b": 3, "c": 5},
            {"a": 2, "b": 4, "c": 5},
        ]
    )


def test_a_table_has_numbers_texts_and_what_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text('\ufeffRate,Place,Count,Flag\n0.5,"Oslo, N",3,true\n1e-3,Bern,,false\n')
    assert table(path) == [
        {"Rate": 0.5, "Place": "Oslo, N", "Count": 3, "Flag": True},
        {"Rate": 0.001, "Place": "Bern", "Flag": False},
    ]


@pytest.mark.parametrize(
    ("text", "complaint"), [("a,b\n1\n", "line 2"), ("a\n1,2\n", "line 2"), ("a,b\n", "no rows"), ("", "no rows")]
)
def test_a_table_that_is_wrong_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        table(path)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"points\.csv"):
        table(tmp_path / "points.csv")


def test_a_latin_hypercube_covers_each_range_evenly_and_is_the_same_for_the_same_seed() -> None:
    pytest.importorskip("scipy")
    ranges = {"a": Range(low=10, high=20), "b": Range(low=0.001, high=1000, scale="log")}
    points = latin_hypercube(ranges, samples=10, seed=1)
    assert points == latin_hypercube(ranges, samples=10, seed=1) != latin_hypercube(ranges, samples=10, seed=2)
    assert sorted(math.floor(float(str(point["a"]))) for point in points) == [*range(10, 20)]
    strata = sorted(math.floor((math.log10(float(str(point["b"]))) + 3) / 0.6) for point in points)
    assert strata == [*range(10)]


def test_whole_numbers_of_a_range_are_all_as_likely() -> None:
    wanted = Range(low=1, high=3, whole=True)
    shares = [step / 300 for step in range(300)]
    counts = [sum(wanted.at(share) == number for share in shares) for number in (1, 2, 3)]
    assert counts == [100, 100, 100]
    assert isinstance(wanted.at(0.999999), int)


@pytest.mark.parametrize("low", [1.0, 2.0, math.nan, -math.inf])
def test_a_range_goes_up(low: float) -> None:
    with pytest.raises(UsageError, match="from a low to a higher"):
        Range(low=low, high=1.0)


def test_a_logarithm_needs_numbers_above_0() -> None:
    with pytest.raises(UsageError, match="above 0"):
        Range(low=0, high=1, scale="log")

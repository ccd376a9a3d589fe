"""InsetChart.json: what is read, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from acomps.results import UnreadableOutput, read_inset_chart

if TYPE_CHECKING:
    from pathlib import Path

CHART = {
    "Header": {"Report_Version": "3.2", "Start_Time": 1, "Simulation_Timestep": 0.5, "Timesteps": 3},
    "Channels": {
        "Infected": {"Units": "Infected Fraction", "Data": [0, 0.25, 0.5]},
        "New Infections": {"Units": "", "Data": [1, 2, 3]},
    },
}


def test_a_chart_is_read_from_a_file_and_from_bytes(tmp_path: Path) -> None:
    path = tmp_path / "InsetChart.json"
    path.write_text(json.dumps(CHART))
    for source in (path, path.read_bytes()):
        chart = read_inset_chart(source)
        assert list(chart.channels) == ["Infected", "New Infections"]
        assert chart["Infected"].units == "Infected Fraction"
        assert chart["Infected"].data == (0.0, 0.25, 0.5)
        assert chart.header["Report_Version"] == "3.2"
        assert [chart.day(step) for step in range(3)] == [1.0, 1.5, 2.0]


def test_only_the_wanted_channels_are_read() -> None:
    chart = read_inset_chart(json.dumps(CHART).encode(), channels=["Infected", "Births"])
    assert list(chart.channels) == ["Infected"]


def test_without_times_in_the_header_the_steps_are_days_from_0() -> None:
    chart = read_inset_chart(json.dumps({**CHART, "Header": {}}).encode())
    assert chart.day(2) == 2.0


def test_a_channel_that_is_not_there_is_named_with_the_nearest_one() -> None:
    chart = read_inset_chart(json.dumps(CHART).encode(), name="sim 1: InsetChart.json")
    with pytest.raises(
        UnreadableOutput, match=r"sim 1: InsetChart\.json has no channel 'Infcted': did you mean 'Infected'"
    ):
        chart["Infcted"]
    with pytest.raises(UnreadableOutput, match="it has Infected, New Infections"):
        chart["zzz"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(CHART)[:-20], "cut short"),
        ("", "cut short"),
        ("[]", "no InsetChart"),
        ('{"Header": {}}', "no InsetChart"),
        ('{"Header": {}, "Channels": []}', "no InsetChart"),
        ('{"Header": {}, "Channels": {"A": [1, 2]}}', "'A' is no channel"),
        ('{"Header": {}, "Channels": {"A": {"Units": "", "Data": [1, null]}}}', "'A' has None in its Data"),
        ('{"Header": {}, "Channels": {"A": {"Units": "", "Data": ["1"]}}}', "'A' has '1' in its Data"),
        ('{"Header": {"Timesteps": 2}, "Channels": {"A": {"Data": [1]}}}', "'A' has 1 values where there should be 2"),
        (
            '{"Header": {}, "Channels": {"A": {"Data": [1]}, "B": {"Data": []}}}',
            "'B' has 0 values where there should be 1",
        ),
    ],
)
def test_what_is_no_whole_chart_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "InsetChart.json"
    path.write_text(text)
    with pytest.raises(UnreadableOutput, match=message) as caught:
        read_inset_chart(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableOutput, match=r"nothing\.json cannot be read: No such file"):
        read_inset_chart(tmp_path / "nothing.json")


def test_a_strange_time_in_the_header_is_refused() -> None:
    chart = read_inset_chart(json.dumps({**CHART, "Header": {"Start_Time": "now"}}).encode())
    with pytest.raises(UnreadableOutput, match="Start_Time is 'now'"):
        chart.day(0)

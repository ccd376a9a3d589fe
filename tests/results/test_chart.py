"""Pictures of outcomes: what is computed, and that real files come out."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Literal

import pytest

from acomps.entities import Simulation
from acomps.errors import UsageError
from acomps.results import Outcome, UnreadableOutput, chart, read_inset_chart
from acomps.results.bands import banded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from results.conftest import Pairs

    from acomps.entities import TagValue


def outcome(tag: TagValue, data: Sequence[float], *, start: float = 0, name: str = "Infected") -> Outcome:
    document = {"Header": {"Start_Time": start}, "Channels": {name: {"Units": "Fraction", "Data": list(data)}}}
    return Outcome(
        simulation=Simulation(id=uuid.uuid4(), name="run", tags={"beta": tag}),
        chart=read_inset_chart(json.dumps(document).encode()),
    )


def test_a_band_is_the_median_and_the_quartiles_of_its_runs() -> None:
    found = banded([outcome("0.1", [run, 10 * run]) for run in range(5)], channel="Infected", by="beta")
    (band,) = found.bands
    assert (list(band.lower), list(band.median), list(band.upper)) == ([1, 10], [2, 20], [3, 30])
    assert (band.runs, band.label, found.units) == (5, "0.1", "Fraction")


def test_tags_that_are_numbers_are_sorted_and_grouped_as_numbers() -> None:
    tags: list[TagValue] = ["10", "9", "0.50", 0.5, "5e-1"]
    found = banded([outcome(tag, [1]) for tag in tags], channel="Infected", by="beta")
    assert [(band.value, band.runs) for band in found.bands] == [(0.5, 3), (9, 1), (10, 1)]


def test_tags_that_are_texts_keep_the_order_of_their_appearance() -> None:
    tags: list[TagValue] = ["low", "high", "low", None, True, "nan"]
    found = banded([outcome(tag, [1]) for tag in tags], channel="Infected", by="beta")
    assert [band.label for band in found.bands] == ["low", "high", "None", "True", "nan"]
    assert found.numbers == ()


def test_a_run_that_ended_early_counts_for_as_long_as_it_went() -> None:
    found = banded([outcome(1, [4]), outcome(1, [2, 8, 6])], channel="Infected", by="beta")
    assert list(found.bands[0].median) == [3, 8, 6]
    assert list(found.days(found.bands[0])) == [0, 1, 2]


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG\r\n"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_the_suffix_decides_what_kind_of_picture_it_is(tmp_path: Path, suffix: str, magic: bytes) -> None:
    outcomes = [outcome(f"{beta}", [beta, 1, run]) for beta in range(20) for run in range(3)]
    path = tmp_path / "pictures" / f"infected{suffix}"
    assert chart(outcomes, channel="Infected", by="beta", to=path) == path
    assert path.read_bytes().startswith(magic)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "tags", [["a"], ["a", "b"], [1, 2, 3], [f"place {number}" for number in range(30)], [7, 7]], ids=str
)
def test_any_number_and_kind_of_groups_can_be_drawn(tmp_path: Path, tags: list[TagValue]) -> None:
    path = tmp_path / "infected.png"
    chart([outcome(tag, [-1, 1]) for tag in tags], channel="Infected", by="beta", to=path, title="a title")
    assert path.stat().st_size > 10_000


def test_outcomes_without_a_chart_are_left_out(tmp_path: Path) -> None:
    failed = Outcome(simulation=Simulation(name="failed"))
    chart([failed, outcome(1, [1, 2])], channel="Infected", by="beta", to=tmp_path / "infected.png")
    with pytest.raises(UsageError, match="nothing to draw"):
        chart([failed], channel="Infected", by="beta", to=tmp_path / "nothing.png")
    assert [found.name for found in tmp_path.iterdir()] == ["infected.png"]


@pytest.mark.parametrize("style", ["band", "lines"])
@pytest.mark.parametrize("by", ["Base_Infectivity_Constant", "Run_Number", None])
@pytest.mark.parametrize("channel", ["Infected", ["Infected", "New Infections"], None], ids=str)
def test_real_charts_are_drawn_in_every_way(
    sweep: Pairs, tmp_path: Path, style: Literal["band", "lines"], by: str | None, channel: Sequence[str] | None
) -> None:
    outcomes = [Outcome(simulation=item, chart=read_inset_chart(path)) for item, path in sweep]
    path = chart(iter(outcomes), channel=channel, by=by, style=style, to=tmp_path / "picture.png")
    assert path.stat().st_size > 20_000


def test_one_simulation_is_drawn_as_lines_one_panel_for_each_channel(sweep: Pairs, tmp_path: Path) -> None:
    [item, path] = sweep[-1]
    one = Outcome(simulation=item, chart=read_inset_chart(path))
    picture = chart(one, channel=None, to=tmp_path / "one.svg", title="one simulation")
    text = picture.read_text()
    assert one.chart is not None
    for name in ("one simulation", *one.chart.channels):
        assert f"<!-- {name} -->" in text
    assert text.count("<!-- time (days) -->") == 4
    assert "quartile" not in text


def test_every_run_is_a_line_and_one_that_ended_early_has_a_gap(tmp_path: Path) -> None:
    outcomes = [outcome(1, [4]), outcome(1, [2, 8, 6]), outcome(2, [1, 1, 1])]
    bands = banded(outcomes, channel="Infected", by="beta")
    assert [[str(value) for value in run] for run in bands.bands[0].table] == [
        ["4.0", "nan", "nan"],
        ["2.0", "8.0", "6.0"],
    ]
    assert chart(outcomes, channel="Infected", by="beta", style="lines", to=tmp_path / "a.pdf").exists()


def test_many_lines_do_not_make_a_vector_picture_that_cannot_be_opened(tmp_path: Path) -> None:
    outcomes = [outcome(run % 3, [run, *range(499)]) for run in range(500)]
    picture = chart(outcomes, channel="Infected", by="beta", style="lines", to=tmp_path / "many.svg")
    assert picture.stat().st_size < 2_000_000


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    path = tmp_path / "infected.png"
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        chart([], channel="Infected", by="beta", to=tmp_path / "infected.gif")
    with pytest.raises(UsageError, match="has no tag 'gamma'"):
        chart([outcome(1, [1])], channel="Infected", by="gamma", to=path)
    with pytest.raises(UnreadableOutput, match="no channel 'Births'"):
        chart([outcome(1, [1])], channel="Births", by="beta", to=path)
    with pytest.raises(UnreadableOutput, match="no channel 'Births'"):
        chart([outcome(1, [1])], channel=["Infected", "Births"], to=path)
    with pytest.raises(UsageError, match="there is no style 'dots'"):
        chart([], channel="Infected", to=path, style="dots")  # type: ignore[arg-type]  # what callers without a type checker do
    with pytest.raises(UsageError, match="nothing to draw"):
        chart([outcome(1, [])], channel="Infected", to=path)
    with pytest.raises(UsageError, match="draw them apart"):
        chart([outcome(1, [1]), outcome(1, [1], start=5)], channel="Infected", by="beta", to=path)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path\nfrom acomps.errors import ExtraMissing\nfrom acomps.results import chart\n"
        "try: chart([], channel='a', by='b', to=Path('a.png'))\nexcept ExtraMissing as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "a picture needs more packages: pip install 'acomps[plots]'"


def test_importing_the_results_room_pulls_in_no_extra() -> None:
    program = "import sys, acomps.results; print(*({'numpy', 'matplotlib', 'polars'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""

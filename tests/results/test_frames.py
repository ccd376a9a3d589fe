"""Frames of many simulations: columns, types, streams, and what does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from results.conftest import DAYS, INFECTIVITIES, SEEDS, Harvested, Pairs, simulated

from acomps.entities import Simulation
from acomps.errors import NotFound, UsageError
from acomps.results import Outcome, UnreadableOutput, frame, frames, read_inset_chart

if TYPE_CHECKING:
    from acomps.entities import TagValue
    from acomps.results.readers import Reader
    from acomps.results.sources import Item, Source

RUNS = len(INFECTIVITIES) * len(SEEDS)
BETA = "Base_Infectivity_Constant"


def simulation(**tags: TagValue) -> Simulation:
    return Simulation(id=uuid.uuid4(), name="run", tags=tags)


def inset(steps: int = 2, **channels: Sequence[float]) -> bytes:
    data = {name: {"Units": "", "Data": [*values]} for name, values in channels.items()} or {
        "A": {"Units": "", "Data": [*range(steps)]}
    }
    return json.dumps({"Header": {}, "Channels": data}).encode()


async def test_charts_become_one_frame_with_ids_tags_and_times(sweep: Pairs) -> None:
    table = await frame(sweep)
    assert table.columns[:4] == ["simulation", BETA, "Run_Number", "time"]
    assert table.schema[BETA] == pl.Float64
    assert table.schema["Run_Number"] == pl.Int64
    assert table.height == RUNS * DAYS
    for item, path in sweep:
        mine = table.filter(pl.col("simulation") == str(item.id))
        chart = read_inset_chart(path)
        assert mine["time"].to_list() == [float(day) for day in range(DAYS)]
        for name, channel in chart.channels.items():
            assert tuple(mine[name].to_list()) == channel.data
        assert mine[BETA].unique().to_list() == [float(str(item.tags[BETA]))]


async def test_a_frame_becomes_a_pandas_one(sweep: Pairs) -> None:
    table = (await frame(sweep, channels=["Infected"])).to_pandas()
    assert list(table.columns) == ["simulation", BETA, "Run_Number", "time", "Infected"]
    assert len(table) == RUNS * DAYS


async def test_a_stream_of_frames_has_bounded_parts_and_the_same_rows(sweep: Pairs) -> None:
    parts = [part async for part in frames(sweep, rows=3 * DAYS, tags={BETA: float, "Run_Number": int})]
    assert [part.height for part in parts] == [3 * DAYS] * 4
    assert len({str(part.schema) for part in parts}) == 1
    assert pl.concat(parts).equals(await frame(sweep))


async def test_all_kinds_of_sources_give_the_same_frame(sweep: Pairs) -> None:
    async def arriving() -> AsyncIterator[Item]:
        for item, path in sweep:
            yield Harvested(item, "output/InsetChart.json", local=path)
            yield Harvested(item, "stdout.txt", content=b"not a chart")
            yield Harvested(item, "output/Other.json", error=NotFound("it is not there", status=404))

    expected = await frame(sweep)
    same: list[Source] = [
        [(item, path.read_bytes()) for item, path in sweep],
        [Outcome(simulation=item, chart=read_inset_chart(path)) for item, path in sweep]
        + [Outcome(simulation=simulation())],
        [Harvested(item, "x/insetchart.JSON", content=path.read_bytes()) for item, path in sweep],
        arriving(),
    ]
    for source in same:
        assert (await frame(source, path="*InsetChart.json")).equals(expected)


async def test_channels_choose_columns_in_their_order(sweep: Pairs) -> None:
    table = await frame(sweep, channels=["New Infections", "Infected"], tags=["Run_Number"])
    assert table.columns == ["simulation", "Run_Number", "time", "New Infections", "Infected"]
    with pytest.raises(UnreadableOutput, match=r"has no channel 'Infcted': did you mean 'Infected'"):
        await frame(sweep, channels=["Infcted"])
    with pytest.raises(UsageError, match=r"\['Infected'\]"):
        await frame(sweep, channels="Infected")


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        (["1", "2"], [1, 2], pl.Int64),
        (["-1", 7], [-1, 7], pl.Int64),
        (["1", "2.5"], [1.0, 2.5], pl.Float64),
        (["1e3", None], [1000.0, None], pl.Float64),
        (["1", "north"], ["1", "north"], pl.String),
        (["nan", "1"], ["nan", "1"], pl.String),
        ([True, "false"], ["true", "false"], pl.String),
        ([None, None], [None, None], pl.String),
        (["9007199254740993", "1"], ["9007199254740993", "1"], pl.String),
    ],
    ids=str,
)
async def test_a_tag_is_a_number_where_all_its_values_read_as_numbers(
    values: Sequence[TagValue], expected: Sequence[object], kind: type[pl.DataType]
) -> None:
    table = await frame([(simulation(x=value), inset(1)) for value in values])
    assert table["x"].to_list() == expected
    assert isinstance(table.schema["x"], kind)


async def test_a_tag_of_a_name_that_is_taken_is_renamed() -> None:
    table = await frame([(simulation(time="noon", A="1", simulation="x"), inset(1))])
    assert table.columns == ["simulation", "tag_time", "tag_A", "tag_simulation", "time", "A"]


async def test_what_comes_late_in_a_stream_and_does_not_fit_is_named_with_the_remedy() -> None:
    first = (simulation(x="1"), inset(A=[1, 2]))
    cases: list[tuple[tuple[Simulation, bytes], str]] = [
        ((simulation(x="north"), inset(A=[1])), r"the tag 'x' .* is 'north', which is no number .* tags=\{'x': str\}"),
        ((simulation(x="1", y="2"), inset(A=[1])), r"has a tag 'y' that the simulations before it had not"),
        ((simulation(x="1"), inset(A=[1], B=[1])), r"the column 'B' is not in the files before: say with channels"),
    ]
    for late, words in cases:
        with pytest.raises(UsageError, match=words):
            _ = [part async for part in frames([first, late], rows=2)]
        assert (await frame([first, late])).height == 3
    parts = [part async for part in frames([first, (simulation(), inset(A=[3]))], rows=2)]
    assert parts[1]["x"].to_list() == [None]
    with pytest.raises(UsageError, match="no whole number"):
        await frame([(simulation(x="1.5"), inset())], tags={"x": int})


async def test_csv_files_keep_their_columns_and_types() -> None:
    rows = [b"time,place,cases\n0,north,1\n1,south,2\n", b"time,place,cases\n0,east,3\n1,west,4.5\n"]
    source = [(simulation(x=number), text) for number, text in enumerate(rows)]
    table = await frame(source, reader="csv")
    assert table.columns == ["simulation", "x", "time", "place", "cases"]
    assert table["cases"].to_list() == [1, 2, 3, 4.5]
    assert (await frame(source, reader="csv", channels=["cases"])).columns == ["simulation", "x", "time", "cases"]
    with pytest.raises(UnreadableOutput, match="no column 'case': did you mean 'cases'"):
        await frame(source, reader="csv", channels=["case"])
    with pytest.raises(UsageError, match="the column 'cases' is Float64 here and Int64 in the files before"):
        _ = [part async for part in frames(source, reader="csv", rows=2)]


async def test_a_function_of_bytes_may_give_columns_rows_or_a_frame() -> None:
    def columns(data: bytes) -> Mapping[str, Sequence[object]]:
        return {"length": [len(data)], "first": [chr(data[0])]}

    def rows(data: bytes) -> list[dict[str, object]]:
        return [{"length": len(data), "first": chr(data[0])}]

    source = [(simulation(), b"abc"), (simulation(), b"de")]

    def whole(data: bytes) -> pl.DataFrame:
        return pl.DataFrame(rows(data))

    readers: list[Reader] = [columns, rows, whole]
    for reader in readers:
        table = await frame(source, reader=reader)
        assert (table["length"].to_list(), table["first"].to_list()) == ([3, 2], ["a", "d"])

    def broken(data: bytes) -> Mapping[str, Sequence[object]]:
        raise KeyError(data)

    with pytest.raises(UnreadableOutput, match=r"the file of simulation 'run' .* cannot be read: KeyError"):
        await frame(source, reader=broken)


async def test_a_damaged_file_is_named_or_left_out(
    sweep: Pairs, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    cut = tmp_path / "InsetChart.json"
    cut.write_bytes(sweep[0][1].read_bytes()[:-50])
    source = [(sweep[0][0], cut), *sweep[1:], (simulation(), tmp_path / "nothing.json")]
    with pytest.raises(UnreadableOutput, match=r"InsetChart\.json is no JSON, perhaps cut short"):
        await frame(source)
    table = await frame(source, unreadable="skip")
    assert table["simulation"].n_unique() == RUNS - 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


async def test_when_there_is_nothing_it_is_said(sweep: Pairs) -> None:
    with pytest.raises(UsageError, match="nothing to make a frame of"):
        await frame([])
    assert [part async for part in frames([])] == []
    with pytest.raises(UsageError, match="no reader 'excel'"):
        await frame(sweep, reader="excel")  # type: ignore[arg-type]  # what callers without a type checker do


async def test_simulations_of_different_lengths_are_no_problem(sweep: Pairs, tmp_path: Path) -> None:
    longer = simulated(tmp_path / "longer", 0.5, 1, days=DAYS + 5)
    assert (await frame([*sweep, longer])).height == RUNS * DAYS + DAYS + 5


@pytest.mark.parametrize(
    ("missing", "call", "what"),
    [
        ("polars", "frame([])", "a frame of results"),
        ("pyarrow", "to_parquet([], 'x.parquet')", "a Parquet file"),
        ("zarr", "to_zarr([], 'x.zarr')", "a Zarr store"),
    ],
)
def test_without_the_packages_the_extra_is_named(missing: str, call: str, what: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import anyio\nfrom acomps.errors import ExtraMissing\nfrom acomps.results import *\n"
        f"async def main():\n  try: await {call}\n  except ExtraMissing as error: print(error)\nanyio.run(main)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == f"{what} needs more packages: pip install 'acomps[data]'"

"""Parquet and Zarr: what is written comes back, and nothing half-written stays."""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray
from results.conftest import DAYS, INFECTIVITIES, SEEDS, Pairs, simulated

from acomps.entities import Simulation
from acomps.errors import UsageError
from acomps.results import UnreadableOutput, frame, read_inset_chart, to_parquet, to_zarr, zarr_store

BETA = "Base_Infectivity_Constant"


def opened(path: Path) -> xarray.Dataset:
    """The dataset in a store, as users open it."""
    # The **kwargs of xarray have no types.
    with xarray.open_zarr(path) as dataset:  # pyright: ignore[reportUnknownMemberType]
        loaded: xarray.Dataset = dataset.load()  # pyright: ignore[reportUnknownMemberType]
        return loaded


async def test_a_parquet_file_has_the_rows_of_the_frame_in_row_groups(sweep: Pairs, tmp_path: Path) -> None:

    path = await to_parquet(
        sweep, tmp_path / "deep" / "runs.parquet", rows=2 * DAYS, tags={BETA: float, "Run_Number": int}
    )
    assert pl.read_parquet(path).equals(await frame(sweep))
    parquet = importlib.import_module("pyarrow.parquet")
    assert parquet.ParquetFile(path).num_row_groups == len(sweep) // 2
    assert [found.name for found in path.parent.iterdir()] == ["runs.parquet"]


async def test_a_parquet_file_that_cannot_be_finished_leaves_the_old_one(sweep: Pairs, tmp_path: Path) -> None:
    path = await to_parquet(sweep[:2], tmp_path / "runs.parquet")
    before = path.read_bytes()
    with pytest.raises(UnreadableOutput):
        await to_parquet([*sweep, (sweep[0][0], b"{}")], path, rows=DAYS)
    with pytest.raises(UsageError, match="nothing to write"):
        await to_parquet([], path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["runs.parquet"]


async def test_a_zarr_store_is_a_dataset_of_simulation_and_time(sweep: Pairs, tmp_path: Path) -> None:
    path = await to_zarr(iter(sweep), tmp_path / "deep" / "runs.zarr")
    dataset = opened(path)
    assert dict(dataset.sizes) == {"simulation": len(sweep), "time": DAYS}
    assert dataset["time"].values.tolist() == [float(day) for day in range(DAYS)]
    assert dataset["simulation"].values.tolist() == [str(simulation.id) for simulation, _ in sweep]
    for simulation, file in sweep:
        mine = dataset.sel(simulation=str(simulation.id))
        for name, channel in read_inset_chart(file).channels.items():
            assert tuple(mine[name].values.tolist()) == channel.data
        assert float(mine[BETA]) == float(str(simulation.tags[BETA]))
    assert {BETA, "Run_Number"} <= set(dataset.coords)
    assert dataset["Run_Number"].dtype == np.int64
    assert dataset["Infected"].attrs == {"long_name": "Infected", "units": "Infected Fraction"}
    peaks = dataset["Infected"].max("time").groupby(BETA).mean()
    assert peaks[BETA].values.tolist() == [*INFECTIVITIES]
    assert np.all(np.diff(peaks.values) > 0)
    assert [found.name for found in path.parent.iterdir()] == ["runs.zarr"]


@pytest.mark.parametrize("at_once", [1, 5, 12, 100])
async def test_a_zarr_store_is_the_same_however_large_its_chunks_are(
    sweep: Pairs, tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr_store, "CHUNK_SIMULATIONS", at_once)
    monkeypatch.setattr(zarr_store, "CHUNK_TIMES", 7)
    dataset = opened(await to_zarr(sweep, tmp_path / "runs.zarr", channels=["Infected"]))
    expected = [read_inset_chart(path)["Infected"].data for _, path in sweep]
    assert dataset["Infected"].values.tolist() == [list(data) for data in expected]


async def test_times_that_differ_are_named_and_nothing_stays(sweep: Pairs, tmp_path: Path) -> None:
    longer = simulated(tmp_path / "longer", 0.5, 1, days=DAYS + 1)
    with pytest.raises(
        UsageError, match=rf"the times of simulation 'longer' .* are {DAYS + 1} from 0 to {DAYS}, those"
    ):
        await to_zarr([*sweep, longer], tmp_path / "store" / "runs.zarr")
    assert [*(tmp_path / "store").iterdir()] == []


async def test_what_cannot_be_in_a_zarr_store_is_named(sweep: Pairs, tmp_path: Path) -> None:
    path = tmp_path / "runs.zarr"
    simulation = sweep[0][0]
    texts = [(simulation, b"time,place\n0,north\n")]
    with pytest.raises(UsageError, match=r"the column 'place' .* holds String and no numbers"):
        await to_zarr(texts, path, reader="csv")
    with pytest.raises(UsageError, match="no column 'time'; say with time="):
        await to_zarr([(simulation, b"day,cases\n0,1\n")], path, reader="csv")
    with pytest.raises(UsageError, match=r"other channels than the first one \(cases, deaths\)"):
        await to_zarr([(simulation, b"time,cases\n0,1\n"), (simulation, b"time,deaths\n0,1\n")], path, reader="csv")
    with pytest.raises(UsageError, match="nothing to write"):
        await to_zarr([], path)
    assert [*tmp_path.iterdir()] == []


async def test_a_store_takes_the_place_of_a_store_and_of_nothing_else(sweep: Pairs, tmp_path: Path) -> None:
    path = await to_zarr(sweep, tmp_path / "runs.zarr")
    await to_zarr(sweep[:3], path)
    assert opened(path).sizes["simulation"] == 3
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    with pytest.raises(UsageError, match="is there already"):
        await to_zarr(sweep, precious)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["precious", "runs.zarr"]


async def test_names_with_slashes_units_of_time_and_missing_tags_come_through(tmp_path: Path) -> None:
    def item(tag: str | None, data: Sequence[float]) -> tuple[Simulation, bytes]:
        chart = {"Header": {}, "Channels": {"Bites/Day": {"Units": "days", "Data": [*data]}}}
        tags = {"place": "north"} if tag is None else {"place": "south", "x": tag, "time": "noon"}
        return Simulation(id=uuid.uuid4(), name="run", tags=tags), json.dumps(chart).encode()

    dataset = opened(await to_zarr([item("1", [1, 2]), item(None, [3, 4])], tmp_path / "runs.zarr"))
    assert dataset["Bites_Day"].values.tolist() == [[1, 2], [3, 4]]
    assert dataset["Bites_Day"].attrs["long_name"] == "Bites/Day"
    assert dataset["place"].values.tolist() == ["south", "north"]
    assert dataset["tag_time"].values.tolist() == ["noon", ""]
    assert dataset["x"].values[0] == 1
    assert np.isnan(dataset["x"].values[1])


def test_the_sweep_of_these_tests_is_a_real_one(sweep: Pairs) -> None:
    assert len(sweep) == len(INFECTIVITIES) * len(SEEDS)
    assert all(read_inset_chart(path).header["Report_Type"] == "InsetChart" for _, path in sweep)

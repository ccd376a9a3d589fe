"""The whole line: harvested while it runs, and made a frame and a store on the way."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import anyio
import polars as pl
import xarray

import acomps
from acomps.local.models import seir_path
from acomps.results import frames, to_zarr


async def test_simulations_are_harvested_while_others_run_and_read_as_they_come(
    comps: acomps.Session, tmp_path: Path
) -> None:
    model = acomps.AssetCollectionFile.from_path(seir_path())
    assets = await comps.asset_collections.save(acomps.AssetCollection(assets=(model,)))
    experiment = await comps.experiments.save(
        acomps.Experiment(
            name="live",
            configuration=acomps.Configuration(
                environment_name="Local",
                executable_path=shlex.quote(sys.executable),
                simulation_input_args="Assets/seir.py --config config.json",
                asset_collection_id=assets.id,
            ),
        )
    )
    start = {"Base_Infectivity_Constant": 0.5, "Run_Number": 1}
    base = {"parameters": {**start, "Simulation_Duration": 30, "Initial_Population": 200}}
    points = {"Base_Infectivity_Constant": [0.4, 0.8, -1], "Run_Number": range(1, 4)}
    report = await comps.simulations.save_all(acomps.sweep(base, points, experiment=experiment))
    report.raise_for_failures()
    await comps.experiments.commission(experiment)
    with anyio.fail_after(60):
        files = comps.harvest(comps.finished(experiment), "output/InsetChart.json", into=tmp_path / "runs")
        table = pl.concat([part async for part in frames(files, channels=["Infected"])])
    assert table.height == 6 * 30
    assert sorted(table["Base_Infectivity_Constant"].unique()) == [0.4, 0.8]
    again = comps.harvest(experiment, "output/InsetChart.json")
    store = await to_zarr(again, tmp_path / "runs.zarr", channels=["Infected"])
    with xarray.open_zarr(store) as dataset:  # pyright: ignore[reportUnknownMemberType] - xarray's **kwargs
        assert dict(dataset.sizes) == {"simulation": 6, "time": 30}

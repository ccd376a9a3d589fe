"""Charts of many simulations in one CSV file."""

from __future__ import annotations

import csv
import json
import uuid
from pathlib import Path

import pytest

import acomps
from acomps.results import to_csv


def chart(values: list[int]) -> bytes:
    channels = {"Infected": {"Units": "people", "Data": values}, "Other": {"Units": "", "Data": values}}
    return json.dumps({"Header": {"Timesteps": len(values)}, "Channels": channels}).encode()


def simulation(number: int) -> acomps.Simulation:
    return acomps.Simulation(id=uuid.UUID(int=number), name="one", tags={"Run_Number": number})


async def test_one_header_stands_above_the_rows_of_all_files(tmp_path: Path) -> None:
    source = [(simulation(number), chart([number, 2 * number])) for number in (1, 2, 3)]
    target = await to_csv(source, tmp_path / "new" / "all.csv", channels=["Infected"], rows=2)
    with target.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["simulation", "Run_Number", "time", "Infected"]
    assert [[float(cell) for cell in row[1:]] for row in rows[1:]] == [
        [number, day, (day + 1) * number] for number in (1, 2, 3) for day in (0, 1)
    ]


async def test_without_files_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(acomps.UsageError, match="nothing to write"):
        await to_csv([], tmp_path / "all.csv")
    assert not any(tmp_path.iterdir())

"""A campaign in a file: a sweep file with a table more, or a Python file with a variable `campaign`.

[campaign]
folder = "infectivity.campaign"          # where it keeps its book; made by the first run
outputs = ["output/InsetChart.json"]     # what is read of each simulation
channels = ["Infected"]                  # of an InsetChart; without them JSON files are kept whole
attempts = 2                             # how often a point is tried in all ...
rerun_errors = ["lost", "timed? out"]    # ... if the error has one of these (regular expressions); else after all
store = "json"                           # or "zarr"
"""

from __future__ import annotations

import runpy
import tomllib
from typing import TYPE_CHECKING, Final, cast

import acomps
from acomps.campaign import Campaign, Channels, RerunPolicy, Stage, documents
from acomps.sweep.plan import read_plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["campaign_folder", "read_campaign"]

_KEYS: Final = ("folder", "outputs", "channels", "attempts", "rerun_errors", "store")


def read_campaign(path: Path) -> Campaign:
    """The campaign in a file; UsageError says what is wrong with it. Blocks; a Python file is run."""
    if path.suffix.lower() != ".py":
        plan = read_plan(path)
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("campaign")
        if not isinstance(table, dict):
            raise acomps.UsageError(f"{path} has no table [campaign], which says what is read of each simulation")
        given = cast("dict[str, object]", table)
        strange = next((name for name in given if name not in _KEYS), None)
        if strange is not None:
            raise acomps.UsageError(f"{path}: [campaign] has a {strange!r}, and may have {', '.join(_KEYS)}")
        channels = _texts(given, "channels", ())
        attempts = given.get("attempts", RerunPolicy().attempts)
        store = given.get("store", "json")
        if not isinstance(attempts, int) or store not in {"json", "zarr"}:
            raise acomps.UsageError(f"{path}: attempts must be a whole number, and store json or zarr")
        return Campaign(
            path.parent / str(given.get("folder", f"{path.stem}.campaign")),
            name=plan.experiment.name,
            experiment=plan.experiment,
            assets=plan.assets,
            stages=[Stage(name="sweep", sweep=plan.sweep())],
            outputs=_texts(given, "outputs", ("output/InsetChart.json",)),
            read=Channels(*channels) if channels else documents,
            policy=RerunPolicy(attempts=attempts, errors=_texts(given, "rerun_errors", RerunPolicy().errors)),
            store="zarr" if store == "zarr" else "json",
        )
    if not path.is_file():
        raise acomps.ContentError(f"{path} is not there")
    found = runpy.run_path(str(path), run_name="acomps_campaign").get("campaign")
    if not isinstance(found, Campaign):
        raise acomps.UsageError(f"{path} must set `campaign` to an acomps.campaign.Campaign")
    return found


def campaign_folder(path: Path) -> Path:
    """The folder of a campaign that is named by it, or by its file."""
    return read_campaign(path).folder if path.suffix.lower() in {".py", ".toml"} and path.is_file() else path


def _texts(given: Mapping[str, object], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = given.get(name, default)
    items = cast("list[object]", value) if isinstance(value, list | tuple) else [None]
    if not all(isinstance(item, str) for item in items):
        raise acomps.UsageError(f"{name} in [campaign] must be a list of texts, not {value!r}")
    return tuple(map(str, items))

"""A sweep in a TOML file: the experiment, what runs, and the points.

    name = "infectivity"                                  # the experiment; also description, suite, tags
    [configuration]                                       # the fields of acomps.Configuration
    environment_name = "Local"
    executable_path = "python3"
    simulation_input_args = "Assets/model.py --config config.json"
    [assets]
    folder = "model"                                      # or: collection = "<id>"
    [simulation]
    base = "config.json"                                  # also config, files, name, tags, adding
    [parameters]                                          # all combinations; a list, or a range of numbers
    Base_Infectivity_Constant = [0.2, 0.4, 0.8]
    Run_Number = { from = 1, to = 10 }                    # also step, or count for evenly spaced numbers
    [estimate]
    minutes_per_simulation = 0.5

At most one of these tables adds points, each with all combinations of [parameters]: [zip], lists side by side; [table],
`file = "points.csv"`; [latin_hypercube], `samples`, `seed` and [latin_hypercube.parameters] as `{ low, high, scale,
whole }` or `[low, high]`. Paths are relative to the file. [campaign] is for `acomps campaign run`, which describes it.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from acomps.entities import AssetCollection, Configuration, Experiment, Priority, SimulationFile, Tags, TagValue
from acomps.entities.checks import as_uuid
from acomps.errors import ContentError, UsageError
from acomps.sweep.designs import Crossed, Range, Row, latin_hypercube, side_by_side, table
from acomps.sweep.simulations import Sweep, sweep

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Plan", "Size", "read_plan"]

_TOP: Final = "name description suite tags configuration assets simulation parameters estimate campaign"
_DESIGNS: Final = ("zip", "table", "latin_hypercube")
_Table = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much a plan is: simulations, the bytes of what they do not share, and of what they do (assets included).

    `core_hours` is None when nobody said how long a simulation takes.
    """

    simulations: int
    own_bytes: int
    shared_bytes: int
    core_hours: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sweep file says; nothing is sent by it."""

    experiment: Experiment
    assets: Path | None
    base: Path
    rows: Crossed
    config: str
    files: tuple[SimulationFile, ...]
    name: str | None
    tags: Mapping[str, TagValue]
    adding: tuple[str, ...]
    minutes_per_simulation: float | None

    def with_assets(self, assets: AssetCollection) -> Experiment:
        """The experiment with a collection that was made of `assets`."""
        configuration = self.experiment.configuration or Configuration()
        return dataclasses.replace(
            self.experiment,
            configuration=dataclasses.replace(configuration, asset_collection_id=assets.saved_id),
        )

    def sweep(self, experiment: Experiment | None = None) -> Sweep:
        """The simulations, in `experiment` if it is given. UsageError for a parameter that the base does not have."""
        return sweep(
            self.base,
            rows=self.rows,
            experiment=experiment,
            name=self.name or self.experiment.name,
            config=self.config,
            files=self.files,
            tags=self.tags,
            adding=self.adding,
        )

    def size(self) -> Size:
        """Counts and bytes, from making every simulation once and looking at the files' lengths. Blocks."""
        own = count = 0
        for simulation in self.sweep():
            count += 1
            content = simulation.files[0].content
            own += len(content) if isinstance(content, bytes) else 0
        shared = [file.content for file in self.files if isinstance(file.content, Path)]
        shared += [path for path in self.assets.rglob("*") if path.is_file()] if self.assets else []
        configuration = self.experiment.configuration
        cores = (configuration and (configuration.max_cores or configuration.min_cores)) or 1
        minutes = self.minutes_per_simulation
        return Size(
            simulations=count,
            own_bytes=own,
            shared_bytes=sum(path.stat().st_size for path in shared),
            core_hours=None if minutes is None else count * cores * minutes / 60,
        )


def read_plan(path: Path) -> Plan:
    """The plan in a TOML file; UsageError says what is wrong in it, ContentError which file is not there. Blocks."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"the sweep file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the sweep file {path} is no TOML: {error}") from error
    try:
        return _plan(document, path.parent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _plan(document: _Table, folder: Path) -> Plan:
    _known(document, "the file", f"{_TOP} {' '.join(_DESIGNS)}")
    simulation = _table(document, "simulation")
    _known(simulation, "[simulation]", "base config files name tags adding")
    assets = _table(document, "assets")
    _known(assets, "[assets]", "folder collection")
    estimate = _table(document, "estimate")
    _known(estimate, "[estimate]", "minutes_per_simulation")
    minutes = estimate.get("minutes_per_simulation")
    if minutes is not None and (not _is_number(minutes) or float(cast("float", minutes)) <= 0):
        raise UsageError(f"minutes_per_simulation is {minutes!r}, which is no number above 0")
    if assets.keys() >= {"folder", "collection"}:
        raise UsageError("[assets] has a folder and a collection: give one of them")
    collection = assets.get("collection")
    asset_folder = _text(assets, "folder", "")
    suite = document.get("suite")
    return Plan(
        experiment=Experiment(
            name=_text(document, "name"),
            description=_text(document, "description", "") or None,
            suite_id=None if suite is None else as_uuid(str(suite), "suite"),
            tags=_tags(document),
            configuration=_configuration(_table(document, "configuration"), collection),
        ),
        assets=_existing(folder / asset_folder) if asset_folder else None,
        base=_existing(folder / _text(simulation, "base")),
        rows=_rows(document, folder),
        config=_text(simulation, "config", "config.json"),
        files=tuple(SimulationFile.from_path(_existing(folder / name)) for name in _texts(simulation, "files")),
        name=_text(simulation, "name", "") or None,
        tags=_tags(simulation),
        adding=tuple(_texts(simulation, "adding")),
        minutes_per_simulation=None if minutes is None else float(cast("float", minutes)),
    )


def _rows(document: _Table, folder: Path) -> Crossed:
    designs = [name for name in _DESIGNS if name in document]
    if len(designs) > 1:
        raise UsageError(f"the file has {' and '.join(designs)}: one of them gives the points, [parameters] adds to it")
    axes = {name: _values(name, given) for name, given in _table(document, "parameters").items()}
    if not designs and not axes:
        raise UsageError(f"the file has no points: give [parameters], or one of {', '.join(_DESIGNS)}")
    rows: Sequence[Row] = [{}]
    if designs:
        makers: Mapping[str, Callable[[_Table], list[Row]]] = {
            "zip": lambda given: side_by_side({name: _values(name, values) for name, values in given.items()}),
            "table": lambda given: table(_existing(folder / _text(given, "file"))),
            "latin_hypercube": _hypercube,
        }
        rows = makers[designs[0]](_table(document, designs[0]))
        twice = next((name for name in axes if any(name in row for row in rows)), None)
        if twice is not None:
            raise UsageError(f"{twice!r} is in [parameters] and in [{designs[0]}]: a parameter has one place")
    return Crossed(rows, axes)


def _hypercube(given: _Table) -> list[Row]:
    _known(given, "[latin_hypercube]", "samples seed parameters")
    samples, seed = given.get("samples"), given.get("seed", 0)
    if not isinstance(samples, int) or not isinstance(seed, int):
        raise UsageError("[latin_hypercube] needs samples, and perhaps seed, as whole numbers")
    ranges = {name: _range(name, wanted) for name, wanted in _table(given, "parameters").items()}
    return latin_hypercube(ranges, samples=samples, seed=seed)


def _range(name: str, given: object) -> Range:
    wanted: object = given
    if isinstance(given, list):
        wanted = dict(zip(("low", "high"), cast("list[object]", given), strict=False))
    if not isinstance(wanted, dict):
        raise UsageError(f"{name!r} is {given!r}: write [low, high], or {{ low = …, high = … }}")
    fields = cast("dict[str, object]", wanted)
    _known(fields, repr(name), "low high scale whole")
    low, high = fields.get("low"), fields.get("high")
    if not _is_number(low) or not _is_number(high):
        raise UsageError(f"{name!r} needs numbers low and high")
    scale = fields.get("scale", "linear")
    return Range(
        low=float(cast("float", low)),
        high=float(cast("float", high)),
        scale="log" if scale == "log" else cast("str", scale),  # type: ignore[arg-type]  # Range refuses others
        whole=fields.get("whole") is True,
    )


def _values(name: str, given: object) -> Sequence[object]:
    """The values of a parameter: a list, or what `from`, `to` and `step` or `count` describe, both ends included."""
    if isinstance(given, list):
        return cast("list[object]", given)
    if not isinstance(given, dict):
        raise UsageError(f"the values of {name!r} are {given!r}: write a list, or {{ from = 1, to = 10 }}")
    fields = cast("dict[str, object]", given)
    _known(fields, repr(name), "from to step count")
    numbers = {key: value for key, value in fields.items() if _is_number(value)}
    if len(numbers) != len(fields) or not numbers.keys() >= {"from", "to"} or numbers.keys() >= {"step", "count"}:
        raise UsageError(f"{name!r} needs numbers from and to, and step or count if it is not one by one")
    first, last = cast("float", numbers["from"]), cast("float", numbers["to"])
    if "count" in numbers:
        count = cast("int", numbers["count"])
        if count < 2 or count != int(count):
            raise UsageError(f"the count of {name!r} must be a whole number of at least 2")
        return [first + (last - first) * place / (int(count) - 1) for place in range(int(count))]
    step = cast("float", numbers.get("step", 1))
    if step == 0 or (last - first) / step < 0:
        raise UsageError(f"{name!r} cannot go from {first} to {last} by {step}")
    # A billionth more, for steps such as 0.1 that are no exact binary fractions.
    return [first + place * step for place in range(math.floor((last - first) / step + 1e-9) + 1)]


def _configuration(given: _Table, collection: object) -> Configuration:
    names = [field.name for field in dataclasses.fields(Configuration)]
    _known(given, "[configuration]", " ".join(names))
    values = dict(given)
    if collection is not None:
        values["asset_collection_id"] = collection
    for name, value in values.items():
        if name == "priority":
            values[name] = Priority(str(value))
        elif name == "asset_collection_id":
            values[name] = as_uuid(str(value), name)
        elif not isinstance(value, _KINDS.get(name, str)):
            raise UsageError(f"{name} in [configuration] is {value!r}, which is no {_KINDS.get(name, str).__name__}")
    if values.get("priority") == Priority.UNKNOWN:
        raise UsageError(f"there is no priority {given['priority']!r}: {', '.join(map(str, Priority))}")
    return Configuration(**values)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - checked above


_KINDS: Final[Mapping[str, type]] = {
    "maximum_number_of_retries": int,
    "min_cores": int,
    "max_cores": int,
    "exclusive": bool,
    "asset_collection_id": uuid.UUID,
}


def _known(given: _Table, where: str, names: str) -> None:
    strange = next((name for name in given if name not in names.split()), None)
    if strange is not None:
        raise UsageError(f"{where} has a {strange!r}, and may have {', '.join(names.split())}")


def _table(given: _Table, name: str) -> _Table:
    value = given.get(name, {})
    if not isinstance(value, dict):
        raise UsageError(f"{name} must be a table, [{name}], not {value!r}")
    return cast("dict[str, object]", value)


def _text(given: _Table, name: str, default: str | None = None) -> str:
    value = given.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise UsageError(f"{name} must be a text" + ("" if name in given else ", and is not there"))
    return value


def _texts(given: _Table, name: str) -> list[str]:
    value = given.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in cast("list[object]", value)):
        raise UsageError(f"{name} must be a list of texts")
    return cast("list[str]", value)


def _tags(given: _Table) -> Tags:
    return Tags(cast("Mapping[str, TagValue]", _table(given, "tags")))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise ContentError(f"{path} is not there; paths in a sweep file are relative to it")
    return path


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Every point of a sweep as a simulation with its own configuration file, made lazily.

    sweep(base, {"Base_Infectivity_Constant": [0.3, 0.6], "Run_Number": range(100)}, experiment=experiment)

The base configuration is encoded once, with a gap where each parameter goes; a point costs only its own values. So a
sweep of a million points takes no more memory than one of ten, and it can be walked through again and again.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acomps.entities import Experiment, Simulation, SimulationFile, Tags, TagValue
from acomps.entities.checks import base_name
from acomps.errors import UsageError
from acomps.sweep.configs import Configs, read_base
from acomps.sweep.points import Names, Point, Points, points_of
from acomps.sweep.values import cell

__all__ = ["Sweep", "sweep"]

#: Longer names of simulations are cut; the tags hold everything.
NAME_LENGTH: Final = 200


def sweep(
    base: Mapping[str, object] | Path,
    parameters: Mapping[str, Iterable[object]] | None = None,
    *,
    rows: Iterable[Mapping[str, object]] | None = None,
    experiment: Experiment | uuid.UUID | None = None,
    name: str | None = None,
    config: str = "config.json",
    files: Iterable[SimulationFile] = (),
    tags: Mapping[str, TagValue] | None = None,
    adding: Collection[str] = (),
) -> Sweep:
    """One simulation per point: all combinations of the `parameters`' values (the last varies fastest), or the `rows`.

    `base` is the configuration as a mapping, or a JSON file. A parameter is named by its dotted path in it
    ("parameters.Run_Number", "Events.0.Start_Day") or plainly, when it is at the top or in an object "parameters" as
    in EMOD's files. A name that the base does not have is an error unless it is one of `adding`.

    Each simulation gets the configuration as the file `config` beside the shared `files`, and its parameters as tags
    beside the shared `tags`; a value that is no scalar is in its tag as JSON. `name` begins the simulations' names
    (the experiment's name, unless given). What can be checked is checked at once, before any simulation is made.
    """
    if isinstance(adding, str):
        raise UsageError(f"adding={adding!r} is a text; give the names in a list")
    points = points_of(parameters, rows)
    configs = Configs(read_base(base), frozenset(adding))
    recipe = Recipe(
        experiment_id=experiment.saved_id if isinstance(experiment, Experiment) else experiment,
        stem=name or (experiment.name if isinstance(experiment, Experiment) else "") or "simulation",
        config=config,
        files=tuple(files),
        tags=Tags(tags),
    )
    for names in points.known_names():
        recipe.check(names)
        configs.template(names)
    for parameter, value in points.known_values():
        cell(parameter, value)
    return Sweep(points, configs, recipe)


class Sweep(Iterable[Simulation]):
    """The simulations of a sweep, made one by one each time it is walked through; `len()` where values are sized."""

    def __init__(self, points: Points, configs: Configs, recipe: Recipe) -> None:
        self._points = points
        self._configs = configs
        self._recipe = recipe

    def __iter__(self) -> Iterator[Simulation]:
        return map(self._simulation, self._points.walk())

    def __len__(self) -> int:
        return self._points.count()

    def points(self) -> Iterator[dict[str, object]]:
        """The parameters of the points, by name, in order; made one by one."""
        return (dict(zip(*point, strict=True)) for point in self._points.walk())

    def simulation(self, point: Mapping[str, object]) -> Simulation:
        """The simulation of one point, which need not be one of the sweep's."""
        return self._simulation((tuple(point), tuple(point.values())))

    def digest(self) -> str:
        """A digest of all that decides what the simulations are; walks through the points and reads shared files."""
        told = hashlib.blake2b(digest_size=16)
        recipe = self._recipe
        for part in (
            self._configs.base,
            recipe.stem.encode(),
            recipe.config.encode(),
            repr(dict(recipe.tags)).encode(),
        ):
            told.update(b"%d:%b" % (len(part), part))
        for file in recipe.files:
            content = file.content.read_bytes() if isinstance(file.content, Path) else file.content
            told.update(repr((file.file_name, file.md5_checksum, len(content or b""))).encode())
            told.update(content or b"")
        for names, values in self._points.walk():
            for name, value in zip(names, values, strict=True):
                told.update(b"%b=%b;" % (name.encode(), cell(name, value).json))
            told.update(b"\n")
        return told.hexdigest()

    def _simulation(self, point: Point) -> Simulation:
        names, values = point
        cells = [cell(name, value) for name, value in zip(names, values, strict=True)]
        content = self._configs.template(names).fill([cell.json for cell in cells])
        return self._recipe.simulation(dict(zip(names, (cell.tag for cell in cells), strict=True)), content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What all simulations of a sweep share."""

    experiment_id: uuid.UUID | None
    stem: str
    config: str
    files: tuple[SimulationFile, ...]
    tags: Tags

    def __post_init__(self) -> None:
        base_name(self.config, "config")
        if any(file.file_name.lower() == self.config.lower() for file in self.files):
            raise UsageError(f"files hold a {self.config!r}, which is what the sweep writes: name another config")

    def check(self, names: Names) -> None:
        """Refuse parameters that would overwrite a tag."""
        twice = next((name for name in names if name in self.tags), None)
        if twice is not None:
            raise UsageError(f"{twice!r} is both a parameter and one of the tags: a simulation has one tag of a name")

    def simulation(self, point: dict[str, TagValue], content: bytes) -> Simulation:
        """The simulation of a point."""
        name = " ".join([self.stem, *(f"{name.rpartition('.')[2]}={value}" for name, value in point.items())])
        return Simulation(
            name=name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…",
            experiment_id=self.experiment_id,
            tags=Tags({**self.tags, **point}),
            files=(SimulationFile(file_name=self.config, content=content), *self.files),
        )

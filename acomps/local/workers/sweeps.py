"""The sweeps of the Builder: from its work order to experiments and simulations (protocol 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acomps.local.errors import Refused
from acomps.local.jsons import JSON, integer, objects, own_object, renamed, text
from acomps.local.workers import ItemFile
from acomps.local.workers.orders import part, work_order_of
from acomps.local.workers.templates import Kind, Template, Templates, kind_of, split_name

if TYPE_CHECKING:
    from acomps.local.files.contents import Contents
    from acomps.local.workers import Item

__all__ = ["Point", "Sweep", "read_sweep"]

MAX_SIMULATIONS: Final = 1_000_000
_PLUGIN: Final = "BasicBuilderPlugin"
_RUN_NUMBER: Final = "CONFIG.Run_Number"
_METADATA: Final = {
    name.lower(): name for name in ("Id", "Name", "Description", "SuiteId", "Tags", "Configuration", "ExperimentId")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One simulation of a sweep."""

    tags: Mapping[str, JSON]
    #: Contents by file name.
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What is to be made: an experiment, and in it a simulation for each row of a table and each run number."""

    #: In the wire's spelling.
    experiment: Mapping[str, JSON]
    simulation: Mapping[str, JSON]
    header: Sequence[str]
    table: Sequence[Sequence[JSON]]
    #: The parameter of a template behind each name that is more than a tag.
    targets: Mapping[str, str]
    #: Empty where the table says them, or nobody does.
    run_numbers: Sequence[JSON]
    templates: Templates
    #: Files that every simulation gets as they are.
    plain: Sequence[ItemFile]
    #: So many simulations at most are made, and so many of them commissioned.
    most: int
    commissioned: int

    def __len__(self) -> int:
        return min(len(self.table) * max(1, len(self.run_numbers)), self.most)

    def point(self, number: int) -> Point:
        """The simulation of that number, counted from 0: all run numbers of the first row, then the next row."""
        row, run = divmod(number, max(1, len(self.run_numbers)))
        values = dict(zip(self.header, self.table[row], strict=True))
        if self.run_numbers:
            values[_RUN_NUMBER] = self.run_numbers[run]
        tags: dict[str, JSON] = {split_name(name)[1]: value for name, value in values.items()}
        tags |= {"TestPointIndex": row + 1, "Replicate": run + 1}
        inherited = own_object(self.simulation.get("Tags", {}), "Tags of EntityMetadata.Simulation")
        assigned = {self.targets[name]: value for name, value in values.items() if name in self.targets}
        return Point(tags={**inherited, **tags}, files=self.templates.files(assigned))


def read_sweep(item: Item, order: dict[str, JSON], contents: Contents) -> Sweep:
    """The sweep of a work order; Refused says what is wrong with it."""
    root = renamed(order, {"inputdirectoryroot": "root"}).get("root")
    if root is not None:
        # Command lines name the folder themselves; here it is only checked.
        item.environment.substitute(text(root, "InputDirectoryRoot"), item.owner)
    experiment = _metadata(order, "Experiment", item)
    configuration = own_object(experiment.get("Configuration", {}), "Configuration of EntityMetadata.Experiment")
    if "environmentname" not in {key.lower() for key in configuration}:
        experiment["Configuration"] = {**configuration, "EnvironmentName": item.environment.name}
    content = _plugin(order)
    dynamic = renamed(
        part(content, "Dynamic_Parameters"),
        {"header": "header", "table": "table", "run_numbers": "runs", "run_number": "runs"},
    )
    header = [text(name, "each name in Header") for name in _list(dynamic, "header")]
    if len(set(header)) < len(header):
        raise Refused(400, "a name occurs twice in Header of Dynamic_Parameters")
    table = [_row(row, len(header), number) for number, row in enumerate(_list(dynamic, "table"), 1)]
    runs = [] if _RUN_NUMBER in header else _list(dynamic, "runs")
    if not header and not table:
        table.append([])
    if len(table) * max(1, len(runs)) > MAX_SIMULATIONS:
        raise Refused(400, f"the sweep has more than {MAX_SIMULATIONS} simulations")
    order_file = work_order_of(item)
    files = [file for file in item.files if file is not order_file]
    flow = renamed(part(order, "FlowControl"), {"simulationcreationlimit": "most", "simulationcommissionlimit": "go"})
    own_config = all(kind_of(file) is not Kind.CONFIG for file in files)
    templates = Templates(_templates(files, contents, own_config), part(content, "Static_Parameters"))
    return Sweep(
        experiment=experiment,
        simulation={**_metadata(order, "Simulation", item)},
        header=header,
        table=table,
        run_numbers=runs,
        targets=_targets([*header, *([_RUN_NUMBER] if runs else [])], templates, own_config),
        templates=templates,
        plain=[file for file in files if kind_of(file) is None],
        most=_limit(flow.get("most"), "SimulationCreationLimit"),
        commissioned=_limit(flow.get("go"), "SimulationCommissionLimit"),
    )


def _metadata(order: dict[str, JSON], kind: str, item: Item) -> dict[str, JSON]:
    """What the work order says about the experiment or its simulations; empty texts say nothing."""
    given = renamed(part(order, "EntityMetadata", kind), _METADATA)
    for name in ("Id", "ExperimentId"):
        if name in given:
            raise Refused(400, f"EntityMetadata.{kind} cannot have an {name}: the Builder makes it")
    return {"Name": item.name, **{name: value for name, value in given.items() if value != ""}}


def _plugin(order: dict[str, JSON]) -> dict[str, JSON]:
    plugins = objects(renamed(order, {"plugininfo": "list"}).get("list", []), "PluginInfo")
    found = [
        part(plugin, "Content")
        for plugin in plugins
        if renamed(part(plugin, "Metadata"), {"name": "name"}).get("name") == _PLUGIN
    ]
    if len(found) != 1 or len(plugins) != 1:
        raise Refused(400, f"PluginInfo must name one plugin, {_PLUGIN}: this service has no other")
    return found[0]


def _list(given: Mapping[str, JSON], name: str) -> list[JSON]:
    found = given.get(name, [])
    if not isinstance(found, list):
        raise Refused(400, f"{name} of Dynamic_Parameters must be a JSON list")
    return found


def _row(row: JSON, width: int, number: int) -> list[JSON]:
    if not isinstance(row, list) or len(row) != width:
        raise Refused(400, f"row {number} of Table must be a list of {width} values, one for each name in Header")
    return row


def _limit(value: JSON, name: str) -> int:
    """A limit; -1, like none at all, is no limit."""
    number = -1 if value is None else integer(value, f"{name} of FlowControl", least=-1)
    return MAX_SIMULATIONS if number < 0 else number


def _targets(names: Sequence[str], templates: Templates, own_config: bool) -> dict[str, str]:
    """What each name sets. One without a prefix is a tag, and sets the parameter of the model that is called so.

    Where no configuration came along, all of them make one.
    """
    targets: dict[str, str] = {}
    for name in names:
        if split_name(name)[0] is not None:
            targets[name] = name
        elif own_config or templates.names_in_config(name):
            targets[name] = f"{Kind.CONFIG.value}.{name}"
    return targets


def _templates(files: Sequence[ItemFile], contents: Contents, own_config: bool) -> list[Template]:
    kinds = [(file, kind) for file in files if (kind := kind_of(file)) is not None]
    stored = contents.fetch([file.md5 for file, _ in kinds])
    templates: list[Template] = []
    for file, kind in kinds:
        content = stored.get(file.md5)
        if content is None:
            raise Refused(400, f"the content of {file.name!r} is no longer in the content store"[:400])
        templates.append(
            Template(file.name, kind, content if isinstance(content, bytes) else Path(content).read_bytes())
        )
    if own_config:
        templates.append(Template("config.json", Kind.CONFIG, b'{"parameters":{}}'))
    return templates

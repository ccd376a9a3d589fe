"""`acomps list` and `acomps show`."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Final, TypeAlias

from cyclopts import Parameter

import acomps
from acomps.cli.ids import find
from acomps.cli.kinds import kind_of, resource_of, words
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import Columns, out
from acomps.cli.server import session
from acomps.cli.values import size
from acomps.entities import EntityKind
from acomps.entities.record import Record

__all__ = ["list_", "show"]

_Entity: TypeAlias = Record
#: What a table of each kind shows; tags come last, and only if they were asked for.
_NAMED: Final = ("id", "name", "owner", "date_created")
_FIELDS: Final[Mapping[EntityKind, Sequence[str]]] = {
    EntityKind.SUITE: _NAMED,
    EntityKind.EXPERIMENT: _NAMED,
    EntityKind.SIMULATION: ("id", "name", "state", "date_created"),
    EntityKind.WORK_ITEM: ("id", "name", "state", "date_created"),
    EntityKind.ASSET_COLLECTION: ("id", "date_created"),
}
_CHILDREN: Final[Mapping[EntityKind, Sequence[str]]] = {
    EntityKind.SUITE: ("tags", "configuration"),
    EntityKind.EXPERIMENT: ("tags", "configuration"),
    EntityKind.SIMULATION: ("tags", "configuration", "files", "hpc_jobs"),
    EntityKind.WORK_ITEM: ("tags", "files"),
    EntityKind.ASSET_COLLECTION: ("tags", "assets"),
}


async def list_(
    kind: Annotated[str, Parameter(help="suites, experiments, simulations, work-items or collections.")],
    /,
    *,
    where: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", show_default=False, help="A condition such as state=Failed or name~Test; all must hold."
        ),
    ] = (),
    tag: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="A tag to have, as Run_Number, Run_Number=3 or Run_Number>5."),
    ] = (),
    experiment: Annotated[str | None, Parameter(help="Only the simulations of this experiment.")] = None,
    order_by: Annotated[
        str | None, Parameter(help="A field to sort by, as name or 'name desc' (default: newest first).")
    ] = None,
    limit: Annotated[int, Parameter(help="At most so many; 0 is all.")] = 100,
    children: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", show_default=False, help="More to fetch, as tags or configuration; --format json has it."
        ),
    ] = (),
    common: Common = USUAL,
) -> None:
    """List suites, experiments, simulations, work items or asset collections.

    Example: acomps list simulations --where state=Succeeded --tag Run_Number=1 --children tags --limit 5
    """
    chosen = kind_of(kind)
    field, _, direction = (order_by or "date_created desc").partition(" ")
    query = acomps.Query().where(*where).order_by(field, descending=direction.strip().lower() == "desc")
    query = query.where_tag(*tag).children(*(name for several in children for name in several.split(",")))
    async with session(common) as comps:
        if experiment is not None:
            query = query.where(experiment_id=(await find(comps, experiment, [EntityKind.EXPERIMENT])).id)
        # One more than is shown tells whether there are more.
        found = await resource_of(comps, chosen).list(query.limit(limit + 1) if limit else query)
        shown = found[:limit] if limit else found
        out.records(shown, _columns(chosen, shown, query.child_names))
        if len(shown) < len(found):
            total = await resource_of(comps, chosen).count(query)
            out.note(f"These are the first {limit} of {total:,}; --limit 0 lists all.")


async def show(
    reference: Reference,
    /,
    *,
    kind: Annotated[str | None, Parameter(help="What it is, where latest or a short id could mean several.")] = None,
    outputs: Annotated[
        bool, Parameter(negative="", help="List the output files of a simulation or work item.")
    ] = False,
    common: Common = USUAL,
) -> None:
    """Show one thing with all that is known of it, whatever kind it is.

    Example: acomps show latest
    """
    async with session(common) as comps:
        found = await find(comps, reference, *([[kind_of(kind)]] if kind else []))
        entity = await resource_of(comps, found.kind).get(found.id, acomps.Query().children(*_CHILDREN[found.kind]))
        if outputs:
            await _show_outputs(comps, entity)
        elif common.format == "json":
            out.json(entity)
        else:
            out.fields({"kind": words(found.kind), **await _facts(comps, entity)}, ids=[found.id])


async def _show_outputs(comps: acomps.Session, entity: Record) -> None:
    if not isinstance(entity, acomps.Simulation | acomps.WorkItem):
        raise acomps.UsageError(f"{entity.described} has no output of its own; its simulations have")
    files = await comps.outputs.list(entity)
    if out.format == "json":
        out.json(files)
    else:
        out.table(files, {"path": lambda file: file.path, "size": lambda file: size(file.length)})


async def _facts(comps: acomps.Session, entity: Record) -> Mapping[str, object]:
    """What people want to see, in order: the record itself, and how its simulations are."""
    facts = {name: value for name in entity.__dataclass_fields__ if (value := getattr(entity, name)) is not None}
    for hidden in ("origin", "files", "assets", "hpc_jobs", "plugins", "configuration"):
        facts.pop(hidden, None)
    configuration = getattr(entity, "configuration", None)
    if configuration is not None:
        facts |= {
            name: value
            for name in acomps.Configuration.__dataclass_fields__
            if (value := getattr(configuration, name)) is not None
        }
    if isinstance(entity, acomps.Experiment):
        facts["simulations"] = dict(await comps.simulations.count_by_state(entity))
    if isinstance(entity, acomps.Simulation | acomps.WorkItem):
        facts["files"] = [file.file_name for file in entity.files]
    if isinstance(entity, acomps.Simulation) and entity.hpc_jobs:
        facts |= {"attempts": len(entity.hpc_jobs), "working_directory": entity.hpc_jobs[-1].working_directory}
    if isinstance(entity, acomps.AssetCollection):
        facts["assets"] = [f"{asset.path} ({size(asset.length or 0)})" for asset in entity.assets]
    return facts


def _columns(kind: EntityKind, shown: Sequence[Record], children: Sequence[str]) -> Columns[Record]:
    columns = {name.replace("_", " "): partial(_field, name=name) for name in _FIELDS[kind]}
    if kind == EntityKind.ASSET_COLLECTION or "tags" in children:
        columns["tags"] = partial(_field, name="tags")
    return columns


def _field(record: Record, name: str) -> object:
    value: object = getattr(record, name)
    return value

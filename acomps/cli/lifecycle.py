"""`acomps commission`, `cancel` and `delete`."""

import sys
from typing import Annotated

import anyio.to_thread
from cyclopts import Parameter

import acomps
from acomps.cli.ids import Named, find
from acomps.cli.kinds import RUNNABLE, kind_of, runnable_of
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import out
from acomps.cli.server import session
from acomps.entities.record import Record

__all__ = ["cancel", "commission", "delete"]

Kind = Annotated[str | None, Parameter(help="What it is, where latest or a short id could mean several.")]


async def commission(*references: Reference, kind: Kind = None, common: Common = USUAL) -> None:
    """Have created simulations run: those of an experiment or suite, single ones, or work items.

    Example: acomps commission latest
    """
    async with session(common) as comps:
        for named, entity in await _entities(comps, references, kind):
            await runnable_of(comps, named.kind).commission(entity)
            out.note(f"Commissioned {entity.described}.")
            out.ids([named.id])


async def cancel(*references: Reference, kind: Kind = None, common: Common = USUAL) -> None:
    """Stop what runs or waits to run: simulations of an experiment or suite, single ones, or work items.

    Example: acomps cancel latest
    """
    async with session(common) as comps:
        for named, entity in await _entities(comps, references, kind):
            await runnable_of(comps, named.kind).cancel(entity)
            out.note(f"Asked to cancel {entity.described}.")
            out.ids([named.id])


async def delete(
    *references: Reference,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative="", help="Do not ask.")] = False,
    expire_now: Annotated[bool, Parameter(negative="", help="Files go at once, too, not weeks later.")] = False,
    kind: Kind = None,
    common: Common = USUAL,
) -> None:
    """Delete things with all that is below them; nothing brings them back.

    Example: acomps delete latest --yes
    """
    async with session(common) as comps:
        for named, entity in await _entities(comps, references, kind):
            below = await _simulations_below(comps, entity)
            described = f"{entity.described}{f' with {below:,} simulations' if below is not None else ''}"
            if not yes and not await anyio.to_thread.run_sync(_agreed, described):
                raise acomps.UsageError(f"{described} was not deleted")
            await runnable_of(comps, named.kind).delete(entity, expire_now=expire_now)
            out.note(f"Deleted {described}.")
            out.ids([named.id])


async def _entities(comps: acomps.Session, references: tuple[str, ...], kind: str | None) -> list[tuple[Named, Record]]:
    """All that was meant; found before anything is done to the first."""
    if not references:
        raise acomps.UsageError("name at least one thing: an id, the beginning of one, or latest")
    kinds = [kind_of(kind, RUNNABLE)] if kind else RUNNABLE
    found = [await find(comps, reference, kinds) for reference in references]
    query = acomps.Query().select("id", "name")
    return [(named, await runnable_of(comps, named.kind).get(named.id, query)) for named in found]


async def _simulations_below(comps: acomps.Session, entity: Record) -> int | None:
    """How many simulations go with it; None for what has none."""
    if isinstance(entity, acomps.Experiment):
        return await comps.simulations.count(acomps.Query().where(experiment_id=entity.saved_id))
    if isinstance(entity, acomps.Suite):
        below = [await _simulations_below(comps, experiment) async for experiment in comps.experiments.of(entity)]
        return sum(count or 0 for count in below)
    return None


def _agreed(described: str) -> bool:
    if not sys.stdin.isatty():
        raise acomps.UsageError(f"nobody can be asked whether to delete {described}: add --yes")
    sys.stderr.write(f"Delete {described}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}

"""`acomps watch` and `acomps status`: how far things are."""

from typing import Annotated, Final

import anyio
from cyclopts import Parameter

import acomps
from acomps.cli.exits import Exit
from acomps.cli.ids import find, find_id
from acomps.cli.kinds import RUNNABLE, kind_of, runnable_of
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import out
from acomps.cli.progress import ahead, following, in_order
from acomps.cli.server import session
from acomps.comps.progress import Counts, Progress, is_final
from acomps.entities import EntityKind
from acomps.events import Event, Waiting

__all__ = ["get_status", "watch"]

_STATUS_KINDS: Final = (EntityKind.SIMULATION, EntityKind.EXPERIMENT, EntityKind.WORK_ITEM)
#: The time between two looks of `--repeat` without a number, in seconds.
_REPEAT_S: Final = 15


async def watch(
    reference: Reference = "latest",
    /,
    *,
    kind: Annotated[str | None, Parameter(help="What it is, where latest or a short id could mean several.")] = None,
    common: Common = USUAL,
) -> Exit:
    """Follow simulations or a work item until all have come to their end; the exit code is 1 if any failed.

    Example: acomps watch latest
    """
    async with session(common) as comps:
        found = await find(comps, reference, [kind_of(kind, RUNNABLE)] if kind else RUNNABLE)
        out.resume = f"acomps watch {found.id}"
        entity = await runnable_of(comps, found.kind).get(found.id, acomps.Query().select("id", "name"))
        source = entity if isinstance(entity, acomps.Suite | acomps.Experiment | acomps.WorkItem) else [entity]
        looks = comps.watch(source, errors=True, on_progress=_told)
        last = await anext(looks)
        with following(out, last.total) as show:
            show(last.counts)
            async for last in looks:
                show(last.counts, ahead(last))
        return _ended(last, found.id)


async def get_status(
    entity_type: Annotated[str, Parameter(help="Simulation, Experiment or WorkItem.")],
    entity_id: Reference,
    /,
    *,
    repeat: Annotated[
        list[int] | None,
        Parameter(
            name=("--repeat", "-r", "--watch"),
            consume_multiple=(0, 1),
            negative="",
            help="Ask again every so many seconds (15 if there is no number) until all are at their end.",
        ),
    ] = None,
    quiet: Annotated[
        bool, Parameter(name=("--quiet", "-q"), negative="", help="Say nothing before all are at their end.")
    ] = False,
    common: Common = USUAL,
) -> None:
    """Get the status of a simulation, experiment, or work item.

    Example: acomps status Experiment latest
    """
    kind = kind_of(entity_type, _STATUS_KINDS)
    every_s = None if repeat is None else (repeat or [_REPEAT_S])[0]
    async with session(common) as comps:
        found = await find_id(comps, kind, entity_id)
        out.resume = f"acomps status {kind.text} {found} --repeat"
        counts = await _counts(comps, kind, found)
        if out.format == "table":
            out.data(f"{kind.text} {found}")
        with following(out, sum(counts.values())) as show:
            while every_s and not is_final(counts):
                if not quiet and out.lively:
                    show(counts)
                elif not quiet:
                    out.data(_line(counts))
                await anyio.sleep(every_s)
                counts = await _counts(comps, kind, found)
        if out.format == "table":
            out.data(_line(counts))
        else:
            out.fields({"id": found, "states": _named(counts)}, ids=[found])


async def _counts(comps: acomps.Session, kind: EntityKind, entity_id: object) -> Counts:
    if kind == EntityKind.EXPERIMENT:
        experiment = await comps.experiments.get(str(entity_id), acomps.Query().select("id"))
        return dict((await comps.simulations.count_by_state(experiment)).items())
    query = acomps.Query().select("id", "state")
    resource = comps.simulations if kind == EntityKind.SIMULATION else comps.work_items
    state = (await resource.get(str(entity_id), query)).state
    return {} if state is None else {state: 1}


def _line(counts: Counts) -> str:
    """As the service's own client has it: the state of one, the states of several with their numbers."""
    if sum(counts.values()) == 1:
        return str(next(iter(counts)))
    return ", ".join(f"{state}: {count}" for state, count in in_order(counts)) or "no simulations"


def _named(counts: Counts) -> dict[str, int]:
    return {str(state): count for state, count in in_order(counts)}


def _ended(last: Progress, entity_id: object) -> Exit:
    for failure in last.failures:
        out.note(f"failed: {failure.described}: {failure.error_message or 'no message'}")
    out.fields({"id": entity_id, **_named(last.counts)}, ids=[entity_id])
    if last.failed:
        out.fail(f"{last.failed} of {last.total} failed", f"acomps tail Simulation {_first(last)}; acomps rerunsims ID")
        return Exit.FAILED
    return Exit.DONE


def _first(last: Progress) -> object:
    return last.failures[0].id if last.failures else "ID"


def _told(event: Event) -> None:
    if isinstance(event, Waiting):
        out.note(f"no answer for {event.lasted_s:.0f} s ({event.reason}); asking again in {event.wait_s:.0f} s")

"""`acomps tail`: the end of the output of a simulation or work item, or all of it as it is written."""

from contextlib import aclosing
from typing import Annotated, Final

from cyclopts import Parameter

import acomps
from acomps.cli.ids import find_id
from acomps.cli.kinds import kind_of
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import out
from acomps.cli.server import session
from acomps.entities import EntityKind, SimulationState, WorkItemState

__all__ = ["get_output_tail"]

_KINDS: Final = (EntityKind.SIMULATION, EntityKind.WORK_ITEM)


async def get_output_tail(
    entity_type: Annotated[str, Parameter(help="Simulation or WorkItem.")],
    entity_id: Reference,
    filename: Annotated[str, Parameter(help="Names of files, with commas between them.")] = "stdout.txt,stderr.txt",
    /,
    *,
    bytes_: Annotated[int, Parameter(name=("--bytes", "-b"), help="How many bytes from the end of each file.")] = 1024,
    follow: Annotated[
        bool,
        Parameter(name=("--follow", "-f"), negative="", help="The first file from its beginning, as it is written."),
    ] = False,
    common: Common = USUAL,
) -> None:
    """Get the end of the output of a simulation or work item.

    Example: acomps tail Simulation latest stdout.txt -b 200
    """
    kind = kind_of(entity_type, _KINDS)
    names = [name.strip() for name in filename.split(",")]
    async with session(common) as comps:
        found = await find_id(comps, kind, entity_id)
        resource = comps.simulations if kind == EntityKind.SIMULATION else comps.work_items
        entity = await resource.get(found, acomps.Query().select("id", "state"))
        if follow:
            out.resume = f"acomps tail {kind.text} {found} {names[0]} --follow"
            async with aclosing(comps.outputs.follow(entity, names[0])) as texts:
                async for text in texts:
                    out.text(text)
            return
        out.data(f"{kind.text} {found}")
        if not _has_run(entity):
            raise acomps.UsageError("Can't retrieve output tail; entity has not started running yet!")
        files = await comps.outputs.list(entity, names)
        for file in files:
            out.data("")
            out.data(f"{file.path_from_root}/{file.file_name} :")
            for line in _lines(await comps.outputs.tail(entity, file.path, bytes=bytes_)):
                out.data(f"  >>  {line}")


def _has_run(entity: acomps.Simulation | acomps.WorkItem) -> bool:
    least = SimulationState.RUNNING if isinstance(entity, acomps.Simulation) else WorkItemState.RUNNING
    return entity.state is not None and entity.state.code >= least.code


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

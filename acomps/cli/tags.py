"""`acomps tag`."""

from typing import Annotated

from cyclopts import Parameter

import acomps
from acomps.cli.ids import find
from acomps.cli.kinds import kind_of, resource_of, words
from acomps.cli.options import USUAL, Common, Reference
from acomps.cli.output import out
from acomps.cli.server import session

__all__ = ["tag"]


async def tag(
    reference: Reference,
    tags: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="name=value, or name alone for a tag without a value."),
    ] = (),
    /,
    *,
    remove: Annotated[
        tuple[str, ...], Parameter(negative="", show_default=False, help="A tag to remove, by its name.")
    ] = (),
    replace: Annotated[bool, Parameter(negative="", help="Remove all tags that are not given.")] = False,
    kind: Annotated[str | None, Parameter(help="What it is, where latest or a short id could mean several.")] = None,
    common: Common = USUAL,
) -> None:
    """Add, change and remove tags of one thing; without any, show them.

    Example: acomps tag latest study=calibration round=2 --remove draft
    """
    given = {name: value if sign else None for name, sign, value in (text.partition("=") for text in tags)}
    if replace and remove:
        raise acomps.UsageError("--replace leaves only the tags that are given: --remove is not needed")
    async with session(common) as comps:
        found = await find(comps, reference, *([[kind_of(kind)]] if kind else []))
        resource = resource_of(comps, found.kind)
        if replace:
            await resource.set_tags(found.id, given)
        elif given:
            await resource.merge_tags(found.id, given)
        if remove:
            await resource.delete_tags(found.id, *remove)
        entity = await resource.get(found.id, acomps.Query().select("id").children("tags"))
        out.note(f"The tags of {words(found.kind)} {found.id}:")
        out.fields(entity.tags, ids=[found.id])

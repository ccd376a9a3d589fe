"""Ids as people write them: whole, the beginning of one, or `latest`."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

import acomps
from acomps.cli.kinds import ALL, resource_of, words
from acomps.entities import EntityKind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["Named", "find", "find_id"]

LATEST: Final = "latest"
_HEX: Final = re.compile(r"[0-9a-f]{3,32}")
#: Where the dashes of an id are.
_GROUPS: Final = (8, 12, 16, 20)
_SHOWN: Final = 5
#: Where the server cannot look for the beginning of an id, so many of one's newest things are looked at.
_LOOKED_AT: Final = 5_000


class Named(NamedTuple):
    """The thing that somebody meant."""

    kind: EntityKind
    id: uuid.UUID


async def find_id(comps: acomps.Session, kind: EntityKind, text: str) -> uuid.UUID:
    """The id of one kind of thing; a whole one is taken as it is, without a question."""
    whole = _whole(text)
    return whole if whole is not None else (await find(comps, text, [kind])).id


async def find(comps: acomps.Session, text: str, kinds: Collection[EntityKind] = ALL) -> Named:
    """What an id, its beginning, or `latest` means among these kinds; `latest` is an experiment if it may be one.

    NotFound when there is none, UsageError when there are several.
    """
    if text.lower() == LATEST:
        kind = EntityKind.EXPERIMENT if EntityKind.EXPERIMENT in kinds else next(iter(kinds))
        return Named(kind, await _latest(comps, kind))
    found: list[Named] = []

    async def look(kind: EntityKind) -> None:
        found.extend(Named(kind, entity_id) for entity_id in await _beginning_with(comps, kind, _prefix(text)))

    async with anyio.create_task_group() as tasks:
        for kind in kinds:
            tasks.start_soon(look, kind)
    if not found:
        raise acomps.NotFound(f"there is no {_either(kinds)} with the id {text}", status=404)
    if len(found) > 1:
        some = ", ".join(f"{words(one.kind)} {one.id}" for one in found[:_SHOWN])
        raise acomps.UsageError(f"{text!r} is the beginning of several ids, write more of it: {some}")
    return found[0]


async def _latest(comps: acomps.Session, kind: EntityKind) -> uuid.UUID:
    """The newest of one's own; collections belong to nobody."""
    query = acomps.Query().select("id").order_by("date_created", descending=True).limit(1)
    if kind != EntityKind.ASSET_COLLECTION:
        query = query.where(owner=await comps.user())
    found = await resource_of(comps, kind).list(query)
    if not found:
        raise acomps.NotFound(f"you have no {words(kind)} yet", status=404)
    return found[0].saved_id


async def _beginning_with(comps: acomps.Session, kind: EntityKind, prefix: str) -> Sequence[uuid.UUID]:
    resource = resource_of(comps, kind)
    if len(prefix) == len(str(uuid.UUID(int=0))):
        try:
            return [(await resource.get(prefix, acomps.Query().select("id"))).saved_id]
        except acomps.NotFound:
            return []
    query = acomps.Query().select("id")
    try:
        found = await resource.list(query.where(f"id~{prefix}%").limit(_SHOWN + 1))
    except acomps.ValidationFailed:
        if kind != EntityKind.ASSET_COLLECTION:
            query = query.where(owner=await comps.user())
        newest = query.order_by("date_created", descending=True).limit(_LOOKED_AT)
        found = await resource.list(newest)
    return [entity.saved_id for entity in found if str(entity.id).startswith(prefix)]


def _prefix(text: str) -> str:
    """The beginning of an id with its dashes in their places."""
    digits = text.lower().replace("-", "").strip("{}")
    if _HEX.fullmatch(digits) is None:
        raise acomps.InvalidId(
            f"{text!r} is no id: write it, or at least 3 of its first hexadecimal digits, or {LATEST}"
        )
    return "".join(f"-{digit}" if place in _GROUPS else digit for place, digit in enumerate(digits))


def _whole(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _either(kinds: Collection[EntityKind]) -> str:
    *others, last = [words(kind) for kind in kinds]
    return f"{', '.join(others)} or {last}" if others else last

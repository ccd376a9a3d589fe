"""The kinds of things on a server, by the names that people give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import acomps
from acomps.comps.asset_collections import AssetCollections
from acomps.comps.groups import Experiments, Suites
from acomps.comps.simulations import Simulations
from acomps.comps.work_items import WorkItems
from acomps.entities import EntityKind

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["RUNNABLE", "AnyResource", "RunnableResource", "kind_of", "resource_of", "runnable_of", "words"]

RunnableResource: TypeAlias = Suites | Experiments | Simulations | WorkItems
AnyResource: TypeAlias = RunnableResource | AssetCollections

ALL: Final = tuple(kind for kind in EntityKind if kind != EntityKind.UNKNOWN)
RUNNABLE: Final = tuple(kind for kind in ALL if kind != EntityKind.ASSET_COLLECTION)
_SHORT: Final = {
    "exp": EntityKind.EXPERIMENT,
    "sim": EntityKind.SIMULATION,
    "wi": EntityKind.WORK_ITEM,
    "ac": EntityKind.ASSET_COLLECTION,
    "collection": EntityKind.ASSET_COLLECTION,
    "asset": EntityKind.ASSET_COLLECTION,
}


def words(kind: EntityKind) -> str:
    """The kind in plain words."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind.text).strip()


def kind_of(text: str, allowed: Collection[EntityKind] = ALL) -> EntityKind:
    """The kind that a text names in any case: Simulation, simulations, work-item, sim, collections."""
    name = text.lower().replace("-", "").replace("_", "").removesuffix("s")
    kind = _SHORT.get(name) or next((kind for kind in ALL if kind.text.lower() == name), None)
    if kind is None or kind not in allowed:
        names = ", ".join(words(each) for each in allowed)
        raise acomps.UsageError(f"{text!r} is no kind of thing that this works on; there are {names}")
    return kind


def resource_of(comps: acomps.Session, kind: EntityKind) -> AnyResource:
    """The verbs for a kind of thing."""
    return comps.asset_collections if kind == EntityKind.ASSET_COLLECTION else runnable_of(comps, kind)


def runnable_of(comps: acomps.Session, kind: EntityKind) -> RunnableResource:
    """The verbs for a kind of thing that can be commissioned, cancelled and deleted."""
    found: dict[EntityKind, RunnableResource] = {
        EntityKind.SUITE: comps.suites,
        EntityKind.EXPERIMENT: comps.experiments,
        EntityKind.SIMULATION: comps.simulations,
        EntityKind.WORK_ITEM: comps.work_items,
    }
    if kind not in found:
        raise acomps.UsageError(f"an {words(kind)} cannot change; it can only be listed and shown")
    return found[kind]

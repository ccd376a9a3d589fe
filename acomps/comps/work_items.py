"""Work items, and what they are related to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.comps.resource import Reference, id_of
from acomps.comps.simulations import Batched
from acomps.entities import EntityKind, Relation, RelationType, WorkItem
from acomps.errors import UsageError
from acomps.transport import Replay
from acomps.wire import spelling
from acomps.wire.decode import decode_references, decode_relations

if TYPE_CHECKING:
    import uuid

    from acomps.comps.contents import Store
    from acomps.entities.record import Record
    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["WorkItems"]


class WorkItems(Batched[WorkItem]):
    """`comps.work_items`."""

    def __init__(self, channel: Channel, settings: Settings, store: Store) -> None:
        super().__init__(channel, settings, WorkItem, spelling.WORK_ITEM)
        self._store = store

    async def relate(self, work_item: Reference, relation_type: RelationType, to: Record) -> None:
        """Record that the work item depends on, or has created, another saved entity."""
        item_id = id_of(work_item, self._what)
        kind = _kind_of(to)
        await self._channel.call(
            "POST",
            f"{self._path}/{item_id}/Related/{relation_type.text}/{kind.text}/{to.saved_id}",
            operation=f"relate work item {item_id} to {to.described}",
            replay=Replay.SAFE,
        )

    async def related(
        self, work_item: Reference, relation_type: RelationType | None = None, kind: EntityKind | None = None
    ) -> list[Relation]:
        """What the work item depends on or has created; `get` of the kind's resource fetches the entities."""
        item_id = id_of(work_item, self._what)
        query: dict[str, str] = {}
        if kind is not None:
            query["RelatedObject"] = kind.text
        if relation_type is not None:
            query["RelationType"] = relation_type.text
        answer = await self._read(
            f"{self._path}/{item_id}/Related", query, f"list what work item {item_id} is related to"
        )
        return decode_relations(answer.json())

    async def parents(self, entity: Record, relation_type: RelationType | None = None) -> list[uuid.UUID]:
        """The ids of the work items that are related to `entity`."""
        path = f"{self._path}/RelatedEntityId/{entity.saved_id}/Type/{_kind_of(entity).text}"
        if relation_type is not None:
            path += f"/Relation/{relation_type.text}"
        answer = await self._read(path, {}, f"list the work items related to {entity.described}")
        return decode_references(answer.json(), "Parents")


def _kind_of(entity: Record) -> EntityKind:
    kind = EntityKind(type(entity).__name__)
    if kind == EntityKind.UNKNOWN:
        raise UsageError(f"a work item cannot be related to a {entity.kind_name}")
    return kind

"""Keys of our own, by which a create whose answer was lost is found again: one tag on each new entity.

A key is `<run>.<group>.<place>`: the run is random, the group and the place are the entity's position in the input.
It is fixed before the first try, so however often an entity is sent, it is recognised.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.errors import NotFound, UsageError
from acomps.transport import Replay
from acomps.wire.decode import decode_tagged

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

    from acomps.transport import Channel

__all__ = ["KEY_TAG", "RunKeys", "SaveKey", "new_run"]

#: The name of the tag.
KEY_TAG: Final = "acomps_key"
#: So many neighbours share a group, and are found by one question.
_GROUP: Final = 100
#: A group has at most so many entities, unless the server has created some of them more than once.
_ASK_FOR: Final = 10 * _GROUP
#: What the name of a run may be: it becomes a part of a tag that is searched for.
_NAME: Final = re.compile(r"[0-9A-Za-z-]{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveKey:
    """The name of a save, chosen and noted by its caller before the first try, so that a later call can go on with it.

    `again` says that an earlier call with this name may have saved some of the entities: they are looked for first.
    `places` are the places (from 0) that the entities had in that call, when not all of them are given again.
    """

    run: str
    places: Sequence[int] | None = None
    again: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.run):
            raise UsageError(f"the name of a save is of letters, digits and hyphens, at most 80 of them: {self.run!r}")


def new_run() -> str:
    """A random name for a run."""
    return secrets.token_hex(8)


class RunKeys:
    """The keys of one run of `save_all`, and the questions about them."""

    def __init__(self, channel: Channel, plural: str, run: str) -> None:
        self._channel = channel
        self._plural = plural
        self._run = run

    def key(self, index: int) -> str:
        """The key of the entity at `index` of the input."""
        return f"{self._run}.{self.group(index)}.{index % _GROUP}"

    @staticmethod
    def group(index: int) -> int:
        """The group of the entity at `index` of the input."""
        return index // _GROUP

    async def find(self, indexes: Iterable[int]) -> dict[int, list[uuid.UUID]]:
        """What the server has of these entities, by index; more than one id where it created one more than once."""
        by_key = {self.key(index): index for index in indexes}
        found: dict[int, list[uuid.UUID]] = {}
        for group in sorted({self.group(index) for index in by_key.values()}):
            for entity_id, key in await self._tagged(group):
                if key in by_key:
                    found.setdefault(by_key[key], []).append(entity_id)
        return found

    async def delete(self, ids: Sequence[uuid.UUID]) -> None:
        """Remove entities that a lost answer has made twice."""
        for entity_id in ids:
            try:
                await self._channel.call(
                    "DELETE",
                    f"/{self._plural}/{entity_id}",
                    operation=f"delete the double {entity_id} of an entity",
                    replay=Replay.SAFE,
                )
            except NotFound:
                continue

    async def _tagged(self, group: int) -> list[tuple[uuid.UUID, str]]:
        answer = await self._channel.call(
            "GET",
            f"/{self._plural}",
            operation=f"look which {self._plural} of a request with a lost answer exist",
            replay=Replay.SAFE,
            query=[
                ("fields", "Id"),
                ("children", "Tags"),
                ("tagfilters", f"{KEY_TAG}~{self._run}.{group}."),
                ("orderby", "Id"),
                ("count", str(_ASK_FOR)),
            ],
        )
        return decode_tagged(answer.json(), self._plural, KEY_TAG)

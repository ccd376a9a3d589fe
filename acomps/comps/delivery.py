"""The delivery of some entities: sent until each is saved, or refused by itself.

What the server refuses as a whole is halved until the culprit stands alone; what may or may not have arrived is looked
for by its key before it is sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from acomps.comps.batches import Batch, Prepared, as_saved, batches
from acomps.comps.report import Missing, SavedEntity, SaveFailure, SaveOutcome
from acomps.entities import Simulation, WorkItem
from acomps.errors import (
    AcompsError,
    AuthenticationFailed,
    ContentError,
    MalformedAnswer,
    MissingFiles,
    RateLimited,
    Refused,
    ServerFailed,
    TransportError,
)
from acomps.transport import Replay, in_doubt
from acomps.wire.decode import decode_ids

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from acomps.comps.contents import Contents
    from acomps.comps.keys import RunKeys
    from acomps.comps.pace import Pace
    from acomps.settings import Settings
    from acomps.transport import Channel

__all__ = ["Delivery", "hopeless"]

E = TypeVar("E", Simulation, WorkItem)

#: After so many deliveries of which every entity was refused, the next ones are not taken apart any more.
_ALL_BAD: Final = 3
#: How long to wait before asking again whether a request of which the answer was lost has been carried out after all.
_SECOND_LOOK_S: Final = 0.5


def hopeless(error: AcompsError) -> bool:
    """Whether the next request would fare no better: the server is lost, or the login."""
    return isinstance(error, TransportError | AuthenticationFailed | RateLimited) or (
        isinstance(error, ServerFailed) and error.status != 507
    )


class Delivery(Generic[E]):
    """Sends entities of one run of `save_all`, and counts what that took."""

    def __init__(
        self,
        channel: Channel,
        settings: Settings,
        plural: str,
        keys: RunKeys | None,
        contents: Contents,
        pace: Pace,
        missing: Missing,
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._plural = plural
        self._keys = keys
        self._contents = contents
        self._pace = pace
        self._heals = missing != "error"
        self._all_bad = 0
        #: What became of entities of which an answer was lost: the id that counts, by index.
        self._doubtful: dict[int, uuid.UUID | None] = {}
        self.requests = 0
        self.bytes_sent = 0
        self.bytes_shared = 0

    async def deliver(self, items: Sequence[Prepared[E]], owner: str) -> list[SaveOutcome[E]]:
        """One outcome for each of `items`, in any order."""
        parts = [part for item in items for part in item.parts]
        await self._contents.share(parts, inline_bytes=self._settings.inline_bytes)
        outcomes = await self._pack_and_send(items, owner)
        self._settle(outcomes)
        if all(isinstance(one, SaveFailure) for one in outcomes):
            self._all_bad += 1
        else:
            self._all_bad = 0
        return outcomes

    async def found(self, items: Sequence[Prepared[E]], owner: str) -> list[SaveOutcome[E]]:
        """Which of `items` the server has already from an earlier attempt, each once."""
        if self._keys is None:
            return []
        new = {item.index: item for item in items if item.entity.id is None}
        found = await self._keys.find(new)
        await self._keys.delete([double for ids in found.values() for double in ids[1:]])
        return [SavedEntity(index, as_saved(new[index], ids[0], owner)) for index, ids in found.items()]

    async def found_again(self, items: Sequence[Prepared[E]], owner: str) -> list[SaveOutcome[E]]:
        """Which of `items` the server has from a call that was cut off; a late answer to that one is a doubt, too."""
        self._doubtful.update((item.index, None) for item in items if item.entity.id is None)
        found = await self.found(items, owner)
        self._settle(found)
        return found

    async def settle_doubts(self) -> None:
        """Once more, at the end: a request that was given up may have been carried out late. Doubles are removed."""
        if self._keys is None or not self._doubtful:
            return
        found = await self._keys.find(self._doubtful)
        await self._keys.delete(
            [one for index, ids in found.items() for one in ids if self._doubtful[index] not in {None, one}]
        )

    async def _pack_and_send(self, items: Sequence[Prepared[E]], owner: str) -> list[SaveOutcome[E]]:
        outcomes: list[SaveOutcome[E]] = []
        for batch in batches(items, self._plural, self._settings, self._contents.has):
            if isinstance(batch, SaveFailure):
                outcomes.append(batch)
            else:
                outcomes += await self._send(batch, owner)
        return outcomes

    async def _send(self, batch: Batch[E], owner: str) -> list[SaveOutcome[E]]:
        try:
            ids = await self._post(batch)
        except MissingFiles as exc:
            return await self._missing(batch, exc, owner)
        except AcompsError as exc:
            if _in_doubt(exc):
                return await self._doubt(batch.items, exc, owner)
            by_one = isinstance(exc, Refused | ContentError) and not hopeless(exc)
            if by_one and len(batch.items) > 1 and self._all_bad < _ALL_BAD:
                return await self._halves(batch.items, owner)
            return _failures(batch.items, exc)
        return _successes(batch.items, ids, owner)

    async def _post(self, batch: Batch[E]) -> list[uuid.UUID]:
        operation = f"save {len(batch.items)} {self._plural}"
        async with self._pace.slot():
            answer = await self._channel.call(
                "POST",
                f"/{self._plural}",
                operation=operation,
                replay=Replay.CHECKED,
                body=batch.body,
                on_event=self._pace.notice,
            )
        ids = decode_ids(answer.json())
        expected = [item.entity.id for item in batch.items]
        if len(ids) != len(expected) or any(old not in {None, new} for old, new in zip(expected, ids, strict=True)):
            raise MalformedAnswer(f"{operation}: the server answered with {len(ids)} ids that do not fit the request")
        self._contents.remember(batch.parts)
        self.requests += 1
        self.bytes_sent += batch.body.length
        self.bytes_shared += batch.bytes_shared
        return ids

    async def _not_there(
        self, items: list[Prepared[E]], outcomes: list[SaveOutcome[E]], owner: str, *, wait_s: float
    ) -> list[Prepared[E]]:
        """What the server does not have of `items`; what it has is added to `outcomes`."""
        found = await self.found(items, owner)
        if len(found) < len(items):
            # The server may still be at it, and be done between the two looks.
            await self._channel.clock.sleep(wait_s)
            found = await self.found(items, owner)
        outcomes += found
        there = {one.index for one in found}
        return [item for item in items if item.index not in there]

    async def _again(self, batch: Batch[E], owner: str) -> list[SaveOutcome[E]]:
        return _successes(batch.items, await self._post(batch), owner)

    async def _halves(self, items: Sequence[Prepared[E]], owner: str) -> list[SaveOutcome[E]]:
        middle = len(items) // 2
        first = await self._pack_and_send(items[:middle], owner)
        return first + await self._pack_and_send(items[middle:], owner)

    async def _missing(self, batch: Batch[E], exc: MissingFiles, owner: str) -> list[SaveOutcome[E]]:
        """Contents that the server was believed to have are sent; who needs others, that nobody has, has failed."""
        missing = {str(md5) for md5 in exc.md5s}
        sent = {part.name for part in batch.parts}
        at_hand = {part.name for item in batch.items for part in item.parts if self._heals} - sent
        gone = missing - at_hand - sent
        lacking = [item for item in batch.items if item.refers_to(gone)]
        if not lacking and not missing & at_hand:
            return _failures(batch.items, exc)
        self._contents.forget(missing)
        lost = {item.index for item in lacking}
        others = [item for item in batch.items if item.index not in lost]
        outcomes: list[SaveOutcome[E]] = [_lacking(item, exc, gone) for item in lacking]
        return outcomes + await self._pack_and_send(others, owner)

    async def _doubt(self, items: Sequence[Prepared[E]], exc: AcompsError, owner: str) -> list[SaveOutcome[E]]:
        """The request may have been carried out: look for it, and send only what is not there."""
        if self._keys is None and any(item.entity.id is None for item in items):
            return _failures(items, exc)
        outcomes = await self._until_sure(items, exc, owner)
        self._settle(outcomes)
        return outcomes

    def _settle(self, outcomes: Sequence[SaveOutcome[E]]) -> None:
        """These ids are the ones that count, of entities in doubt."""
        for one in outcomes:
            if one.index in self._doubtful and isinstance(one, SavedEntity):
                self._doubtful[one.index] = one.entity.saved_id

    async def _until_sure(self, items: Sequence[Prepared[E]], exc: AcompsError, owner: str) -> list[SaveOutcome[E]]:
        outcomes: list[SaveOutcome[E]] = []
        left = list(items)
        for attempt in range(1, self._settings.retry.attempts + 1):
            self._doubtful.update((item.index, None) for item in left if item.entity.id is None)
            try:
                left = await self._not_there(left, outcomes, owner, wait_s=_SECOND_LOOK_S * attempt)
            except AcompsError as lost:
                return outcomes + _failures(left, lost)
            try:
                for batch in batches(left, self._plural, self._settings, self._contents.has):
                    # What fitted into one request fits again: fewer entities, the same contents.
                    outcomes += [batch] if isinstance(batch, SaveFailure) else await self._again(batch, owner)
                return outcomes
            except AcompsError as again:
                if not _in_doubt(again):
                    return outcomes + _failures(left, again)
                exc = again
        return outcomes + _failures(left, exc)


def _in_doubt(error: AcompsError) -> bool:
    """Whether the request may have been carried out. A refusal is an answer."""
    return in_doubt(error) or isinstance(error, MalformedAnswer)


def _successes(items: Sequence[Prepared[E]], ids: Sequence[uuid.UUID], owner: str) -> list[SaveOutcome[E]]:
    return [SavedEntity(item.index, as_saved(item, new, owner)) for item, new in zip(items, ids, strict=True)]


def _failures(items: Sequence[Prepared[E]], error: AcompsError) -> list[SaveOutcome[E]]:
    return [SaveFailure(item.index, item.given, error) for item in items]


def _lacking(item: Prepared[E], exc: MissingFiles, md5s: set[str]) -> SaveFailure[E]:
    own = tuple(md5 for md5 in exc.md5s if str(md5) in md5s and item.refers_to({str(md5)}))
    names = ", ".join(str(md5) for md5 in own)
    message = f"{item.entity.described} refers to contents that the server does not have: {names}"
    error = MissingFiles(message, md5s=own, server_message=exc.server_message, correlation_id=exc.correlation_id)
    return SaveFailure(item.index, item.given, error)

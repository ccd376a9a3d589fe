"""Entities with files as requests: hashed, encoded, and packed by count and exact bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from acomps.comps.keys import KEY_TAG
from acomps.comps.report import SaveFailure
from acomps.entities import Simulation, SimulationState, WorkItem, WorkItemState
from acomps.entities.checks import evolved
from acomps.errors import AcompsError, UsageError
from acomps.transfer import Recent
from acomps.wire.decode import confirmed
from acomps.wire.encode import create_document, encode, new_files, update_document
from acomps.wire.multipart import Multipart, Part, media_type

if TYPE_CHECKING:
    import uuid

    from acomps.settings import Settings

__all__ = ["Batch", "Numbered", "Prepared", "Preparer", "as_saved", "batches"]

E = TypeVar("E", Simulation, WorkItem)
#: An entity and its place in the input.
Numbered: TypeAlias = tuple[int, E]

#: The part that holds the entities themselves, as the service's own client names it.
_DOCUMENTS: Final = "not_a_file"


@dataclass(frozen=True, slots=True)
class Prepared(Generic[E]):
    """One entity ready to be sent: the md5s are known, the document is encoded.

    `given` is the entity as it came, `digest` tells it from others (without its key). `document` is None when the
    server's copy is up to date already.
    """

    index: int
    given: E
    entity: E
    document: bytes | None
    digest: str
    parts: tuple[Part, ...]

    def refers_to(self, md5s: set[str]) -> bool:
        """Whether one of these contents is in a file of the entity."""
        return any(str(file.md5_checksum) in md5s for file in self.entity.files)


@dataclass(frozen=True, slots=True)
class Batch(Generic[E]):
    """What goes into one request. `bytes_shared` are contents that its entities use and that are not in it again."""

    items: Sequence[Prepared[E]]
    parts: Sequence[Part]
    body: Multipart
    bytes_shared: int


class Preparer:
    """Makes entities ready: for one owner, with keys or without, each content hashed once."""

    def __init__(self, owner: str, key: Callable[[int], str] | None) -> None:
        self.owner = owner
        self._key = key
        self._recent = Recent()

    def prepare(self, entities: Iterable[Numbered[E]]) -> Iterator[Prepared[E] | SaveFailure[E]]:
        """Hash the files and encode the documents, entity by entity. Reads files: run it in a thread."""
        for index, entity in entities:
            try:
                yield self._prepared(index, entity)
            except AcompsError as exc:
                yield SaveFailure(index, entity, exc)

    def _prepared(self, index: int, given: E) -> Prepared[E]:
        entity, parts = self._with_md5s(given)
        if entity.id is not None:
            update = update_document(entity)
            encoded = None if update is None else encode(update)
            return Prepared(index, given, entity, encoded, _digest(encoded or b""), parts)
        document = create_document(entity, entity.owner or self.owner)
        encoded = encode(document)
        digest = _digest(encoded)
        if self._key is not None:
            encoded = encode({**document, "Tags": {**entity.tags, KEY_TAG: self._key(index)}})
        return Prepared(index, given, entity, encoded, digest, parts)

    def _with_md5s(self, entity: E) -> tuple[E, tuple[Part, ...]]:
        parts: list[Part] = []
        fresh = entity.files if entity.id is None else new_files(entity)
        files = list(entity.files)
        for place, file in enumerate(files):
            if file.content is None or file not in fresh:
                continue
            content = self._recent.measured(file.content)
            if file.md5_checksum not in {None, content.md5}:
                raise UsageError(
                    f"{entity.described}: file {file.file_name!r} does not have the md5 that was given with it"
                )
            files[place] = evolved(file, md5_checksum=content.md5, length=content.length)
            parts.append(Part(str(content.md5), file.file_name, media_type(file.file_name), content.content))
        return (evolved(entity, files=tuple(files)), tuple(parts)) if parts else (entity, ())


def _digest(document: bytes) -> str:
    return hashlib.blake2b(document, digest_size=8).hexdigest()


def batches(
    prepared: Iterable[Prepared[E]], plural: str, settings: Settings, stored: Callable[[Part], bool]
) -> Iterator[Batch[E] | SaveFailure[E]]:
    """Pack what is prepared, in its order, into as few requests as the limits allow.

    A content is sent once per request, however many of its entities use it, and not at all when it is `stored`. An
    entity that is too large for a request of its own is a failure.
    """
    empty = Multipart.FRAME + Part(_DOCUMENTS, plural, "application/json", b"[]").cost
    packing: _Packing[E] = _Packing(plural, empty)
    for item in prepared:
        own = {part.name: part for part in item.parts if not stored(part)}
        alone = empty + _cost(item, own.values())
        if alone >= settings.batch_bytes:
            yield SaveFailure(item.index, item.given, _too_large(item.given, alone, settings.batch_bytes))
            continue
        added = {name: part for name, part in own.items() if name not in packing.parts}
        cost = _cost(item, added.values())
        if len(packing.items) >= settings.batch_entities or packing.size + cost >= settings.batch_bytes:
            yield packing.packed()
            packing = _Packing(plural, empty)
            added, cost = own, alone - empty
        packing.add(item, added, cost)
    if packing.items:
        yield packing.packed()


class _Packing(Generic[E]):
    """A request that is being filled."""

    def __init__(self, plural: str, size: int) -> None:
        self._plural = plural
        self.items: list[Prepared[E]] = []
        self.parts: dict[str, Part] = {}
        self.size = size
        self._bytes_shared = 0

    def add(self, item: Prepared[E], added: dict[str, Part], cost: int) -> None:
        """Take an entity in, with the contents that are not there yet."""
        self.items.append(item)
        self.parts.update(added)
        self.size += cost
        self._bytes_shared += sum(part.length for part in item.parts) - sum(part.length for part in added.values())

    def packed(self) -> Batch[E]:
        """The request."""
        documents = b"[%b]" % b",".join(item.document or b"" for item in self.items)
        head = Part(_DOCUMENTS, self._plural, "application/json", documents)
        contents: tuple[Part, ...] = tuple(self.parts.values())
        return Batch(tuple(self.items), contents, Multipart((head, *contents)), self._bytes_shared)


def _cost(item: Prepared[E], parts: Iterable[Part]) -> int:
    """The bytes that an entity adds to a request: its document with a comma, and the parts that are not there yet."""
    return len(item.document or b"") + 1 + sum(part.cost for part in parts)


def _too_large(entity: Simulation | WorkItem, size: int, limit: int) -> UsageError:
    return UsageError(
        f"{entity.described} is {size:,} bytes with its files, and a request must stay below {limit:,}: "
        "put large files that simulations share into an asset collection"
    )


def as_saved(item: Prepared[E], new_id: uuid.UUID | None, owner: str) -> E:
    """The entity as the server has it now: with its id, in Created if it is new, its contents dropped."""
    entity = item.entity
    files = tuple(evolved(file, content=None) if file.content is not None else file for file in entity.files)
    if entity.id is not None or new_id is None:
        return confirmed(evolved(entity, files=files))
    state = SimulationState.CREATED if isinstance(entity, Simulation) else WorkItemState.CREATED
    return confirmed(evolved(entity, id=new_id, owner=entity.owner or owner, state=state, files=files))

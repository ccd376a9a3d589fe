"""Entities with files as requests: hashed, encoded, and packed by count and exact bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from acomps.comps.keys import KEY_TAG
from acomps.comps.report import SaveFailure
from acomps.entities import Simulation, SimulationFile, SimulationState, WorkItem, WorkItemFile, WorkItemState
from acomps.entities.checks import evolved
from acomps.errors import AcompsError, UsageError
from acomps.transfer import Measured, Recent, Source, measured
from acomps.wire.decode import confirmed
from acomps.wire.encode import create_document, encode, new_files, update_document
from acomps.wire.multipart import Multipart, Part, documents_part, media_type

if TYPE_CHECKING:
    import uuid

    from acomps.settings import Settings

__all__ = ["Batch", "Numbered", "Prepared", "Preparer", "as_saved", "batches", "is_quick"]

E = TypeVar("E", Simulation, WorkItem)
#: An entity and its place in the input.
Numbered: TypeAlias = tuple[int, E]

_File: TypeAlias = SimulationFile | WorkItemFile

#: So many bytes of one entity, in so many files, are hashed in a tenth of a millisecond or two.
_QUICK_BYTES: Final = 64 * 1024
_QUICK_FILES: Final = 16


@dataclass(frozen=True, slots=True)
class Prepared(Generic[E]):
    """One entity ready to be sent: the md5s are known, the document is encoded.

    `given` is the entity as it came, `entity` has its files as the server will have them, `digest` tells it from
    others (whatever its key). `document` is None when the server's copy is up to date already.
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


def is_quick(entity: Simulation | WorkItem) -> bool:
    """Whether it is made ready at once: nothing has to be read for it, and little to be hashed."""
    if len(entity.files) > _QUICK_FILES:
        return False
    size = 0
    for file in entity.files:
        if isinstance(file.content, bytes):
            size += len(file.content)
        elif file.content is not None:
            return False
    return size <= _QUICK_BYTES


class Preparer:
    """Makes entities ready: for one owner, with keys or without, each content hashed once.

    Digests are worked out only when they are asked for, by a journal.
    """

    def __init__(self, owner: str, key: Callable[[int], str] | None, *, digests: bool = False) -> None:
        self.owner = owner
        self._key = key
        self._digests = digests
        self._measured: Recent[Source, Measured] = Recent(measured, _bytes_of)
        self._attached: Recent[_File, tuple[_File, Part]] = Recent(self._attach, lambda file: _bytes_of(file.content))

    def prepare(self, entities: Iterable[Numbered[E]]) -> Iterator[Prepared[E] | SaveFailure[E]]:
        """Hash the files and encode the documents, entity by entity. What is not quick belongs into a thread."""
        for index, entity in entities:
            try:
                yield self._prepared(index, entity)
            except AcompsError as exc:
                yield SaveFailure(index, entity, exc)

    def _prepared(self, index: int, given: E) -> Prepared[E]:
        entity, parts = self._with_md5s(given)
        if entity.id is not None:
            document = update_document(entity)
        else:
            document = create_document(entity, entity.owner or self.owner)
        if document is None:
            return Prepared(index, given, entity, None, "", parts)
        digest = _digest(encode(document)) if self._digests else ""
        if entity.id is None and self._key is not None:
            document["Tags"] = {**entity.tags, KEY_TAG: self._key(index)}
        return Prepared(index, given, entity, encode(document), digest, parts)

    def _with_md5s(self, entity: E) -> tuple[E, tuple[Part, ...]]:
        """The entity with files as the server will have them, and the contents that these files need there."""
        if not any(file.content is not None for file in entity.files):
            return entity, ()
        # Of a new entity all files are new; to look for each among all would take long when there are many.
        fresh = None if entity.id is None else new_files(entity)
        parts: list[Part] = []
        files: list[_File] = []
        for file in entity.files:
            if file.content is None or (fresh is not None and file not in fresh):
                files.append(file)
            else:
                attached, part = self._attached.of(file)
                files.append(attached)
                parts.append(part)
        return evolved(entity, files=tuple(files)), tuple(parts)

    def _attach(self, file: _File) -> tuple[_File, Part]:
        if file.content is None:
            raise UsageError(f"file {file.file_name!r} has no content")
        content = self._measured.of(file.content)
        if file.md5_checksum not in {None, content.md5}:
            raise UsageError(f"file {file.file_name!r} does not have the md5 that was given with it")
        part = Part(str(content.md5), file.file_name, media_type(file.file_name), content.content)
        return evolved(file, md5_checksum=content.md5, length=content.length, content=None), part


def _bytes_of(source: Source | None) -> int:
    return len(source) if isinstance(source, bytes) else 0


def _digest(document: bytes) -> str:
    return hashlib.blake2b(document, digest_size=8).hexdigest()


def batches(
    prepared: Iterable[Prepared[E]], plural: str, settings: Settings, stored: Callable[[Part], bool]
) -> Iterator[Batch[E] | SaveFailure[E]]:
    """Pack what is prepared, in its order, into as few requests as the limits allow.

    A content is sent once per request, however many of its entities use it, and not at all when it is `stored`. An
    entity that is too large for a request of its own is a failure.
    """
    empty = Multipart.FRAME + documents_part(plural, b"[]").cost
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
        head = documents_part(self._plural, documents)
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
    if entity.id is not None or new_id is None:
        return confirmed(evolved(entity))
    state = SimulationState.CREATED if isinstance(entity, Simulation) else WorkItemState.CREATED
    return confirmed(evolved(entity, id=new_id, owner=entity.owner or owner, state=state))

"""Entities with files as requests: hashed, encoded, and packed by count and exact bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from acomps.comps.report import SaveFailure
from acomps.entities import Simulation, SimulationState, WorkItem, WorkItemState
from acomps.errors import AcompsError, UsageError
from acomps.transfer import measured
from acomps.wire.decode import confirmed
from acomps.wire.encode import create_document, encode, new_files, update_document
from acomps.wire.multipart import Multipart, Part, media_type

if TYPE_CHECKING:
    import uuid

    from acomps.settings import Settings

__all__ = ["Batch", "Prepared", "as_saved", "batches", "prepare"]

E = TypeVar("E", Simulation, WorkItem)
#: An entity and its place in the input.
Numbered: TypeAlias = tuple[int, E]

#: The part that holds the entities themselves, as the service's own client names it.
_DOCUMENTS: Final = "not_a_file"


@dataclass(frozen=True, slots=True)
class Prepared(Generic[E]):
    """One entity ready to be sent: the md5s are known, the document is encoded.

    `document` is None when the server's copy is up to date already.
    """

    index: int
    entity: E
    document: bytes | None
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Batch(Generic[E]):
    """What goes into one request."""

    items: Sequence[Prepared[E]]
    body: Multipart


def prepare(entities: Iterable[Numbered[E]], owner: str) -> Iterator[Prepared[E] | SaveFailure[E]]:
    """Hash the files and encode the documents, entity by entity. Reads files: run it in a thread."""
    for index, entity in entities:
        try:
            yield _prepared(index, entity, owner)
        except AcompsError as exc:
            yield SaveFailure(index, entity, exc)


def _prepared(index: int, entity: E, owner: str) -> Prepared[E]:
    parts: list[Part] = []
    fresh = entity.files if entity.id is None else new_files(entity)
    files = list(entity.files)
    for place, file in enumerate(files):
        if file.content is None or file not in fresh:
            continue
        content = measured(file.content)
        if file.md5_checksum not in {None, content.md5}:
            raise UsageError(
                f"{entity.described}: file {file.file_name!r} does not have the md5 that was given with it"
            )
        files[place] = dataclasses.replace(file, md5_checksum=content.md5, length=content.length)
        parts.append(Part(str(content.md5), file.file_name, media_type(file.file_name), content.content))
    if parts:
        entity = dataclasses.replace(entity, files=tuple(files))
    document = create_document(entity, entity.owner or owner) if entity.id is None else update_document(entity)
    return Prepared(index, entity, None if document is None else encode(document), tuple(parts))


def batches(prepared: Iterable[Prepared[E]], plural: str, settings: Settings) -> Iterator[Batch[E] | SaveFailure[E]]:
    """Pack what is prepared, in its order, into as few requests as the limits allow.

    A content is sent once per request, however many of its entities use it. An entity that is too large for a request
    of its own is a failure.
    """
    items: list[Prepared[E]] = []
    parts: dict[str, Part] = {}
    empty = Multipart.FRAME + Part(_DOCUMENTS, plural, "application/json", b"[]").cost
    size = empty

    def packed() -> Batch[E]:
        documents = b"[%b]" % b",".join(item.document or b"" for item in items)
        head = Part(_DOCUMENTS, plural, "application/json", documents)
        return Batch(tuple(items), Multipart((head, *parts.values())))

    for item in prepared:
        own = {part.name: part for part in item.parts}
        alone = empty + _cost(item, own.values())
        if alone >= settings.batch_bytes:
            yield SaveFailure(item.index, item.entity, _too_large(item.entity, alone, settings.batch_bytes))
            continue
        added = {name: part for name, part in own.items() if name not in parts}
        cost = _cost(item, added.values())
        if len(items) >= settings.batch_entities or size + cost >= settings.batch_bytes:
            yield packed()
            items, parts, size = [], {}, empty
            added, cost = own, alone - empty
        items.append(item)
        parts.update(added)
        size += cost
    if items:
        yield packed()


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
    files = tuple(
        dataclasses.replace(file, content=None) if file.content is not None else file for file in entity.files
    )
    if new_id is None:
        return confirmed(dataclasses.replace(entity, files=files))
    state = SimulationState.CREATED if isinstance(entity, Simulation) else WorkItemState.CREATED
    return confirmed(dataclasses.replace(entity, id=new_id, owner=entity.owner or owner, state=state, files=files))

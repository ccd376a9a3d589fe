"""Records as the documents that the service takes: creates, updates, tags (protocol 6.2 to 6.8)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import orjson

from acomps.entities import (
    AssetCollection,
    AssetCollectionFile,
    Configuration,
    Experiment,
    Simulation,
    SimulationFile,
    Suite,
    TagOperation,
    Worker,
    WorkItem,
    WorkItemFile,
)
from acomps.entities.states import Spelled
from acomps.entities.tags import NO_TAGS, Tags
from acomps.wire import spelling
from acomps.wire.dates import format_time
from acomps.wire.decode import UPDATABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from acomps.entities.record import Record
    from acomps.entities.tags import TagValue

__all__ = ["create_document", "encode", "new_files", "tags_document", "update_document"]

Document: TypeAlias = dict[str, object]
_File: TypeAlias = SimulationFile | WorkItemFile | AssetCollectionFile

#: The keys of a document with the fields that they come from.
_Keys: TypeAlias = tuple[tuple[str, str], ...]


def _keys(*fields: str) -> _Keys:
    return tuple((spelling.pascal(field), field) for field in fields)


#: The keys of a create, in the order in which the service's own client writes them.
_CREATE: Final[Mapping[type[Record], _Keys]] = {
    Suite: _keys("name", "description", "owner", "tags", "configuration"),
    Experiment: _keys("suite_id", "name", "description", "owner", "tags", "configuration"),
    Simulation: _keys("experiment_id", "name", "description", "owner", "tags", "configuration", "files"),
    WorkItem: _keys(
        "name",
        "worker",
        "environment_name",
        "description",
        "owner",
        "priority",
        "asset_collection_id",
        "tags",
        "files",
    ),
    AssetCollection: _keys("tags", "assets"),
}
_FILE: Final = _keys("file_type", "description", "file_name", "md5_checksum")
_ASSET: Final = _keys("relative_path", "tags", "file_name", "md5_checksum")
#: What goes into JSON as it is; orjson writes a UUID the way that the service does.
_AS_THEY_ARE: Final = frozenset({str, int, float, bool, uuid.UUID})


def encode(document: object) -> bytes:
    """JSON text of a document."""
    return orjson.dumps(document)


def create_document(entity: Record, owner: str | None) -> Document:
    """The document that creates `entity`; the md5 of every file must be known."""
    document: Document = {}
    for key, field in _CREATE[type(entity)]:
        value: object = owner if field == "owner" else getattr(entity, field)
        if value is not None and value is not NO_TAGS:
            document[key] = _value(value)
    return document


def update_document(entity: Record) -> Document | None:
    """The document that brings the server's copy up to `entity`: what differs from `origin`, or None if nothing does.

    Nothing can be cleared: what is None or empty is not sent.
    """
    names = UPDATABLE[type(entity)]
    before = entity.origin or (None,) * len(names)
    document: Document = {"Id": str(entity.saved_id)}
    for name, old in zip(names, before, strict=True):
        value: object = getattr(entity, name)
        if name == "files":
            added = new_files(entity)
            if added:
                document["Files"] = _files(added)
        elif value is not None and value != "" and value != old:
            document[spelling.pascal(name)] = _value(value)
    return document if len(document) > 1 else None


def new_files(entity: Record) -> tuple[SimulationFile | WorkItemFile, ...]:
    """The files of `entity` that the server does not have on it yet."""
    if not isinstance(entity, Simulation | WorkItem):
        return ()
    if entity.origin is None:
        return entity.files
    index = UPDATABLE[type(entity)].index("files")
    known = entity.origin[index]
    return tuple(file for file in entity.files if file not in known) if isinstance(known, tuple) else entity.files


def tags_document(tags: Mapping[str, TagValue], operation: TagOperation) -> Document:
    """The document of a tag call; the values of a deletion do not matter."""
    return {"Tags": dict(Tags(tags)), "OperationMode": operation.text}


def _files(files: Iterable[_File]) -> list[Document]:
    documents: list[Document] = []
    for file in files:
        document: Document = {}
        for key, field in _ASSET if isinstance(file, AssetCollectionFile) else _FILE:
            value: object = getattr(file, field)
            if value or (value == "" and field == "description"):
                document[key] = _value(value)
        documents.append(document)
    return documents


def _value(value: object) -> object:
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, uuid.UUID):
        # A kind of its own, as some database drivers have.
        return str(value)
    if isinstance(value, Spelled):
        return value.text
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Tags):
        return dict(value)
    if isinstance(value, Configuration):
        return _configuration(value)
    if isinstance(value, tuple):
        return _files(cast("tuple[_File, ...]", value))
    if isinstance(value, Worker):
        return {"name": value.name, "version": value.version}
    return value


def _configuration(value: Configuration) -> Document:
    fields = {wire: getattr(value, name) for name, wire in spelling.CONFIGURATION.items()}
    return {wire: _value(item) for wire, item in fields.items() if item is not None}

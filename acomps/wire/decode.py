"""Answers of the service as records: one table per document, the only place that reads the server's spelling.

Keys that no table knows are ignored, so that a newer server can add fields; a null is the same as no key.
"""

from __future__ import annotations

import gc
import operator
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar, cast

from acomps.entities import (
    AssetCollection,
    AssetCollectionFile,
    Configuration,
    EntityKind,
    Environment,
    Experiment,
    HpcJob,
    JobState,
    OutputFile,
    Priority,
    Relation,
    RelationType,
    Simulation,
    SimulationFile,
    SimulationState,
    Suite,
    Tags,
    User,
    Worker,
    WorkItem,
    WorkItemFile,
    WorkItemState,
)
from acomps.entities.record import Record
from acomps.errors import MalformedAnswer, UsageError
from acomps.wire import spelling
from acomps.wire.dates import parse_time

__all__ = [
    "UPDATABLE",
    "confirmed",
    "decode_changes",
    "decode_entities",
    "decode_entity",
    "decode_environments",
    "decode_ids",
    "decode_outputs",
    "decode_references",
    "decode_relations",
    "decode_rows",
    "decode_tagged",
    "decode_users",
    "only",
    "rows",
]

E = TypeVar("E", bound=Record)
T = TypeVar("T")
_Read: TypeAlias = Callable[[Any], object]
_Table: TypeAlias = Mapping[str, tuple[str, _Read]]


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("a text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("a whole number")
    return value


def _yes_no(value: Any) -> bool:
    return bool(value)


def _tags(value: Any) -> Tags:
    tags: dict[str, Any] = dict(value)
    return Tags.trusted(
        {key: item if type(item) is str else "" if item is None else str(item) for key, item in tags.items()}
    )


def _table(names: Mapping[str, str], **reads: _Read) -> _Table:
    """Wire key -> (field, reader), under the wire's spelling and under its lower-case form."""
    unknown = reads.keys() - names.keys()
    assert not unknown, unknown  # noqa: S101 - a table of this module that names no field is a mistake in this module
    table = {wire: (name, reads.get(name, _text)) for name, wire in names.items()}
    return {**table, **{wire.lower(): entry for wire, entry in table.items()}}


def _values(raw: object, table: _Table, what: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise MalformedAnswer(f"the server sent {type(raw).__name__} where {what} belongs")
    values: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", raw).items():
        entry = table.get(key) or table.get(key.lower())
        if entry is None or value is None:
            continue
        name, read = entry
        try:
            values[name] = read(value)
        except (TypeError, ValueError, AttributeError) as exc:
            raise MalformedAnswer(f"{what}: the server sent {value!r} as {key}") from exc
    return values


def _maker(make: Callable[..., object], names: Mapping[str, str], what: str, **reads: _Read) -> _Read:
    table = _table(names, **reads)

    def read(raw: object) -> object:
        values = _values(raw, table, what)
        try:
            return make(**values)
        except (TypeError, UsageError) as exc:
            raise MalformedAnswer(f"{what}: the server left out what it must have: {exc}") from exc

    return read


def _several(read: _Read) -> _Read:
    return lambda value: tuple([read(item) for item in value])


_configuration = _maker(
    Configuration,
    spelling.CONFIGURATION,
    "a configuration",
    maximum_number_of_retries=_whole,
    priority=Priority,
    min_cores=_whole,
    max_cores=_whole,
    exclusive=_yes_no,
    asset_collection_id=uuid.UUID,
)
_job = _maker(
    HpcJob,
    spelling.HPC_JOB,
    "an HPC job",
    id=uuid.UUID,
    job_id=_whole,
    job_state=JobState,
    priority=Priority,
    output_directory_size=_whole,
    submit_time=parse_time,
    start_time=parse_time,
    end_time=parse_time,
    configuration=_configuration,
)
_file_reads: Mapping[str, _Read] = {"md5_checksum": uuid.UUID, "length": _whole}
_simulation_file = _maker(SimulationFile, spelling.FILE, "a simulation's file", **_file_reads)
_work_item_file = _maker(WorkItemFile, spelling.FILE, "a work item's file", **_file_reads)
_asset = _maker(AssetCollectionFile, spelling.ASSET_FILE, "an asset", tags=_tags, **_file_reads)
_worker = _maker(Worker, {"name": "Name", "version": "Version"}, "a worker")
_output = _maker(OutputFile, spelling.OUTPUT_FILE, "an output file", id=uuid.UUID, **_file_reads)
_relation = _maker(
    Relation,
    {"id": "Id", "kind": "ObjectType", "relation_type": "Relationship"},
    "a relation",
    id=uuid.UUID,
    kind=EntityKind,
    relation_type=RelationType,
)


def _entity_table(entity: spelling.Spelling, **reads: _Read) -> _Table:
    names = {**entity.basics, **entity.children}
    common: dict[str, _Read] = {"id": uuid.UUID, "date_created": parse_time, "last_modified": parse_time, "tags": _tags}
    return _table(names, **{name: read for name, read in common.items() if name in names}, **reads)


_ENTITIES: Final[Mapping[type[Record], tuple[_Table, spelling.Spelling]]] = {
    Suite: (_entity_table(spelling.SUITE, configuration=_configuration), spelling.SUITE),
    Experiment: (
        _entity_table(spelling.EXPERIMENT, suite_id=uuid.UUID, configuration=_configuration),
        spelling.EXPERIMENT,
    ),
    Simulation: (
        _entity_table(
            spelling.SIMULATION,
            experiment_id=uuid.UUID,
            state=SimulationState,
            configuration=_configuration,
            files=_several(_simulation_file),
            hpc_jobs=_several(_job),
        ),
        spelling.SIMULATION,
    ),
    WorkItem: (
        _entity_table(
            spelling.WORK_ITEM,
            worker=_worker,
            state=WorkItemState,
            worker_instance_id=uuid.UUID,
            priority=Priority,
            working_directory_size=_whole,
            asset_collection_id=uuid.UUID,
            files=_several(_work_item_file),
            plugins=_several(_worker),
        ),
        spelling.WORK_ITEM,
    ),
    AssetCollection: (_entity_table(spelling.ASSET_COLLECTION, assets=_several(_asset)), spelling.ASSET_COLLECTION),
}

_TAGGED: Final = _table({"id": "Id", "tags": "Tags"}, id=uuid.UUID, tags=_tags)

#: What an update of an entity can change, by kind (protocol 6.2 to 6.5).
UPDATABLE: Final[Mapping[type[Record], tuple[str, ...]]] = MappingProxyType(
    {
        Suite: ("name", "description", "configuration"),
        Experiment: ("name", "description", "configuration", "suite_id"),
        Simulation: ("name", "description", "configuration", "experiment_id", "files"),
        WorkItem: ("name", "description", "files"),
        AssetCollection: ("id", "assets"),
    }
)
_origin_of: Final = {kind: operator.attrgetter(*names) for kind, names in UPDATABLE.items()}


def confirmed(entity: E) -> E:
    """`entity`, marked as being just what the server has. For a record that nobody else holds yet."""
    object.__setattr__(entity, "origin", _origin_of[type(entity)](entity))
    return entity


def decode_changes(kind: type[Record], raw: object) -> dict[str, Any]:
    """The fields that an answer holds, by python's names."""
    table, names = _ENTITIES[kind]
    return _values(raw, table, names.kind.text)


def decode_entity(kind: type[E], raw: object) -> E:
    """One entity of an answer."""
    values = decode_changes(kind, raw)
    if "id" not in values:
        raise MalformedAnswer(f"the server sent a {_ENTITIES[kind][1].kind.text} without an id")
    if kind is not AssetCollection:
        values.setdefault("name", "")
    return confirmed(kind(**values))


@contextmanager
def _collector_paused() -> Generator[None]:
    """Making many objects at once makes the cyclic collector run again and again, in vain: half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def decode_entities(kind: type[E], document: object) -> list[E]:
    """The entities in a listing `{"Simulations": [...]}`."""
    return decode_rows(kind, rows(document, _ENTITIES[kind][1].plural))


def decode_rows(kind: type[E], found: Sequence[object]) -> list[E]:
    """The entities in the rows of a listing."""
    with _collector_paused():
        return [decode_entity(kind, raw) for raw in found]


def rows(document: object, key: str) -> list[Any]:
    """The list under `key` of an answer, whatever the case of the key."""
    if isinstance(document, dict):
        wanted = key.lower()
        for name, value in cast("dict[str, Any]", document).items():
            if name.lower() == wanted and isinstance(value, list):
                return [*value]
    raise MalformedAnswer(f"the server's answer has no list {key!r}")


def only(found: Sequence[T], what: str) -> T:
    """The single element of an answer about one thing."""
    if len(found) != 1:
        raise MalformedAnswer(f"the server sent {len(found)} entries for {what}, not one")
    return found[0]


def decode_ids(document: object) -> list[uuid.UUID]:
    """The ids in the answer to a save, in the order of the request."""
    ids = rows(document, "Ids")
    try:
        return [uuid.UUID(text) for text in ids]
    except (ValueError, AttributeError, TypeError) as exc:
        raise MalformedAnswer(f"the server sent {ids!r} as ids") from exc


def decode_outputs(document: object) -> list[OutputFile]:
    """The files in an output listing; folders and links to folders are left out."""
    files: list[OutputFile] = []
    for raw in rows(document, "Resources"):
        if not isinstance(raw, dict) or str(cast("dict[str, Any]", raw).get("Type", "File")).endswith("Directory"):
            continue
        files.append(cast("OutputFile", _output(cast("object", raw))))
    return files


def decode_relations(document: object) -> list[Relation]:
    """What a work item is related to."""
    return [cast("Relation", _relation(raw)) for raw in rows(document, "Related")]


def decode_tagged(document: object, plural: str, tag: str) -> list[tuple[uuid.UUID, str]]:
    """The ids of a listing with the value of one tag; entities without it are left out."""
    found: list[tuple[uuid.UUID, str]] = []
    for raw in rows(document, plural):
        values = _values(raw, _TAGGED, plural)
        if "id" in values and values.get("tags", {}).get(tag) is not None:
            found.append((values["id"], str(values["tags"][tag])))
    return found


def decode_references(document: object, key: str) -> list[uuid.UUID]:
    """The ids of the references `{"Id": ...}` under `key`."""
    try:
        return [uuid.UUID(raw["Id"]) for raw in rows(document, key)]
    except (KeyError, ValueError, AttributeError, TypeError) as exc:
        raise MalformedAnswer(f"the server sent something else than references under {key!r}") from exc


def _names(value: Any) -> tuple[str, ...]:
    """Names given as a list of texts, a list of objects with a name, or an object keyed by name."""
    items: Iterable[Any] = value
    return tuple(str(item) if isinstance(item, str) else str(next(iter(item.values()))) for item in items)


_environment = _maker(
    Environment,
    {"name": "EnvironmentName", "group_name": "GroupName", "macros": "Macros"},
    "an environment",
    macros=lambda value: MappingProxyType({str(key): str(item) for key, item in value.items()}),
)
_user = _maker(
    User,
    {
        "name": "UserName",
        "email": "EmailAddress",
        "groups": "Groups",
        "environments": "Environments",
        "roles": "Roles",
        "applications": "Applications",
    },
    "a user",
    groups=_names,
    environments=_names,
    roles=_names,
    applications=_names,
)


def decode_environments(document: object) -> list[Environment]:
    """The environments of an answer."""
    return [cast("Environment", _environment(raw)) for raw in rows(document, "Environments")]


def decode_users(document: object) -> list[User]:
    """The users of an answer."""
    return [cast("User", _user(raw)) for raw in rows(document, "Users")]

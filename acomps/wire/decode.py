"""Answers of the service as records: one table per document, the only place that reads the server's spelling."""

from __future__ import annotations

import operator
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

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
    User,
    Worker,
    WorkItem,
    WorkItemFile,
    WorkItemState,
)
from acomps.entities.checks import base_name
from acomps.entities.record import Record
from acomps.errors import MalformedAnswer
from acomps.wire import spelling
from acomps.wire.dates import parse_time
from acomps.wire.tables import (
    Read,
    Table,
    filler,
    identity,
    maker,
    repeated,
    several,
    shared,
    table_of,
    tags,
    values,
    whole,
    yes_no,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
_state = repeated(SimulationState)
_priority = repeated(Priority)
#: What was made by one request, or has ended at once, has the same times.
_time = repeated(parse_time)
#: Ids that many objects name, such as that of their experiment.
_common_id = repeated(identity)

_configuration = shared(
    maker(
        Configuration,
        spelling.CONFIGURATION,
        "a configuration",
        maximum_number_of_retries=whole,
        priority=_priority,
        min_cores=whole,
        max_cores=whole,
        exclusive=yes_no,
        asset_collection_id=identity,
    )
)
_job = filler(
    HpcJob,
    table_of(
        spelling.HPC_JOB,
        id=identity,
        job_id=whole,
        job_state=repeated(JobState),
        priority=_priority,
        output_directory_size=whole,
        submit_time=_time,
        start_time=_time,
        end_time=_time,
        configuration=_configuration,
    ),
    "an HPC job",
)
_file_reads: Mapping[str, Read] = {"md5_checksum": identity, "length": whole}
_attached = table_of(spelling.FILE, file_name=repeated(lambda name: base_name(name, "file_name")), **_file_reads)
_simulation_file = shared(filler(SimulationFile, _attached, "a simulation's file", ("file_name", "md5_checksum")))
_work_item_file = shared(filler(WorkItemFile, _attached, "a work item's file", ("file_name", "md5_checksum")))
_asset = maker(AssetCollectionFile, spelling.ASSET_FILE, "an asset", tags=tags, **_file_reads)
_worker = shared(maker(Worker, {"name": "Name", "version": "Version"}, "a worker"))
_output = maker(OutputFile, spelling.OUTPUT_FILE, "an output file", id=identity, **_file_reads)
_relation = maker(
    Relation,
    {"id": "Id", "kind": "ObjectType", "relation_type": "Relationship"},
    "a relation",
    id=identity,
    kind=EntityKind,
    relation_type=RelationType,
)


def _entity_table(entity: spelling.Spelling, **reads: Read) -> Table:
    names = {**entity.basics, **entity.children}
    common: dict[str, Read] = {"id": identity, "date_created": _time, "last_modified": _time, "tags": tags}
    return table_of(names, **{name: read for name, read in common.items() if name in names}, **reads)


_ENTITIES: Final[Mapping[type[Record], tuple[Table, spelling.Spelling]]] = {
    Suite: (_entity_table(spelling.SUITE, configuration=_configuration), spelling.SUITE),
    Experiment: (
        _entity_table(spelling.EXPERIMENT, suite_id=_common_id, configuration=_configuration),
        spelling.EXPERIMENT,
    ),
    Simulation: (
        _entity_table(
            spelling.SIMULATION,
            experiment_id=_common_id,
            state=_state,
            configuration=_configuration,
            files=several(_simulation_file),
            hpc_jobs=several(_job),
        ),
        spelling.SIMULATION,
    ),
    WorkItem: (
        _entity_table(
            spelling.WORK_ITEM,
            worker=_worker,
            state=repeated(WorkItemState),
            worker_instance_id=identity,
            priority=Priority,
            working_directory_size=whole,
            asset_collection_id=identity,
            files=several(_work_item_file),
            plugins=several(_worker),
        ),
        spelling.WORK_ITEM,
    ),
    AssetCollection: (_entity_table(spelling.ASSET_COLLECTION, assets=several(_asset)), spelling.ASSET_COLLECTION),
}

_READERS: Final[Mapping[type[Record], Read]] = {
    kind: filler(kind, table, names.kind.text, **({} if kind is AssetCollection else {"name": ""}))
    for kind, (table, names) in _ENTITIES.items()
}

_TAGGED: Final = table_of({"id": "Id", "tags": "Tags"}, id=identity, tags=tags)

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
    return values(raw, table, names.kind.text)


def decode_entity(kind: type[E], raw: object) -> E:
    """One entity of an answer."""
    entity = cast("E", _READERS[kind](raw))
    if entity.id is None:
        raise MalformedAnswer(f"the server sent a {_ENTITIES[kind][1].kind.text} without an id")
    return confirmed(entity)


def decode_entities(kind: type[E], document: object) -> list[E]:
    """The entities in a listing `{"Simulations": [...]}`."""
    return decode_rows(kind, rows(document, _ENTITIES[kind][1].plural))


def decode_rows(kind: type[E], found: Sequence[object]) -> list[E]:
    """The entities in the rows of a listing."""
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
        fields = values(raw, _TAGGED, plural)
        if "id" in fields and fields.get("tags", {}).get(tag) is not None:
            found.append((fields["id"], str(fields["tags"][tag])))
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


_environment = maker(
    Environment,
    {"name": "EnvironmentName", "group_name": "GroupName", "macros": "Macros"},
    "an environment",
    macros=lambda value: MappingProxyType({str(key): str(item) for key, item in value.items()}),
)
_user = maker(
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

"""Rows of the database as the JSON of the wire; the children of a page are read together, never one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVarTuple

import orjson
from sqlalchemy import func, null, select

from acomps.entities.states import EntityKind
from acomps.local.records import schema
from acomps.local.records.configurations import coalesce
from acomps.local.records.database import given_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, Connection, Select

    from acomps.local.files.links import Links
    from acomps.local.records.queries import Listing

__all__ = ["page_columns", "page_documents"]

#: Columns that hold JSON text, which goes out as it is.
_JSON_COLUMNS: Final = frozenset({"worker"})

_Children: TypeAlias = Mapping[str, object]
Columns = TypeVarTuple("Columns")


def page_columns(listing: Listing) -> list[str]:
    """The columns that `page_documents` needs: the properties asked for, and what their children are found by."""
    names = [name for name, _ in listing.fields]
    if "Configuration" in listing.children:
        names.append("configuration")
        if listing.coalesced and listing.kind in _PARENTS:
            names.append(_PARENTS[listing.kind][0])
    return list(dict.fromkeys([*names, "id"]))


def page_documents(
    connection: Connection, listing: Listing, rows: Sequence[Sequence[object]], links: Links
) -> list[dict[str, object]]:
    """One JSON object per row of `page_columns`, children included."""
    place = {name: position for position, name in enumerate(page_columns(listing))}
    properties = [(place[name], wire, name in _JSON_COLUMNS) for name, wire in listing.fields]
    identity = place["id"]
    ids = orjson.dumps([row[identity] for row in rows]).decode()
    children = [(name, _CHILDREN[name](connection, ids, links)) for name in listing.children if name in _CHILDREN]
    configured = _configurations(connection, listing, place) if "Configuration" in listing.children else None
    documents: list[dict[str, object]] = []
    for row in rows:
        document: dict[str, object] = {}
        for position, wire, is_json in properties:
            value = row[position]
            if value is not None:
                document[wire] = orjson.Fragment(str(value)) if is_json else value
        for name, found in children:
            child = found.get(str(row[identity]))
            if child is not None:
                document[name] = child
        if configured is not None:
            configuration = configured(row)
            if configuration is not None:
                document["Configuration"] = configuration
        documents.append(document)
    return documents


_PARENTS: Final = {
    EntityKind.EXPERIMENT: ("suite_id", EntityKind.SUITE),
    EntityKind.SIMULATION: ("experiment_id", EntityKind.EXPERIMENT),
}


def _configurations(
    connection: Connection, listing: Listing, place: Mapping[str, int]
) -> Callable[[Sequence[object]], object]:
    """What gives the Configuration of a row: its own as it is stored, or the merged one."""
    own = place["configuration"]
    if not listing.coalesced:
        return lambda row: None if row[own] is None else orjson.Fragment(str(row[own]))
    if listing.kind not in _PARENTS:
        return lambda row: coalesce(_text(row[own]))
    column, parent = _PARENTS[listing.kind]
    above = _Levels(connection)
    return lambda row: coalesce(*above.of(parent, _text(row[place[column]])), _text(row[own]))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


class _Levels:
    """Stored configurations of suites and experiments, each read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, tuple[str | None, ...]] = {}

    def of(self, kind: EntityKind, entity_id: str | None) -> tuple[str | None, ...]:
        """The configurations of an entity and of all above it, the highest first."""
        if entity_id is None:
            return ()
        if entity_id not in self._known:
            self._known[entity_id] = self._read(kind, entity_id)
        return self._known[entity_id]

    def _read(self, kind: EntityKind, entity_id: str) -> tuple[str | None, ...]:
        table = schema.TABLES[kind]
        above = _PARENTS.get(kind)
        parent_id = table.c[above[0]] if above else null()
        found = self._connection.execute(
            select(table.c.configuration, parent_id).where(table.c.id == entity_id)
        ).first()
        if found is None:
            return ()
        own, parent = _text(found[0]), _text(found[1])
        return (*self.of(above[1], parent), own) if above else (own,)


def _among(statement: Select[*Columns], owner: Column[str]) -> Select[*Columns]:
    return statement.where(owner.in_(given_ids()))


#: The tags of an entity as one JSON object, made by the database: fewer rows come out of it.
_TAGS: Final = _among(
    select(schema.tags.c.entity_id, func.json_group_object(schema.tags.c.key, schema.tags.c.value)),
    schema.tags.c.entity_id,
).group_by(schema.tags.c.entity_id)

_FILES: Final = _among(
    select(
        schema.files.c.entity_id,
        schema.files.c.file_name,
        schema.files.c.file_type,
        schema.files.c.description,
        schema.files.c.md5_checksum,
        schema.files.c.length,
    ),
    schema.files.c.entity_id,
).order_by(schema.files.c.entity_id, schema.files.c.position)

_ASSETS: Final = _among(
    select(
        schema.assets.c.entity_id,
        schema.assets.c.file_name,
        schema.assets.c.relative_path,
        schema.assets.c.tags,
        schema.assets.c.md5_checksum,
        schema.assets.c.length,
    ),
    schema.assets.c.entity_id,
).order_by(schema.assets.c.entity_id, schema.assets.c.position)

_JOBS: Final = _among(
    select(
        schema.jobs.c.simulation_id,
        schema.jobs.c.id,
        func.coalesce(schema.jobs.c.cluster_id, schema.jobs.c.job_id),
        schema.jobs.c.job_state,
        schema.jobs.c.priority,
        schema.jobs.c.working_directory,
        schema.jobs.c.output_directory_size,
        schema.jobs.c.submit_time,
        schema.jobs.c.start_time,
        schema.jobs.c.end_time,
        schema.jobs.c.error_message,
        schema.jobs.c.configuration,
    ),
    schema.jobs.c.simulation_id,
).order_by(schema.jobs.c.simulation_id, schema.jobs.c.job_id)


def _tags(connection: Connection, ids: str, _links: Links) -> _Children:
    return {owner: orjson.Fragment(tags) for owner, tags in connection.execute(_TAGS, {"ids": ids}).all()}


def _files(connection: Connection, ids: str, links: Links) -> _Children:
    found: defaultdict[str, list[object]] = defaultdict(list)
    # Simulations of a sweep share most of their files: each is made once per page.
    made: dict[tuple[object, ...], orjson.Fragment] = {}
    for owner, *file in connection.execute(_FILES, {"ids": ids}).all():
        key = tuple(file)
        document = made.get(key)
        if document is None:
            document = made[key] = orjson.Fragment(orjson.dumps(_file(links, *file)))
        found[owner].append(document)
    return found


def _file(links: Links, name: str, kind: str | None, description: str | None, md5: str, length: int) -> _Children:
    document: dict[str, object] = {"FileName": name}
    if kind is not None:
        document["FileType"] = kind
    if description:
        document["Description"] = description
    document["MD5Checksum"] = md5
    document["Length"] = length
    document["Uri"] = links.content(md5, name)
    return document


def _assets(connection: Connection, ids: str, links: Links) -> _Children:
    found: defaultdict[str, list[object]] = defaultdict(list)
    for owner, name, folder, tags, md5, length in connection.execute(_ASSETS, {"ids": ids}).all():
        document: dict[str, object] = {"FileName": name}
        if folder:
            # Clients of the real service see this separator, whatever they sent.
            document["RelativePath"] = folder.replace("/", "\\")
        if tags is not None:
            document["Tags"] = orjson.Fragment(tags)
        document["MD5Checksum"] = md5
        document["Length"] = length
        document["Uri"] = links.content(md5, name)
        found[owner].append(document)
    return found


def _jobs(connection: Connection, ids: str, _links: Links) -> _Children:
    found: defaultdict[str, list[object]] = defaultdict(list)
    for row in connection.execute(_JOBS, {"ids": ids}).all():
        owner, job, number, state, priority, folder, size, submitted, started, ended, error, configuration = row
        document: dict[str, object] = {"Id": job, "JobId": number, "JobState": state, "Priority": priority}
        document["WorkingDirectory"] = folder
        if size is not None:
            document["OutputDirectorySize"] = size
        document["SubmitTime"] = submitted
        if started is not None:
            document["StartTime"] = started
        if ended is not None:
            document["EndTime"] = ended
        if error is not None:
            document["ErrorMessage"] = error
        document["Configuration"] = orjson.Fragment(configuration)
        document["TaskState"] = "NotSet"
        found[owner].append(document)
    return found


_CHILDREN: Final[Mapping[str, Callable[[Connection, str, Links], _Children]]] = {
    "Tags": _tags,
    "Files": _files,
    "Assets": _assets,
    "HPCJobs": _jobs,
}

"""Entities as clients send them, checked and brought into the form of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from acomps.entities.states import EntityKind
from acomps.local.errors import Refused
from acomps.local.files.names import LINK_NAME, asset_folder, file_name
from acomps.local.jsons import JSON, dumps, guid, objects, own_object, renamed, text
from acomps.local.records.configurations import Reader, priority_of
from acomps.local.records.tagging import read_tags
from acomps.wire.spelling import ASSET_FILE, FILE, SPELLINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from acomps.local.environments import Environments

__all__ = ["AssetDraft", "CollectionDraft", "Draft", "DraftReader", "FileDraft", "read_collection"]


def _columns_by_key(spelling: Mapping[str, str]) -> dict[str, str]:
    """The columns by the keys of the wire, and by the same in lower case."""
    return {key: column for column, wire in spelling.items() for key in (wire, wire.lower())}


_FILE_NAMES: Final = _columns_by_key(FILE)
_ASSET_NAMES: Final = _columns_by_key(ASSET_FILE)
_COLLECTION_NAMES: Final = {"tags": "tags", "assets": "assets"}
MAX_NAME: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDraft:
    """One file of a simulation or work item."""

    file_name: str
    file_type: str | None
    description: str | None
    md5_checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetDraft:
    """One file of an asset collection."""

    file_name: str
    relative_path: str
    tags: str | None
    md5_checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One entity to create (`id` is None) or to update."""

    id: str | None
    #: Column values that the client may set and has given.
    values: Mapping[str, str]
    tags: Mapping[str, str]
    configuration: Mapping[str, JSON] | None
    files: Sequence[FileDraft]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionDraft:
    """One asset collection to create."""

    tags: Mapping[str, str]
    assets: Sequence[AssetDraft]


class DraftReader:
    """Reads the entities of one request."""

    def __init__(self, kind: EntityKind, environments: Environments, user: str) -> None:
        self._kind = kind
        spelling = SPELLINGS[kind]
        self._names = _columns_by_key({**spelling.basics, **spelling.children})
        self._configurations = Reader(environments, user)
        self._checks: dict[str, Callable[[JSON], str]] = {
            "name": _name,
            "description": lambda value: text(value, "Description"),
            "suite_id": lambda value: guid(value, "SuiteId"),
            "experiment_id": lambda value: guid(value, "ExperimentId"),
        }
        self._create_only: dict[str, Callable[[JSON], str]] = {}
        if kind is EntityKind.WORK_ITEM:
            self._create_only = {
                "worker": _worker,
                "environment_name": lambda value: environments.named(text(value, "EnvironmentName")).name,
                "priority": lambda value: priority_of(value).text,
                "asset_collection_id": lambda value: guid(value, "AssetCollectionId"),
            }

    def read(self, document: Mapping[str, JSON]) -> Draft:
        """One entity of the request."""
        given = renamed(document, self._names)
        entity_id = guid(given["id"], "Id") if "id" in given else None
        checks = self._checks if entity_id else {**self._checks, **self._create_only}
        values = {column: check(given[column]) for column, check in checks.items() if column in given}
        if entity_id is None:
            for column in ("name", *(("worker", "environment_name") if self._create_only else ())):
                if column not in values:
                    what = SPELLINGS[self._kind].basics[column]
                    raise Refused(400, f"a new {self._kind.text} needs a {what}")
        return Draft(
            id=entity_id,
            values=values,
            tags=read_tags(given["tags"]) if "tags" in given and entity_id is None else {},
            configuration=self._configurations.read(given["configuration"]) if "configuration" in given else None,
            files=_files(given["files"]) if "files" in given else (),
        )


def _name(value: JSON) -> str:
    name = text(value, "Name")
    if not name.strip():
        raise Refused(400, "Name must not be empty")
    if len(name) > MAX_NAME:
        raise Refused(400, f"Name is longer than {MAX_NAME} characters")
    return name


def _worker(value: JSON) -> str:
    given = renamed(own_object(value, "Worker"), {"name": "Name", "version": "Version"})
    if len(given) != 2:
        raise Refused(400, "Worker needs a name and a version")
    # Clients need exactly these two keys.
    return dumps({key: text(given[key], f"{key} of Worker") for key in ("Name", "Version")})


def _files(value: JSON) -> list[FileDraft]:
    drafts: list[FileDraft] = []
    names: set[str] = set()
    for document in objects(value, "Files"):
        given = renamed(document, _FILE_NAMES)
        name = file_name(text(given.get("file_name"), "FileName"))
        if name == LINK_NAME:
            raise Refused(400, f"a file cannot be named {LINK_NAME}: that is where the asset collection appears")
        if name in names:
            raise Refused(400, f"two files are named {name!r}"[:400])
        names.add(name)
        drafts.append(
            FileDraft(
                file_name=name,
                file_type=text(given["file_type"], "FileType") if "file_type" in given else None,
                description=text(given["description"], "Description") if "description" in given else None,
                md5_checksum=guid(given.get("md5_checksum"), f"MD5Checksum of {name!r}"),
            )
        )
    return drafts


def read_collection(document: Mapping[str, JSON]) -> CollectionDraft:
    """One asset collection of the request."""
    given = renamed(document, _COLLECTION_NAMES)
    assets = [_asset(asset) for asset in objects(given.get("assets", []), "Assets")]
    paths: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for asset in assets:
        folder = tuple(asset.relative_path.split("/")) if asset.relative_path else ()
        path = (*folder, asset.file_name)
        if path in paths:
            raise Refused(400, f"two assets are named {'/'.join(path)!r}"[:400])
        paths.add(path)
        folders.update(folder[:depth] for depth in range(1, len(folder) + 1))
    both = paths & folders
    if both:
        raise Refused(400, f"{'/'.join(min(both))!r} is an asset and a folder at the same time"[:400])
    return CollectionDraft(tags=read_tags(given.get("tags", {})), assets=assets)


def _asset(document: Mapping[str, JSON]) -> AssetDraft:
    given = renamed(document, _ASSET_NAMES)
    name = file_name(text(given.get("file_name"), "FileName"))
    tags = read_tags(given["tags"], f"Tags of {name!r}") if "tags" in given else {}
    return AssetDraft(
        file_name=name,
        relative_path=asset_folder(text(given.get("relative_path", ""), "RelativePath")),
        tags=dumps(tags) if tags else None,
        md5_checksum=guid(given.get("md5_checksum"), f"MD5Checksum of {name!r}"),
    )

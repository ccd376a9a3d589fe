"""Files that travel with an entity, and the files that it leaves behind."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import orjson

from acomps.entities.checks import as_uuid, base_name, frozen_tags, put
from acomps.entities.tags import NO_TAGS, TagValue
from acomps.errors import UsageError

__all__ = ["AssetCollectionFile", "AttachedFile", "OutputFile", "SimulationFile", "WorkItemFile"]


def _check_content(name: str, content: Path | bytes | None, md5: uuid.UUID | None) -> None:
    if isinstance(content, str):
        raise UsageError(f"the content of {name!r} is a text; give bytes (text.encode()) or a pathlib.Path of the file")
    if content is None and md5 is None:
        raise UsageError(f"file {name!r} needs content (bytes or a Path) or the md5 of what the server has")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedFile:
    """One file of a simulation or work item: a plain name, and what is in it.

    The content is bytes, a path that is read when the entity is saved, or only the md5 of something that the server
    has already. `length` (bytes) and `uri` are filled in by the server.
    """

    file_name: str
    file_type: str = "input"
    description: str = ""
    md5_checksum: uuid.UUID | None = None
    length: int | None = None
    uri: str | None = None
    content: Path | bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        base_name(self.file_name, "file_name")
        if self.md5_checksum is not None and not isinstance(self.md5_checksum, uuid.UUID):
            put(self, "md5_checksum", as_uuid(self.md5_checksum, f"the md5 of {self.file_name!r}"))
        _check_content(self.file_name, self.content, self.md5_checksum)

    @classmethod
    def from_path(cls, path: Path | str, *, file_name: str | None = None, file_type: str = "input") -> Self:
        """The file at `path`, under its own name unless another is given."""
        path = Path(path)
        return cls(file_name=file_name or path.name, file_type=file_type, content=path)


class SimulationFile(AttachedFile):
    """A file that lies in the working directory of a simulation when it starts."""

    __slots__ = ()


class WorkItemFile(AttachedFile):
    """A file that lies in the working directory of a work item; the work order has the file type "WorkOrder"."""

    __slots__ = ()

    @classmethod
    def work_order(cls, order: Mapping[str, object] | bytes | Path) -> Self:
        """The work order, which tells the worker what to do: a JSON document as a mapping, in bytes, or in a file.

        A path gives the file its name; the others are called WorkOrder.json.
        """
        if isinstance(order, Path):
            return cls.from_path(order, file_type="WorkOrder")
        content = order if isinstance(order, bytes) else orjson.dumps(dict(order), option=orjson.OPT_INDENT_2)
        return cls(file_name="WorkOrder.json", file_type="WorkOrder", content=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetCollectionFile:
    """One file of an asset collection, in the folder `relative_path` (with `/`) of the collection."""

    file_name: str
    relative_path: str = ""
    md5_checksum: uuid.UUID | None = None
    tags: Mapping[str, TagValue] = NO_TAGS
    length: int | None = None
    uri: str | None = None
    content: Path | bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        base_name(self.file_name, "file_name")
        folder = self.relative_path.replace("\\", "/").strip("/")
        if "\0" in folder or ".." in folder.split("/") or ":" in folder:
            raise UsageError(f"relative_path {self.relative_path!r} leaves the collection")
        put(self, "relative_path", folder)
        put(self, "tags", frozen_tags(self.tags))
        if self.md5_checksum is not None and not isinstance(self.md5_checksum, uuid.UUID):
            put(self, "md5_checksum", as_uuid(self.md5_checksum, f"the md5 of {self.file_name!r}"))
        _check_content(self.file_name, self.content, self.md5_checksum)

    @classmethod
    def from_path(cls, path: Path | str, *, relative_path: str = "", file_name: str | None = None) -> Self:
        """The file at `path`, in the folder `relative_path` of the collection."""
        path = Path(path)
        return cls(file_name=file_name or path.name, relative_path=relative_path, content=path)

    @property
    def path(self) -> str:
        """Where the file lies inside the collection, with `/`."""
        return f"{self.relative_path}/{self.file_name}" if self.relative_path else self.file_name


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """One file in the working directory of a simulation or work item, as the server lists it."""

    id: uuid.UUID
    file_name: str
    path_from_root: str = "."
    length: int
    url: str
    mime_type: str | None = None
    md5_checksum: uuid.UUID | None = None

    @property
    def path(self) -> str:
        """Where the file lies under the working directory, with `/`."""
        folder = self.path_from_root.replace("\\", "/").rstrip("/")
        return self.file_name if folder in {"", "."} else f"{folder}/{self.file_name}"

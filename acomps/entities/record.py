"""What all entities that a server keeps have in common."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from acomps.entities.checks import as_uuid, frozen_tags, is_text, non_empty, put
from acomps.entities.tags import NO_TAGS, Tags, TagValue
from acomps.errors import UsageError

__all__ = ["NamedRecord", "Record"]


@functools.cache
def _in_words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An entity with an id and tags; both times and the id are the server's.

    Tags are whatever scalars one gives, and texts once they come back from the server. What a query did not ask for
    is None, or empty. `origin` holds what the server last confirmed of the fields that an update can change, so that
    saving a changed copy sends only what differs.
    """

    id: uuid.UUID | None = None
    date_created: datetime | None = None
    tags: Mapping[str, TagValue] = NO_TAGS
    origin: tuple[object, ...] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.id is not None and not isinstance(self.id, uuid.UUID):
            put(self, "id", as_uuid(self.id, f"the id of {self.described}"))
        if type(self.tags) is not Tags:
            put(self, "tags", frozen_tags(self.tags))

    @property
    def kind_name(self) -> str:
        """The kind of entity in plain words, for messages."""
        return _in_words(type(self).__name__)

    @property
    def described(self) -> str:
        """The entity in the words of a message."""
        return self.kind_name if self.id is None else f"{self.kind_name} {self.id}"

    @property
    def saved_id(self) -> uuid.UUID:
        """The id that the server gave; an entity that was never saved has none, which is an error."""
        if self.id is None:
            raise UsageError(f"{self.described} has no id yet: save it first and use what `save` returns")
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecord(Record):
    """An entity with a name, a description and an owner.

    The name is required; it is empty only in what was read by a query that did not select it.
    """

    name: str
    description: str | None = None
    owner: str | None = None
    last_modified: datetime | None = None

    def __post_init__(self) -> None:
        # super() without arguments does not work in a slotted dataclass: the decorator makes a second class.
        Record.__post_init__(self)
        if self.id is None and not is_text(self.name):
            non_empty(self.name, f"the name of a new {self.kind_name}")

    @property
    def described(self) -> str:
        """The entity in the words of a message."""
        name = f"{self.kind_name} {self.name!r}" if self.name else self.kind_name
        return name if self.id is None else f"{name} ({self.id})"

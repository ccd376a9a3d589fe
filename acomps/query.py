"""What to ask a server for: an immutable value that is built by chaining.

    Query().where("state=Failed", "date_created>=2026-01-01").where_tag("Run_Number=3").children("tags").limit(50)

A query does not know which entity it will be used for; its names are checked when it is used, before anything is sent.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Self

from acomps.errors import UsageError

__all__ = ["Condition", "Query"]

_CONDITION: Final = re.compile(r"\s*(\w+)\s*(!=|>=|<=|=|~|>|<)(.*)", re.DOTALL)
_OPERATORS: Final = frozenset({"=", "!=", "~", ">", "<", ">=", "<="})


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; all conditions of a query must hold. `~` means: contains, with `%` as a wildcard."""

    field: str
    operator: str
    value: str

    def __post_init__(self) -> None:
        if self.operator not in _OPERATORS:
            raise UsageError(f"{self.operator!r} is no operator; there are {' '.join(sorted(_OPERATORS))}")
        if "," in self.value:
            raise UsageError(
                f"the condition on {self.field!r} has a comma in {self.value!r}, which the service reads as the "
                "beginning of another condition: use '~' with '%' in its place"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The condition in a text such as "name~Test" or "date_created>=2026-01-01"."""
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no condition: write field, operator and value, as in 'state=Failed'")
        return cls(match[1], match[2], match[3])


def _as_text(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | uuid.UUID):
        return str(value)
    raise UsageError(f"a condition cannot compare with a {type(value).__name__}: {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which entities, which of their fields and children, in which order, and how many.

    `conditions` are what `where` added, `tag_conditions` what `where_tag` added: both are texts of the protocol's
    form with python's field names. `extras` are sent as they are and win over everything else.
    """

    fields: tuple[str, ...] = ()
    child_names: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    tag_conditions: tuple[str, ...] = ()
    order: tuple[str, bool] | None = None
    first: int = 0
    count: int | None = None
    extras: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def select(self, *fields: str) -> Query:
        """Only these basic fields, so that answers are small; `id` is always among them."""
        return dataclasses.replace(self, fields=(*self.fields, *fields))

    def children(self, *names: str) -> Query:
        """These child objects as well: tags, configuration, files, hpc_jobs, assets, plugins."""
        return dataclasses.replace(self, child_names=(*self.child_names, *names))

    def where(self, *conditions: str | Condition, **equal: object) -> Query:
        """Only what meets all `conditions` ("name~Test") and all equalities (`state=SimulationState.FAILED`)."""
        added = [item if isinstance(item, Condition) else Condition.parse(item) for item in conditions]
        added += [Condition(name, "=", _as_text(value)) for name, value in equal.items()]
        return dataclasses.replace(self, conditions=(*self.conditions, *added))

    def where_tag(self, *conditions: str, **equal: object) -> Query:
        """Only what has these tags: "key" (it exists), "key=value", "key~part", "key>5", or `key=value`."""
        added = [*conditions, *(f"{name}={_as_text(value)}" for name, value in equal.items())]
        for text in added:
            if not text.strip() or "," in text:
                raise UsageError(f"{text!r} is no tag condition: it must not be empty nor have a comma")
        return dataclasses.replace(self, tag_conditions=(*self.tag_conditions, *added))

    def order_by(self, name: str, *, descending: bool = False) -> Query:
        """Sorted by one basic field."""
        return dataclasses.replace(self, order=(name, descending))

    def offset(self, first: int) -> Query:
        """Without the first `first` entities."""
        if first < 0:
            raise UsageError(f"an offset cannot be negative: {first}")
        return dataclasses.replace(self, first=first)

    def limit(self, count: int) -> Query:
        """At most `count` entities."""
        if count < 1:
            raise UsageError(f"a limit must be at least 1: {count}")
        return dataclasses.replace(self, count=count)

    def extra(self, **parameters: str) -> Query:
        """Query parameters of the service that acomps has no name for, sent as they are."""
        return dataclasses.replace(self, extras=MappingProxyType({**self.extras, **parameters}))

"""Environments (clusters with their folders) and users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from acomps.entities.checks import non_empty

__all__ = ["Environment", "User"]

_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where simulations run. `macros` are what `$COMPS_PATH(NAME)` stands for; the listing of all leaves them out."""

    name: str
    group_name: str | None = None
    macros: Mapping[str, str] = field(default_factory=lambda: _EMPTY)

    def __post_init__(self) -> None:
        non_empty(self.name, "the name of an environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the server, with the names of what he belongs to and may use."""

    name: str
    email: str | None = None
    groups: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        non_empty(self.name, "the name of a user")

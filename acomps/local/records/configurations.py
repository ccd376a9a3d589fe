"""Configurations: what clients may say in them, and how the levels add up (protocol 10.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from acomps.entities.states import Priority
from acomps.local.errors import Refused
from acomps.local.jsons import JSON, guid, integer, own_object, renamed, text
from acomps.wire.spelling import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from acomps.local.environments import Environments

__all__ = ["Reader", "coalesce", "loads", "merged", "priority_of"]

_NAMES: Final = {wire.lower(): wire for wire in CONFIGURATION.values()}
MAX_RETRIES: Final = 100
MAX_CORES: Final = 100_000


class Reader:
    """Reads the Configuration objects of one request; equal ones are checked once."""

    def __init__(self, environments: Environments, user: str) -> None:
        self._environments = environments
        self._user = user
        self._checks: Mapping[str, Callable[[JSON], JSON]] = {
            "EnvironmentName": lambda value: environments.named(text(value, "EnvironmentName")).name,
            "MaximumNumberOfRetries": lambda value: integer(value, "MaximumNumberOfRetries", most=MAX_RETRIES),
            "Priority": lambda value: priority_of(value).text,
            "MinCores": lambda value: integer(value, "MinCores", least=1, most=MAX_CORES),
            "MaxCores": lambda value: integer(value, "MaxCores", least=1, most=MAX_CORES),
            "Exclusive": _flag,
            "AssetCollectionId": lambda value: guid(value, "AssetCollectionId"),
            "WorkingDirectoryRoot": self._root,
        }

    def read(self, value: JSON) -> dict[str, JSON]:
        """The checked properties of one Configuration, in the wire's spelling; what is not given is not there."""
        given = renamed(own_object(value, "Configuration"), _NAMES)
        checked = {
            name: check(given[name]) if (check := self._checks.get(name)) else text(given[name], name) for name in given
        }
        least, most = checked.get("MinCores"), checked.get("MaxCores")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            raise Refused(400, f"MinCores ({least}) is more than MaxCores ({most})")
        return checked

    def _root(self, value: JSON) -> JSON:
        root = text(value, "WorkingDirectoryRoot")
        # The environment may be named on another level: any environment that can hold the folder will do here.
        refusal: Refused | None = None
        for environment in self._environments.all():
            try:
                environment.expand(root, self._user)
            except Refused as exc:
                refusal = exc
            else:
                return root
        raise refusal or Refused(400, "no environment is configured")


def loads(stored: str | None) -> dict[str, JSON]:
    """A stored configuration as an object; nothing stored is an empty one."""
    if not stored:
        return {}
    found: dict[str, JSON] = orjson.loads(stored)
    return found


def merged(stored: str | None, update: Mapping[str, JSON]) -> str:
    """The stored configuration with the given properties changed and all others as they were."""
    return orjson.dumps({**loads(stored), **update}).decode()


def coalesce(*levels: str | None) -> dict[str, JSON]:
    """One configuration out of stored ones; a later level overrides an earlier one, property by property."""
    together: dict[str, JSON] = {}
    for level in levels:
        together.update(loads(level))
    return {name: together[name] for name in CONFIGURATION.values() if name in together}


def priority_of(value: JSON) -> Priority:
    """A priority by its name in any case, or by its number."""
    for priority in Priority:
        if priority.code < 0:
            continue
        if value == priority.code or (isinstance(value, str) and value.lower() == priority.text.lower()):
            return priority
    raise Refused(
        400, f"Priority must be one of {', '.join(p.text for p in Priority if p.code >= 0)}, not {value!r}"[:400]
    )


def _flag(value: JSON) -> JSON:
    if isinstance(value, str):
        value = {"true": True, "false": False, "1": True, "0": False}.get(value.lower())
    if isinstance(value, int | float) and value in {0, 1}:
        return bool(value)
    raise Refused(400, "Exclusive must be true or false")

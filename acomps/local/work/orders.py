"""Scheduling work orders: a file that says what a simulation runs, and on what (protocol 10.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from acomps.local.errors import Refused
from acomps.local.jsons import JSON, decode, integer, own_object, renamed, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FILE_NAME", "FILE_TYPE", "WorkOrder", "expand", "read_order"]

T = TypeVar("T")

#: A file of this name and type is one; both are compared without regard to case.
FILE_NAME: Final = "workorder.json"
FILE_TYPE: Final = "workorder"

_MOST: Final = 100_000
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """What it says; None and empty are for what it does not say."""

    command: str
    node_group: str | None = None
    cores: int | None = None
    nodes: int | None = None
    processes: int | None = None
    mpi: bool = False
    #: On clusters of one kind only: everything on one machine, and nothing else there.
    single_node: bool = False
    exclusive: bool | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def _count(name: str) -> Callable[[JSON], int]:
    return lambda value: integer(value, name, least=1, most=_MOST)


def _flag(name: str) -> Callable[[JSON], bool]:
    def check(value: JSON) -> bool:
        if isinstance(value, bool):
            return value
        raise Refused(400, f"{name} must be true or false")

    return check


def _variables(value: JSON) -> dict[str, str]:
    given = own_object(value, "Environment")
    bad = next((name for name in given if not name or "=" in name or "\0" in name), None)
    if bad is not None:
        raise Refused(400, f"{bad!r} is not a name for an environment variable"[:400])
    return {name: text(content, f"{name} of Environment") for name, content in given.items()}


_NAMES: Final = {
    name.lower(): name
    for name in (
        *("Command", "NodeGroupName", "NumCores", "NumNodes", "NumProcesses", "EnableMpi", "Environment"),
        *("SingleNode", "Exclusive"),
    )
}


def read_order(data: bytes) -> WorkOrder:
    """The work order in a file; one that says something unknown or impossible is refused."""
    try:
        given = own_object(decode(data, "it"), "it")
        unknown = next((name for name in given if name.lower() not in _NAMES), None)
        if unknown is not None:
            raise Refused(400, f"there is no property {unknown!r}, only {', '.join(_NAMES.values())}"[:400])
        given = renamed(given, _NAMES)
        order = WorkOrder(
            command=text(given.get("Command"), "Command"),
            node_group=_given(given, "NodeGroupName", lambda value: text(value, "NodeGroupName")),
            cores=_given(given, "NumCores", _count("NumCores")),
            nodes=_given(given, "NumNodes", _count("NumNodes")),
            processes=_given(given, "NumProcesses", _count("NumProcesses")),
            mpi=_given(given, "EnableMpi", _flag("EnableMpi")) or False,
            single_node=_given(given, "SingleNode", _flag("SingleNode")) or False,
            exclusive=_given(given, "Exclusive", _flag("Exclusive")),
            environment=_given(given, "Environment", _variables) or {},
        )
    except Refused as exc:
        raise Refused(400, f"the work order cannot be used: {exc.message}") from exc
    if not order.command.strip():
        raise Refused(400, "the work order cannot be used: its Command is empty")
    return order


def _given(given: Mapping[str, JSON], name: str, check: Callable[[JSON], T]) -> T | None:
    value = given.get(name)
    return None if value is None else check(value)


def expand(variables: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The variables with $NAME and ${NAME} replaced as a shell would, by what is known or stands before them."""
    together = dict(known)
    expanded: dict[str, str] = {}
    for name, value in variables.items():
        expanded[name] = together[name] = _VARIABLE.sub(lambda found: together.get(found[1] or found[2], ""), value)
    return expanded

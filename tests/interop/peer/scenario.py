"""Scenarios: what they are called, which names of pyCOMPS they exercise, and whether they really did."""

from __future__ import annotations

import datetime
import enum
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, cast

__all__ = ["SCENARIOS", "plain", "run", "scenario"]


@dataclass(frozen=True)
class Scenario:
    """One thing that pyCOMPS can be asked to do."""

    do: Callable[..., object]
    #: Names like Simulation.save; Simulation.name= is the setter.
    exercises: frozenset[str]


SCENARIOS: dict[str, Scenario] = {}


def scenario(*exercised: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Make a function a scenario that claims to exercise these names, separated by spaces."""

    def register(do: Callable[..., object]) -> Callable[..., object]:
        SCENARIOS[do.__name__] = Scenario(do, frozenset(name for names in exercised for name in names.split()))
        return do

    return register


def run(name: str, arguments: Mapping[str, object]) -> object:
    """What the scenario found; LookupError when it did not call a name that it claims to exercise."""
    wanted = SCENARIOS[name]
    called: set[str] = set()

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and str(frame.f_globals.get("__name__")).startswith("COMPS"):
            called.update(_names(frame))

    sys.setprofile(watch)
    try:
        found = wanted.do(**arguments)
    finally:
        sys.setprofile(None)
    if not wanted.exercises <= called:
        raise LookupError(f"{name} did not call {', '.join(sorted(wanted.exercises - called))}")
    return plain(found)


def _names(frame: FrameType) -> Iterator[str]:
    """By what names a call is known: of the class that defines it, and of the class of its object."""
    code = frame.f_code
    if "." not in code.co_qualname:
        yield f"{str(frame.f_globals['__name__']).rpartition('.')[2]}.{code.co_qualname}"
        return
    yield code.co_qualname
    if code.co_argcount:
        subject = frame.f_locals.get(code.co_varnames[0])
        kind: Any = subject if isinstance(subject, type) else type(subject)
        yield f"{kind.__name__}.{code.co_name}"
        if code.co_argcount == 2 and isinstance(getattr(kind, code.co_name, None), property):
            yield f"{kind.__name__}.{code.co_name}="


def plain(value: object) -> object:
    """`value` as JSON: entities by their public properties, ids and dates as text, states by name, bytes as Latin-1."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bytes):
        return value.decode("latin-1")
    fields = getattr(value, "_asdict", None)  # named tuples
    if fields is not None:
        return plain(fields())
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in cast("Iterable[object]", value)]
    names = {name for kind in type(value).__mro__ for name, item in vars(kind).items() if isinstance(item, property)}
    return {name: plain(getattr(value, name)) for name in names if not name.startswith("_")}

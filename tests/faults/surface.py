"""All that a session can be asked to wait for, found by looking, so that nothing is forgotten."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from acomps.comps.session import Session

__all__ = ["public_coroutines"]

_WAITED_FOR = ("AsyncIterator", "AsyncGenerator", "AsyncIterable")


def public_coroutines(session: Session) -> Iterator[str]:
    """`namespace.verb` of everything public that has to be awaited, iterated or entered; `session.verb` for its own."""
    rooms: dict[str, object] = {"session": session}
    rooms |= {name: room for name, room in vars(session).items() if not name.startswith("_") and name != "settings"}
    for room, owner in rooms.items():
        for verb, member in inspect.getmembers(type(owner), inspect.isfunction):
            if not verb.startswith("_") and _is_waited_for(member):
                yield f"{room}.{verb}"


def _is_waited_for(member: object) -> bool:
    inner = inspect.unwrap(member) if callable(member) else member
    returned = str(getattr(inner, "__annotations__", {}).get("return", ""))
    return inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner) or returned.startswith(_WAITED_FOR)

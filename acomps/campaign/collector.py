"""The cyclic collector, and the many records of a store that have no cycles.

Each ten thousand new objects that live on bring nearer a look at all objects there are. With the tables of a large
workflow that look takes a tenth of a second, in which nothing else goes on, and finds nothing.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EVERY", "made", "settle"]

#: So many records are made before they settle: few enough that the collector has not counted them as living on.
EVERY: Final = 100

T = TypeVar("T")


def settle() -> None:
    """What was made up to now is to stay: it goes to the oldest generation at once, which takes no time."""
    # What a program has frozen itself must not be thawed.
    if gc.isenabled() and not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


def made(records: Iterable[T]) -> list[T]:
    """The records in a list, each made when it is asked for."""
    found: list[T] = []
    for record in records:
        found.append(record)
        if not len(found) % EVERY:
            settle()
    return found

"""The cyclic collector, where many records are made that have no cycles.

Each ten thousand new objects that live on bring nearer a look at all objects there are. With the tables of a large
workflow, or the simulations of a large experiment, that look takes a tenth of a second, in which nothing else goes on,
and finds nothing.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = ["EVERY", "made", "paused", "settle"]

#: So many records are made before they settle: few enough that the collector has not counted them as living on.
EVERY: Final = 100

T = TypeVar("T")


class _Pauses:
    """How many threads want the collector to pause at this moment, and whether it goes on after the last of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._goes_on = False

    def begin(self) -> None:
        with self._lock:
            if not self._count:
                self._goes_on = gc.isenabled()
                gc.disable()
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count and self._goes_on:
                gc.enable()
                settle()


_pauses: Final = _Pauses()


@contextmanager
def paused() -> Generator[None]:
    """For a stretch that makes many objects at once, which are to stay: the collector would run again and again."""
    _pauses.begin()
    try:
        yield
    finally:
        _pauses.end()


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

"""What was made of things a moment ago: what many entities share is worked out once, not once for each of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Recent"]

S = TypeVar("S")
R = TypeVar("R")

_KEPT: Final = 64
_KEPT_BYTES: Final = 64 * 1024 * 1024


class Recent(Generic[S, R]):
    """Remembers the last results of `make` by the identity of what they were made of; for use by several threads.

    `size` tells how many bytes are kept alive by remembering a thing.
    """

    def __init__(self, make: Callable[[S], R], size: Callable[[S], int]) -> None:
        self._make = make
        self._size = size
        # The thing is kept beside its result: as long as it lives, nothing else can have its id.
        self._known: OrderedDict[int, tuple[S, R]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, thing: S) -> R:
        """The result for `thing`, made now or a moment ago."""
        with self._lock:
            known = self._known.get(id(thing))
            if known is not None:
                self._known.move_to_end(id(thing))
                return known[1]
        result = self._make(thing)
        with self._lock:
            if id(thing) not in self._known:
                self._known[id(thing)] = (thing, result)
                self._bytes += self._size(thing)
            while len(self._known) > _KEPT or self._bytes > _KEPT_BYTES:
                _, (oldest, _) = self._known.popitem(last=False)
                self._bytes -= self._size(oldest)
        return result

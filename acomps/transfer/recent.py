"""Contents that were measured a moment ago: what many entities share is hashed once, not once for each of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from acomps.transfer.content import Measured, Source, measured

__all__ = ["Recent"]

_KEPT: Final = 64
_KEPT_BYTES: Final = 64 * 1024 * 1024


class Recent:
    """Measures sources and remembers the last ones, by identity. May be used by several threads."""

    def __init__(self) -> None:
        # The source is kept beside its measure: as long as it lives, nothing else can have its id.
        self._known: OrderedDict[int, tuple[Source, Measured]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def measured(self, source: Source) -> Measured:
        """`source` with its md5 and length. A file that changes after its first use is noticed when it is sent."""
        with self._lock:
            known = self._known.get(id(source))
            if known is not None:
                self._known.move_to_end(id(source))
                return known[1]
        found = measured(source)
        with self._lock:
            if id(source) not in self._known:
                self._known[id(source)] = (source, found)
                self._bytes += _size(source)
            while len(self._known) > _KEPT or self._bytes > _KEPT_BYTES:
                _, (oldest, _) = self._known.popitem(last=False)
                self._bytes -= _size(oldest)
        return found


def _size(source: Source) -> int:
    return len(source) if isinstance(source, bytes) else 0

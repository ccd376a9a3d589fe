"""Slowing down those who guess passwords: each failure in a row makes the next try wait longer."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Throttle"]

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
#: After so long without a failure all is forgotten.
FORGET_S: Final = 900.0


@dataclass(slots=True)
class _Record:
    failures: int = 0
    next_at: float = -math.inf
    last_at: float = 0.0


class Throttle:
    """Counts failures by key, for at most `most` keys; of more the oldest are forgotten.

    The first `free` failures of a key cost nothing; then the wait doubles from one second to a minute.
    """

    def __init__(self, clock: Callable[[], float], *, free: int, most: int = 10_000) -> None:
        self._clock = clock
        self._free = free
        self._most = most
        self._records: OrderedDict[Hashable, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def wait_s(self, key: Hashable) -> float:
        """For how many seconds this key may not try again; 0.0 when it may now."""
        record = self._records.get(key)
        return 0.0 if record is None else max(0.0, record.next_at - self._clock())

    def failed(self, key: Hashable) -> None:
        """Count a failure; before a try that takes time, so that those who come meanwhile wait. See `forgive`."""
        now = self._clock()
        record = self._records.pop(key, None)
        if record is None or now - record.last_at > FORGET_S:
            record = _Record()
        record.failures += 1
        record.last_at = now
        beyond = record.failures - self._free
        if beyond > 0:
            record.next_at = now + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(beyond - 1, 16))
        self._records[key] = record
        while len(self._records) > self._most:
            self._records.popitem(last=False)

    def forgive(self, key: Hashable) -> None:
        """Take back one failure: the try that was counted ahead was right."""
        record = self._records.get(key)
        if record is not None:
            record.failures -= 1
            record.next_at = -math.inf
            if record.failures <= 0:
                del self._records[key]

    def clear(self, key: Hashable) -> None:
        """Forget all about a key."""
        self._records.pop(key, None)

"""Which bytes of a content have arrived: disjoint ranges in order, in memory and as a list on the disk."""

from __future__ import annotations

import bisect
import operator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Span", "Spans", "spans_in"]

#: Bytes from the first number on, the second not included.
Span: TypeAlias = tuple[int, int]

_end = operator.itemgetter(1)


class Spans:
    """A set of bytes."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, begin: int, end: int) -> None:
        """These bytes have arrived, perhaps not for the first time."""
        if begin >= end:
            return
        first = bisect.bisect_left(self._spans, begin, key=_end)
        last = first
        while last < len(self._spans) and self._spans[last][0] <= end:
            begin, end = min(begin, self._spans[last][0]), max(end, self._spans[last][1])
            last += 1
        self._spans[first:last] = [(begin, end)]

    @property
    def frontier(self) -> int:
        """How many bytes there are from the beginning on without a gap."""
        return self._spans[0][1] if self._spans and self._spans[0][0] == 0 else 0


def spans_in(lines: list[bytes], limit: int) -> Spans:
    """The ranges that a list on the disk names; a line that is damaged, or goes beyond `limit`, counts as not there."""
    spans = Spans()
    for line in lines:
        first, _, end = line.partition(b" ")
        if first.isdigit() and end.isdigit() and int(first) < int(end) <= limit:
            spans.add(int(first), int(end))
    return spans

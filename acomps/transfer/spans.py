"""Which bytes of a file are there, and which are still to be fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Missing", "Span", "joined", "total"]

#: Bytes of a file, the end not included.
Span: TypeAlias = tuple[int, int]

_LEAST_SHARE: Final = 2 * 1024 * 1024


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same bytes, in order, what touches in one."""
    found: list[Span] = []
    for first, end in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif first < end:
            found.append((first, end))
    return tuple(found)


def total(spans: Iterable[Span]) -> int:
    """How many bytes that is."""
    return sum(end - first for first, end in spans)


class Missing:
    """What is still to be fetched, handed out in order."""

    def __init__(self, done: Iterable[Span], length: int) -> None:
        gaps: list[Span] = []
        at = 0
        for first, end in joined(done):
            if at < first:
                gaps.append((at, first))
            at = end
        if at < length:
            gaps.append((at, length))
        self._gaps = gaps[::-1]
        self.bytes = total(gaps)

    def take(self, most: int, workers: int) -> Span:
        """The next bytes, at most so many; less towards the end, so that all workers end at about the same time."""
        if workers > 1:
            most = min(most, max(_LEAST_SHARE, -(-self.bytes // workers)))
        first, end = self._gaps.pop()
        if end - first > most:
            self._gaps.append((first + most, end))
            end = first + most
        self.bytes -= end - first
        return first, end

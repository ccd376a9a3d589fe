"""What a change to a store is, and how changes are written to a journal and read from it.

A change is a frozen record with a method that makes it on the tables; it checks everything first and changes nothing
when something is wrong. In a journal, a commit is its changes in order: a JSON list of [kind, field, ...] and the
documents and arrays that the fields refer to by number, so that none is written or parsed twice.
"""

from __future__ import annotations

import struct
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, TypeAlias, TypeVar, cast

import orjson

from acomps.campaign.arrays import StoredArray
from acomps.campaign.encoding import Value
from acomps.campaign.errors import StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from acomps.campaign.state import State

__all__ = ["Change", "RunKey", "a_change", "pack", "unpack"]

#: Insert ID of the task, iteration, action and number of a run.
RunKey: TypeAlias = tuple[int, int, int, int]
_Segments: TypeAlias = "list[bytes]"
_Kind = TypeVar("_Kind", bound="type[Change]")


class Change(Protocol):
    """One change to the tables."""

    #: Whether it gives out an index: of those, only one batch at a time may have some that are not committed yet.
    adds: ClassVar[bool]

    def apply(self, state: State) -> None:
        """Make the change, whole or (with an error) not at all."""


_KINDS: Final[dict[str, Callable[..., Change]]] = {}
_PLANS: Final[dict[str, tuple[tuple[str, str], ...]]] = {}


def a_change(kind: _Kind) -> _Kind:
    """Make a record known as a change that a journal can hold."""
    _KINDS[kind.__name__] = kind
    # The annotations are texts; they say how a field is written.
    _PLANS[kind.__name__] = tuple((item.name, str(item.type)) for item in fields(kind))  # type: ignore[arg-type]  # a dataclass
    return kind


def pack(changes: Iterable[Change]) -> bytes:
    """The changes of one commit as bytes."""
    segments: _Segments = [b""]
    skeleton: list[tuple[object, ...]] = []
    for change in changes:
        name = type(change).__name__
        line = [_INTO[annotation](getattr(change, attribute), segments) for attribute, annotation in _PLANS[name]]
        # A tuple of numbers and texts is nothing that the collector has to look at.
        skeleton.append((name, *line))
    segments[0] = orjson.dumps(skeleton)
    head = struct.pack(f"<I{len(segments)}Q", len(segments), *map(len, segments))
    return b"".join((head, *segments))


def unpack(payload: memoryview) -> list[Change]:
    """The changes of one commit."""
    try:
        (count,) = struct.unpack_from("<I", payload)
        lengths = struct.unpack_from(f"<{count}Q", payload, 4)
        segments: _Segments = []
        start = 4 + 8 * count
        for length in lengths:
            segments.append(bytes(payload[start : start + length]))
            start += length
        skeleton = cast("list[list[object]]", orjson.loads(segments[0]))
        return [_made(line, segments) for line in skeleton]
    except (struct.error, ValueError, KeyError, IndexError, TypeError) as exc:
        raise StoreDamaged(f"a commit in the journal cannot be read: {exc}") from exc


def _made(line: list[object], segments: _Segments) -> Change:
    name = cast("str", line[0])
    plan = _PLANS[name]
    return _KINDS[name](
        *(_FROM[annotation](found, segments) for (_, annotation), found in zip(plan, line[1:], strict=True))
    )


def _same(found: object, _segments: _Segments) -> object:
    return found


def _put(document: bytes, segments: _Segments) -> int:
    segments.append(document)
    return len(segments) - 1


def _taken(found: object, segments: _Segments) -> bytes:
    return segments[cast("int", found)]


def _put_value(value: Value | None, segments: _Segments) -> object:
    if value is None:
        return None
    text = _put(value.text, segments)
    if not value.arrays:
        return text
    arrays = [[array.dtype, array.shape, _put(array.raw or b"", segments)] for array in value.arrays]
    return [text, arrays]


def _taken_value(found: object, segments: _Segments) -> Value | None:
    if found is None:
        return None
    if isinstance(found, int):
        return Value(segments[found])
    text, arrays = cast("tuple[int, list[tuple[str, list[int], int]]]", found)
    return Value(segments[text], tuple(StoredArray(dtype, tuple(shape), segments[raw]) for dtype, shape, raw in arrays))


def _taken_time(found: object, _segments: _Segments) -> datetime:
    return datetime.fromisoformat(cast("str", found)).astimezone(UTC)


def _taken_keys(found: object, _segments: _Segments) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(key) for key in cast("Sequence[Sequence[int]]", found))


def _taken_indices(found: object, _segments: _Segments) -> tuple[int, ...]:
    return tuple(cast("Sequence[int]", found))


_INTO: Final[dict[str, Callable[..., object]]] = {
    "int": _same,
    "str": _same,
    "bool | None": _same,
    "datetime": _same,
    "bytes": _put,
    "Value": _put_value,
    "Value | None": _put_value,
    "tuple[RunKey, ...]": _same,
    "tuple[int, ...]": _same,
}
_FROM: Final[dict[str, Callable[[object, _Segments], object]]] = {
    "int": _same,
    "str": _same,
    "bool | None": _same,
    "datetime": _taken_time,
    "bytes": _taken,
    "Value": _taken_value,
    "Value | None": _taken_value,
    "tuple[RunKey, ...]": _taken_keys,
    "tuple[int, ...]": _taken_indices,
}

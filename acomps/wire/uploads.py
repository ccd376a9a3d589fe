"""What the server says of an upload that is under way (protocol 6.13)."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, cast

from acomps.errors import MalformedAnswer

__all__ = ["RANGES_HEADER", "Span", "decode_size", "decode_spans", "takes_any_order"]

#: Bytes of a content, the end not included.
Span: TypeAlias = tuple[int, int]

#: A server that takes the ranges of a content in any order says so here, with the value "bytes".
RANGES_HEADER: Final = "X-COMPS-Upload-Ranges"


def takes_any_order(header: str | None) -> bool:
    """Whether the value of RANGES_HEADER says that ranges may come in any order."""
    return header is not None and header.strip().lower() == "bytes"


def decode_size(document: object) -> int | None:
    """How many bytes the server has from the beginning on, if it says so."""
    size = _lower(document).get("size")
    return size if type(size) is int and size >= 0 else None


def decode_spans(document: object, total: int) -> tuple[Span, ...]:
    """The bytes of a content of `total` that the server has, in order and joined."""
    stated = _lower(document)
    try:
        spans = [(int(first), int(last) + 1) for first, last in stated.get("ranges") or ()]
    except (TypeError, ValueError) as exc:
        raise MalformedAnswer(f"the server sent {stated['ranges']!r} as the ranges of an upload") from exc
    size = decode_size(document)
    if size is None and not spans:
        raise MalformedAnswer("the server does not say how much of an upload it has")
    joined: list[Span] = []
    for begin, end in sorted([(0, size or 0), *spans]):
        begin, end = max(0, begin), min(end, total)
        if begin >= end:
            continue
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return tuple(joined)


def _lower(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        return {}
    return {str(key).lower(): value for key, value in cast("dict[object, Any]", document).items()}

"""What came back: an answer read whole, or one whose body is still to be read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from acomps.errors import MalformedAnswer
from acomps.transport.redaction import hide

__all__ = ["Answer", "Headers", "StreamedAnswer"]

_SHOWN_CHARACTERS = 80


class Headers(Mapping[str, str]):
    """The headers of an answer; names in any case, repeated ones joined by commas."""

    __slots__ = ("_by_name", "_raw")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._by_name: dict[str, str] | None = None

    def _table(self) -> dict[str, str]:
        if self._by_name is None:
            table: dict[str, str] = {}
            for name_bytes, value_bytes in self._raw:
                name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
                table[name] = f"{table[name]}, {value}" if name in table else value
            self._by_name = table
        return self._by_name

    def __getitem__(self, name: str) -> str:
        return self._table()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table())

    def __len__(self) -> int:
        return len(self._table())

    def __repr__(self) -> str:
        # Names only: the answer to a login holds the token in a value.
        return f"Headers({', '.join(self)})"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the server, read whole."""

    operation: str
    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> object:
        """The decoded body. Raises MalformedAnswer if it is not JSON."""
        try:
            document: object = orjson.loads(self.content)
        except orjson.JSONDecodeError as exc:
            start = hide(self.content[: 4 * _SHOWN_CHARACTERS].decode("utf-8", "replace"))[:_SHOWN_CHARACTERS]
            raise MalformedAnswer(f"{self.operation}: the answer is not JSON; it begins with {start!r}") from exc
        return document


class StreamedAnswer(Protocol):
    """An answer whose body is read piece by piece, once."""

    @property
    def status(self) -> int:
        """The HTTP status, below 300."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names in any case."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they come, in pieces of any size.

        Raises OutcomeUnknown when the connection breaks or the body is shorter than was announced; what was
        yielded before is good.
        """
        ...

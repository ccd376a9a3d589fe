"""Multipart bodies, parsed as they arrive: one JSON document, then contents that go straight to the store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from acomps.local.errors import Refused
from acomps.local.files.contents import SMALL_BYTES, digest
from acomps.local.jsons import guid

if TYPE_CHECKING:
    from acomps.local.files.contents import Contents, Incoming

__all__ = ["Form", "FormReader", "boundary_of"]

#: Small contents are gathered up to this size and then stored together.
GATHER_BYTES: Final = 4 * 1024 * 1024

_NAME: Final = re.compile(rb'(?:^|;)\s*name\s*=\s*(?:"([^"]*)"|([^;"\s]+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """What a multipart body held: its first part, and the lengths of the contents by md5."""

    document: bytes
    contents: Mapping[str, int]


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header announces."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise Refused(400, "the request's body must be multipart/form-data with a boundary")
    return boundary


class FormReader:
    """Takes a multipart body in pieces. Everything here blocks; call it in a thread, one piece at a time."""

    def __init__(self, boundary: bytes, store: Contents, *, max_parts: int, max_document_bytes: int) -> None:
        self._store = store
        self._max_parts = max_parts
        self._max_document_bytes = max_document_bytes
        self._parts = 0
        self._ended = False
        self._document: bytes | None = None
        self._lengths: dict[str, int] = {}
        self._field = b""
        self._value = b""
        self._name = b""
        self._pieces: list[bytes] = []
        self._length = 0
        self._arriving: Incoming | None = None
        self._gathered: dict[str, bytes] = {}
        self._gathered_bytes = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_part_data": self._part_data,
                "on_part_end": self._part_ends,
                "on_end": self._end,
            },
        )

    def feed(self, data: bytes) -> None:
        """The next piece of the body."""
        try:
            self._parser.write(data)
        except FormParserError as exc:
            raise Refused(400, f"the multipart body is malformed: {exc}") from exc

    def finish(self) -> Form:
        """What the body held, after its last piece."""
        if not self._ended:
            raise Refused(400, "the multipart body ends before its closing boundary")
        if self._document is None:
            raise Refused(400, "the multipart body has no parts")
        self._store.put(self._gathered)
        return Form(self._document, self._lengths)

    def close(self) -> None:
        """Drop what has arrived only in part."""
        if self._arriving is not None:
            self._arriving.close()
            self._arriving = None

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise Refused(400, f"the multipart body has more than {self._max_parts} parts")
        self._name = b""
        self._pieces = []
        self._length = 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._field.lower() == b"content-disposition":
            found = _NAME.search(self._value)
            if found is not None:
                self._name = found[1] if found[1] is not None else found[2]
        self._field = self._value = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        self._length += end - start
        if self._arriving is not None:
            self._arriving.write(piece)
            return
        self._pieces.append(piece)
        if self._parts == 1:
            if self._length > self._max_document_bytes:
                raise Refused(400, f"the JSON part is longer than {self._max_document_bytes} bytes")
        elif self._length > SMALL_BYTES:
            self._arriving = self._store.incoming()
            for gathered in self._pieces:
                self._arriving.write(gathered)
            self._pieces = []

    def _part_ends(self) -> None:
        if self._parts == 1:
            self._document = b"".join(self._pieces)
            return
        named = guid(self._name.decode("latin-1"), "the name of a data part")
        if self._arriving is not None:
            found = self._arriving.md5
            if found == named:
                self._arriving.keep()
            self.close()
        else:
            data = b"".join(self._pieces)
            found = digest(data)
            if found == named:
                self._gather(found, data)
        if found != named:
            raise Refused(400, f"the data part named {named} has the md5 {found}")
        self._lengths[named] = self._length

    def _gather(self, md5: str, data: bytes) -> None:
        self._gathered[md5] = data
        self._gathered_bytes += len(data)
        if self._gathered_bytes > GATHER_BYTES:
            self._store.put(self._gathered)
            self._gathered = {}
            self._gathered_bytes = 0

    def _end(self) -> None:
        self._ended = True

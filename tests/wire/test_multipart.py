"""Multipart bodies announce their exact length, and a library that is not ours reads them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from python_multipart.multipart import MultipartParser

from acomps.wire.multipart import Multipart, Part, media_type

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Streamed:
    """Content that comes in pieces, as from a disk."""

    pieces: list[bytes]

    @property
    def length(self) -> int:
        return sum(map(len, self.pieces))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


PARTS = [
    Part("not_a_file", "Simulations", "application/json", b"[{}]"),
    Part("9e107d9d-372b-b682-6bd8-1d3542a419d6", 'quo"te\r\nüñ.json', "application/json", b""),
    Part("x", "big.bin", "application/octet-stream", Streamed([b"a" * 70_000, b"b" * 3])),
    Part("x", "binary", "application/octet-stream", bytes(range(256)) * 2_000),
]


async def body_of(multipart: Multipart) -> bytes:
    return b"".join([block async for block in multipart])


@pytest.mark.parametrize("count", range(1, 5))
async def test_the_length_is_exact_before_anything_is_sent(count: int) -> None:
    multipart = Multipart(PARTS[:count])
    assert len(await body_of(multipart)) == multipart.length
    assert multipart.length == Multipart.FRAME + sum(part.cost for part in PARTS[:count])


async def test_a_body_can_be_sent_again() -> None:
    multipart = Multipart(PARTS)
    assert await body_of(multipart) == await body_of(multipart)


async def test_a_foreign_parser_reads_the_same_contents_back() -> None:
    multipart = Multipart(PARTS)
    contents: list[bytearray] = []
    parser = MultipartParser(
        multipart.content_type.rpartition("=")[2].encode(),
        {
            "on_part_begin": lambda: contents.append(bytearray()),
            "on_part_data": lambda data, start, end: contents[-1].extend(data[start:end]),
        },
    )
    parser.write(await body_of(multipart))
    parser.finalize()
    assert contents[0] == b"[{}]"
    assert contents[1] == b""
    assert contents[2] == b"a" * 70_000 + b"bbb"
    assert contents[3] == bytes(range(256)) * 2_000


async def test_a_file_name_cannot_end_its_header_line() -> None:
    body = await body_of(Multipart(PARTS[1:2]))
    assert b'filename="quo%22te%0D%0A' in body


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.json", "application/json"),
        ("a.xml", "application/xml"),
        ("a.txt", "text/plain"),
        ("a.csv", "text/plain"),
        ("a.JSON", "application/octet-stream"),
        ("json", "application/octet-stream"),
    ],
)
def test_media_types_are_those_of_the_service(name: str, expected: str) -> None:
    assert media_type(name) == expected

"""Parts of output files: the forms of a range, what it brings, and text that is not cut within a character."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from acomps.errors import ChecksumMismatch, MalformedAnswer, Refused, UsageError
from acomps.transport import Replay
from acomps.wire.ranges import decode_content_range

if TYPE_CHECKING:
    from acomps.transport import Answer, Channel

__all__ = ["PartialOutput", "RangeForm", "read_part", "whole_characters"]

_OK: Final = 200
_PARTIAL: Final = 206
_OUT_OF_RANGE: Final = 416
_CONTINUED: Final = range(0x80, 0xC0)
_LONGEST_CHARACTER: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialOutput:
    """Bytes `first` to `last` (included) of a file that had `total` when they were read.

    An empty part has a `last` before its `first`.
    """

    data: bytes = field(repr=False)
    first: int
    last: int
    total: int


@dataclass(frozen=True, slots=True)
class RangeForm:
    """What is asked for: the last `-start` bytes, or those from `start` on, up to and with `end` if it is given."""

    start: int
    end: int | None = None

    def __post_init__(self) -> None:
        if self.end is not None and not 0 <= self.start <= self.end:
            raise UsageError(
                f"start={self.start}, end={self.end} is no range: give a start from 0 on, alone or with an end that is "
                "not before it, or a negative start alone for the last bytes"
            )

    @property
    def header(self) -> str:
        """The value of the Range header."""
        if self.start < 0:
            return f"bytes={self.start}"
        return f"bytes={self.start}-{'' if self.end is None else self.end}"

    def of(self, data: bytes) -> PartialOutput:
        """The part of a file that was sent whole."""
        total = len(data)
        first = max(0, total + self.start) if self.start < 0 else min(self.start, total)
        end = total if self.end is None else min(self.end + 1, total)
        return PartialOutput(data=data[first:end], first=first, last=end - 1, total=total)


async def read_part(channel: Channel, url: str, form: RangeForm, operation: str) -> PartialOutput | None:
    """The part of the file at `url`; None if the file ends before it."""
    headers = {"Range": form.header, "Accept-Encoding": "identity"}
    try:
        answer = await channel.call("GET", url, operation=operation, replay=Replay.SAFE, headers=headers)
    except Refused as exc:
        if exc.status == _OUT_OF_RANGE:
            return None
        raise
    if answer.status == _OK:
        # The server does not know ranges, or the file is empty.
        return form.of(answer.content)
    return _partial(answer, form)


def _partial(answer: Answer, form: RangeForm) -> PartialOutput:
    said = answer.headers.get("content-range")
    sent = decode_content_range(said)
    wrong = MalformedAnswer(f"{answer.operation}: asked for {form.header}, the server sent {said!r}")
    if answer.status != _PARTIAL or sent is None or sent.total is None:
        raise wrong
    first = max(0, sent.total + form.start) if form.start < 0 else form.start
    last = sent.total - 1 if form.end is None else min(form.end, sent.total - 1)
    if (sent.first, sent.last) != (first, last):
        raise wrong
    if len(answer.content) != sent.length:
        raise ChecksumMismatch(f"{answer.operation}: {len(answer.content)} bytes came as {said!r}; read it again")
    return PartialOutput(data=answer.content, first=sent.first, last=sent.last, total=sent.total)


def whole_characters(part: PartialOutput) -> str:
    """The text of a part, without the halves of characters at its ends."""
    data = part.data
    start = 0
    if part.first > 0:
        while start < min(len(data), _LONGEST_CHARACTER - 1) and data[start] in _CONTINUED:
            start += 1
    end = len(data)
    for back in range(1, min(_LONGEST_CHARACTER, end - start) + 1):
        lead = data[end - back]
        if lead in _CONTINUED:
            continue
        if back < _length_of(lead):
            end -= back
        break
    return data[start:end].decode("utf-8", "replace")


def _length_of(lead: int) -> int:
    """How many bytes the character has that begins with this one."""
    if lead < 0xC0:
        return 1
    return 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4

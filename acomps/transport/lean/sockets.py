"""What asyncio does not tell about a socket."""

from __future__ import annotations

import contextlib
import select
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    import socket

__all__ = ["is_readable", "last_words"]

_MOST_WORDS: Final = 64 * 1024


def is_readable(transport: asyncio.Transport) -> bool:
    """Whether bytes or an end wait to be read; also when there is no socket any more."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    number = -1 if sock is None else sock.fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([number], [], [], 0)[0])
    watch = select.poll()
    watch.register(number, select.POLLIN)
    return bool(watch.poll(0))


def last_words(transport: asyncio.Transport) -> bytes:
    """What lies in the socket of a plain connection that asyncio has given up."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return b""
    said = b""
    # Only a twin can be read: asyncio's own view of the socket has no `recv`.
    with contextlib.suppress(OSError), sock.dup() as twin:
        twin.setblocking(False)
        while len(said) < _MOST_WORDS:
            piece = twin.recv(_MOST_WORDS)
            if not piece:
                break
            said += piece
    return said

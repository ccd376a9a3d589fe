"""Heads of requests within limits: how long they may become, and how long they may take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from acomps.local.reasons import OneWordReasons

if TYPE_CHECKING:
    from asyncio import TimerHandle

__all__ = ["BoundedHeads"]

#: A head that is still not complete after so many bytes is none; complete ones are measured by the gate.
MAX_UNFINISHED_BYTES: Final = 512 * 1024
#: From the first byte of a connection, or of a further request on it, to the end of the head.
HEAD_S: Final = 60.0

_TOO_LONG: Final = b"HTTP/1.1 431 RequestHeaderFieldsTooLarge\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_SLOW: Final = b"HTTP/1.1 408 RequestTimeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHeads(OneWordReasons):
    """uvicorn's protocol; its parser takes heads of any length, and waits for their end for ever."""

    _unfinished = 0
    _head_open = True
    _patience: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_open and not self.transport.is_closing():
            self._unfinished += len(data)
            if self._unfinished > MAX_UNFINISHED_BYTES:
                self._refuse(_TOO_LONG)
            elif self._patience is None:
                self._wait_for_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open = True
        self._unfinished = 0

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._stop_waiting()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._patience = asyncio.get_running_loop().call_later(HEAD_S, self._refuse, _TOO_SLOW)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

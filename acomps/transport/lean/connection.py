"""One connection to a server: asyncio feeds it, httptools parses, one request after another goes over it."""

from __future__ import annotations

import asyncio
import math
import ssl
from typing import TYPE_CHECKING, Final

import httptools
import httpx

from acomps.transport.lean.incoming import HIGH_WATER
from acomps.transport.lean.sockets import is_readable, last_words

if TYPE_CHECKING:
    from typing import Protocol

    from acomps.transport.lean.incoming import Incoming

    class Keeper(Protocol):
        """Where a connection belongs."""

        def freed(self, connection: Connection) -> None:
            """Its answer is complete: it can take the next request."""
            ...

        def gone(self, connection: Connection) -> None:
            """It is closed."""
            ...


__all__ = ["Connection"]

#: So much may wait to be sent before the body of a request has to.
_WRITE_AHEAD: Final = 1024 * 1024
#: More than this without a byte of a body is no answer but an attack on our memory: heads, trailers, chunk extensions.
_LONGEST_HEAD: Final = 100 * 1024
#: A body with more to come than this goes round the parser, which would copy it.
_LARGE: Final = 64 * 1024
_FIRST_FINAL: Final = 200


class Connection(asyncio.Protocol):
    """One request at a time. After `drop`, or once the server has closed it, `closed` is true for ever."""

    def __init__(self, keeper: Keeper, loop: asyncio.AbstractEventLoop) -> None:
        self._keeper, self._loop = keeper, loop
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._incoming: Incoming | None = None
        self.closed = self.stopped = self.used = False
        #: When it was last given back, by the loop's clock.
        self.idle_since = 0.0
        self._sending = self._reusable = self._paused = False
        self._length = -1  # of the body, as announced
        self._left = 0  # of a large body, which needs no parser
        self._dry = 0  # bytes since the last one of a body
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = math.inf
        self._patience = math.inf
        self._unsent = 0

    # What the transport above does with it.

    def begin(self, incoming: Incoming, start: bytes, first: bytes, *, more: bool) -> bool:
        """Send the head and the first piece; False if the connection was closed before a byte of them left."""
        transport = self._transport
        if self.closed or transport is None or transport.is_closing():
            self.drop()
            return False
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._incoming, incoming.connection = incoming, self
        self._sending, self.used = more, True
        self._dry = 0
        if len(first) <= _LARGE:
            transport.write(start + first)
        else:
            transport.write(start)
            transport.write(first)
        if transport.is_closing() and len(first) <= _LARGE:
            # asyncio tries to send at once: the socket took nothing.
            self._incoming = incoming.connection = None
            self.drop()
            return False
        return True

    def write(self, piece: bytes, *, last: bool) -> None:
        """Send one more piece of the body; `stopped` says whether to wait before the next."""
        if self._transport is not None:
            self._transport.write(piece)
        self._sending = not last

    async def wait(self, limit: float | None) -> None:
        """Until something has happened: bytes came, there is room to write, or it is over.

        If nothing happens for `limit` seconds, that is what is over.
        """
        self._waiter = waiter = self._loop.create_future()
        if limit is not None:
            self._unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
            self._be_patient(limit)
        try:
            await waiter
        finally:
            if self._waiter is waiter:  # else the connection has gone on to the next request already
                self._waiter = None
                self._deadline = math.inf

    def go_on(self) -> None:
        """Read on, if reading was paused."""
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    def stale(self) -> bool:
        """Whether the server has closed it, or sent what nobody asked for, and the loop has not seen it yet."""
        return self.closed or self._transport is None or is_readable(self._transport)

    def drop(self) -> None:
        """Close it now, whatever is under way on it; more than once does no harm."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        if self._incoming is not None:
            self._fail(httpx.ReadError("the connection was closed on this side"))
        self._keeper.gone(self)

    def _fail(self, error: httpx.TransportError) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.error = error
            self._wake()
        self.drop()

    # Patience: one timer for many waits, which looks at the deadline when it fires.

    def _be_patient(self, limit: float) -> None:
        self._patience = limit
        self._deadline = deadline = self._loop.time() + limit
        if self._timer is None or self._timer_at > deadline:
            self._set_timer(deadline)

    def _set_timer(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = moment
        self._timer = self._loop.call_at(moment, self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        self._timer = None
        if self._deadline == math.inf or self._transport is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer(self._deadline)
            return
        unsent = self._transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:  # slow, but it moves
            self._unsent = unsent
            self._be_patient(self._patience)
        elif unsent:
            self._fail(httpx.WriteTimeout(f"the server took nothing for {self._patience:g} s"))
        else:
            self._fail(httpx.ReadTimeout(f"the server sent nothing for {self._patience:g} s"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        if TYPE_CHECKING:  # uvloop's are no subclass
            assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_AHEAD)

    def pause_writing(self) -> None:
        """Too much waits to be sent."""
        self.stopped = True

    def resume_writing(self) -> None:
        """There is room again."""
        self.stopped = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer, if one is awaited."""
        incoming, parser = self._incoming, self._parser
        if incoming is None or parser is None:
            self.drop()  # nothing was asked: what comes must not be taken for the answer to the next request
            return
        if self._left:
            self._take_large(data)
            return
        self._dry += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._reusable = False
            if self._incoming is not None:
                self._fail(httpx.RemoteProtocolError(f"the server's answer is not HTTP/1.1: {exc}"))
                return
        if self._incoming is None:
            self._settle()
        elif self._dry > _LONGEST_HEAD:
            self._fail(httpx.RemoteProtocolError(f"the answer's head is longer than {_LONGEST_HEAD} bytes"))
        elif self._length - incoming.received > _LARGE and incoming.status:
            self._left = self._length - incoming.received

    def eof_received(self) -> bool:
        """The server sends nothing more."""
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        self._end(exc)
        self._transport = self._parser = None

    def _end(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError) and not isinstance(exc, ssl.SSLError) and self._transport is not None:
            self._read_last_words(self._transport)
        incoming = self._incoming
        if incoming is None:
            self.drop()
        elif exc is not None:
            kind = httpx.WriteError if self._sending else httpx.ReadError
            self._fail(kind(str(exc) or type(exc).__name__))
        elif not incoming.status:
            self._fail(httpx.RemoteProtocolError("the server closed the connection without an answer"))
        elif incoming.ends_with_connection:
            self._reusable = False
            self._complete(incoming)
            self.drop()
        else:
            self._fail(
                httpx.RemoteProtocolError(f"the server closed it after {incoming.received} bytes of the answer's body")
            )

    def _read_last_words(self, transport: asyncio.Transport) -> None:
        """A write failed, so asyncio reads no more; but a server that refuses a body says why before it closes."""
        incoming = self._incoming
        if incoming is None or incoming.status or transport.get_extra_info("sslcontext") is not None:
            return
        data = last_words(transport)
        if data:
            self.data_received(data)

    def _take_large(self, data: bytes) -> None:
        """Some of a large body, as it came from the socket; the parser is not needed, and begins anew after it."""
        surplus = len(data) - self._left
        if surplus >= 0:
            self._reusable &= surplus == 0
            data = data[: self._left]
        self._left -= len(data)
        self.on_body(data)
        if not self._left:
            self._parser = None
            self.on_message_complete()
            self._settle()

    def _complete(self, incoming: Incoming) -> None:
        """The answer is whole; its caller may still be reading what is held of it."""
        incoming.complete = True
        self._incoming = incoming.connection = None
        self._wake()

    def _settle(self) -> None:
        """After an answer: keep the connection, or close it if anything about it is not as it should be."""
        transport = self._transport
        # A server that answered before it had the whole request would take the rest of it for the next one.
        unsent = self._sending or (transport is not None and transport.get_write_buffer_size() > 0)
        if self.closed:
            return
        if not self._reusable or unsent or transport is None or transport.is_closing():
            self.drop()
            return
        self.go_on()
        self.idle_since = self._loop.time()
        self._keeper.freed(self)

    # What httptools calls, all within feed_data.

    def on_message_begin(self) -> None:
        """An answer begins; there is to be one, and perhaps some informational ones before it."""
        self._length = -1
        if self._incoming is None:
            self._reusable = False

    def on_status(self, reason: bytes) -> None:
        """Words of the status line."""
        if self._incoming is not None:
            self._incoming.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody wants."""
        incoming = self._incoming
        if incoming is None or incoming.status:
            return
        incoming.headers.append((name, value))
        incoming.head_bytes += len(name) + len(value)
        if len(name) == len(b"content-length") and name.lower() == b"content-length" and value.isdigit():
            self._length = int(value)

    def on_headers_complete(self) -> None:
        """The head is here."""
        incoming, parser = self._incoming, self._parser
        if incoming is None or parser is None:
            return
        status = parser.get_status_code()
        if status < _FIRST_FINAL:
            return
        if incoming.head_bytes > _LONGEST_HEAD:
            self._fail(httpx.RemoteProtocolError(f"the answer's head is longer than {_LONGEST_HEAD} bytes"))
            return
        incoming.status, incoming.version = status, parser.get_http_version().encode()
        self._reusable = parser.should_keep_alive()
        if incoming.bodiless:
            self._parser = None  # which would wait for the body that the head describes
            self._complete(incoming)
        else:
            self._wake()

    def on_body(self, piece: bytes) -> None:
        """Some of the body."""
        incoming, transport = self._incoming, self._transport
        self._dry = 0
        if incoming is None:
            self._reusable = False
            return
        incoming.pieces.append(piece)
        incoming.received += len(piece)
        incoming.held += len(piece)
        if incoming.held > HIGH_WATER and not self._paused and transport is not None and not transport.is_closing():
            self._paused = True
            transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        incoming = self._incoming
        if incoming is None:
            return
        if incoming.status:
            self._complete(incoming)
        else:  # it was informational: the answer is still to come
            incoming.headers.clear()
            incoming.reason = b""

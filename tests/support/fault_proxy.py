"""A TCP proxy in front of a real service that loses, cuts, resets, stalls or replaces answers, by a script.

It reads just enough of HTTP to know where requests and answers begin and end; bytes pass unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httptools

__all__ = [
    "AFTER_LATE",
    "ANSWER_LOST",
    "LATE",
    "PASS",
    "RANGE_HIDDEN",
    "RESET_BEFORE",
    "STALL",
    "Fault",
    "FaultProxy",
    "Request",
    "answer_cut",
    "answer_cut_at",
    "answered",
    "bit_flipped",
    "cut_after",
    "dribbled",
    "fault_proxy",
    "held",
    "reheaded",
    "request_flipped",
    "rewritten",
    "slowed",
]

_BLOCK = 256 * 1024
_FRAMING = re.compile(rb"(Content-Length|Transfer-Encoding):", re.IGNORECASE)
_RANGE = re.compile(rb"Range: [^\r]*\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """What happens to one request."""

    name: str
    #: Forward only so many bytes of the request's body, then reset both sides.
    cut_after: int | None = None
    #: Answer this instead of the service, which never sees the request.
    answer: bytes | None = None
    #: Send only so many bytes of the answer's body, then reset both sides.
    answer_cut_after: int | None = None
    #: Send another head with the answer of the service.
    rehead: Callable[[bytes], bytes] | None = None
    #: Flip a bit of this byte of the answer's body.
    flip_at: int | None = None
    #: Hide from the service that only a range was asked for.
    without_range: bool = False
    #: Send the answer's body only up to this share of its length, or up to so many bytes before its end; then reset.
    answer_cut_share: float | None = None
    #: Send another body, with the length that it has.
    rewrite: Callable[[bytes], bytes] | None = None
    #: Flip a bit of this byte of the request's body.
    request_flip_at: int | None = None
    #: Send the answer in slices of so many bytes, others having their turn between them.
    slice_bytes: int | None = None
    #: Send no more than so many bytes per second, each way, after `latency_s`.
    bytes_per_s: float | None = None
    latency_s: float = 0.0
    #: Say nothing until this is set, then reset.
    until: asyncio.Event | None = None


PASS = Fault("pass")
#: The service acts and answers; the answer never arrives.
ANSWER_LOST = Fault("answer lost")
#: The connection is reset when the request has been read; the service never sees it.
RESET_BEFORE = Fault("reset before")
#: The connection is reset at once, and the service gets the request only when an AFTER_LATE one comes by.
LATE = Fault("late")
#: The late requests are carried out first, then this one.
AFTER_LATE = Fault("after late")
#: The service acts, and its answer is kept back until the client gives up.
STALL = Fault("stall")
#: The service sends the whole file, as a proxy that does not know ranges would have it do.
RANGE_HIDDEN = Fault("range hidden", without_range=True)


def cut_after(body_bytes: int) -> Fault:
    """Both sides are reset after so many bytes of the request's body."""
    return Fault("cut", cut_after=body_bytes)


def answered(status: int, *headers: str) -> Fault:
    """The proxy answers by itself, as a gateway in trouble does."""
    lines = (f"HTTP/1.1 {status} Fault", "Content-Length: 0", *headers, "", "")
    return Fault(f"{status}", answer="\r\n".join(lines).encode())


def answer_cut(body_bytes: int) -> Fault:
    """Both sides are reset after so many bytes of the answer's body."""
    return Fault("answer cut", answer_cut_after=body_bytes)


def reheaded(pattern: bytes, replacement: bytes) -> Fault:
    """The answer comes with a head in which a pattern is replaced; the connection is closed behind it."""
    return Fault("other head", rehead=lambda head: re.sub(pattern, replacement, head, flags=re.IGNORECASE))


def bit_flipped(body_byte: int) -> Fault:
    """One bit of the answer's body is wrong."""
    return Fault("bit flipped", flip_at=body_byte)


def answer_cut_at(share: float) -> Fault:
    """Both sides are reset after this share of the answer's body; -1 is one byte before its end."""
    return Fault(f"answer cut at {share:g}", answer_cut_share=share)


def rewritten(name: str, rewrite: Callable[[bytes], bytes]) -> Fault:
    """The answer has another body, which is announced as it is."""
    return Fault(name, rewrite=rewrite)


def request_flipped(body_byte: int) -> Fault:
    """One bit of the request's body is wrong when it arrives."""
    return Fault("request bit flipped", request_flip_at=body_byte)


def dribbled(slice_bytes: int = 1) -> Fault:
    """The answer comes in the smallest of slices."""
    return Fault("dribbled", slice_bytes=slice_bytes)


def slowed(*, latency_s: float = 0.0, bytes_per_s: float | None = None) -> Fault:
    """A slow line, really waiting: for a soak, not for a table."""
    return Fault("slowed", latency_s=latency_s, bytes_per_s=bytes_per_s, slice_bytes=16 * 1024)


def held(until: asyncio.Event) -> Fault:
    """No answer until the event, and then a reset; the service never sees the request."""
    return Fault("held", until=until)


@dataclass
class Request:
    """One request as the proxy saw it."""

    number: int
    method: str
    target: str
    head: bytes
    length: int
    fault: Fault = PASS
    #: Bytes of the body that reached the service.
    forwarded: int = 0
    #: Bytes of the answer's body that were sent on.
    answered: int = 0


Script = Callable[[Request], Fault]


@dataclass
class FaultProxy:
    """A proxy that listens; `script` can be changed at any time, `ledger` has all requests in order."""

    url: str
    upstream: tuple[str, int]
    script: Script = lambda request: PASS
    ledger: list[Request] = field(default_factory=list[Request])
    connections: int = 0
    #: The connections that are open now; True for those that wait for a request.
    peers: dict[asyncio.StreamWriter, bool] = field(default_factory=dict[asyncio.StreamWriter, bool])
    #: So many of the next connections are reset before anything is read from them.
    reset_next: int = 0
    #: Changes the answers of the service on their way back, block by block.
    edit: Callable[[bytes], bytes] = lambda data: data
    late: list[bytes] = field(default_factory=list[bytes])
    _server: asyncio.Server | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _handlers: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def seen(self, method: str, part: str = "") -> list[Request]:
        """The requests of a method whose target contains `part`."""
        return [one for one in self.ledger if one.method == method and part in one.target]

    def close_idle(self, *, reset: bool = False) -> int:
        """Close the connections on which nothing is under way; how many they were."""
        idle = [writer for writer, waits in self.peers.items() if waits]
        for writer in idle:
            if reset:
                writer.transport.abort()
            else:
                # At once, not in the next turn of the loop: who writes now, writes to a connection that has ended.
                sock: socket.socket = writer.get_extra_info("socket")
                sock.shutdown(socket.SHUT_RDWR)
        return len(idle)

    async def refuse(self) -> None:
        """Cut every connection, and refuse new ones until `listen`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self.peers):
            writer.transport.abort()
        while self.peers:
            await asyncio.sleep(0)

    async def listen(self) -> None:
        """Accept connections, on the same port as before."""
        async with self._opening:
            if self._server is not None:
                return
            port = int(self.url.rpartition(":")[2]) if self.url else 0
            self._server = await asyncio.start_server(self._handle, "127.0.0.1", port)
            self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def aclose(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._handlers):
            task.cancel()
        for task in list(self._handlers):
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self.connections += 1
        self.peers[writer] = True
        try:
            if self.reset_next:
                self.reset_next -= 1
            else:
                await _serve(self, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Cancelled only at the very end, when nobody waits for an answer any more.
            pass
        finally:
            _reset(writer)
            del self.peers[writer]
            self._handlers.discard(task)


class _Message:
    """Where one HTTP message begins and ends in a stream; what follows it stays in `rest`."""

    def __init__(self, parser: type[httptools.HttpRequestParser] | type[httptools.HttpResponseParser]) -> None:
        self.complete = False
        self.headed = False
        self.target = b""
        self.length = 0
        #: What was read of the body, where somebody wants to have it.
        self.body: bytearray | None = None
        self.parser = parser(self)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-length":
            self.length = int(value)

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, data: bytes) -> None:
        if self.body is not None:
            self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


@asynccontextmanager
async def fault_proxy(service_url: str) -> AsyncGenerator[FaultProxy]:
    """A proxy in front of `service_url`, on a free port of the loopback."""
    host, _, port = service_url.rpartition("/")[2].rpartition(":")
    proxy = FaultProxy("", (host, int(port)))
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.aclose()


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _serve(proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests of one client connection, one after another, each with a connection of its own to the service."""
    while True:
        message = _Message(httptools.HttpRequestParser)
        received = b""
        proxy.peers[writer] = True
        while not message.headed:
            data = await reader.read(_BLOCK)
            if not data:
                return
            proxy.peers[writer] = False
            received += data
            message.parser.feed_data(data)
        head, _, body = received.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        method = head.partition(b" ")[0].decode()
        request = Request(len(proxy.ledger), method, message.target.decode(), head, message.length)
        proxy.ledger.append(request)
        request.fault = proxy.script(request)
        if request.fault is LATE:
            proxy.late.append(head + body + await reader.readexactly(request.length - len(body)))
            return
        if request.fault is AFTER_LATE:
            await _carry_out_late(proxy)
            request.fault = PASS
        if request.fault.until is not None:
            await _drain(reader, request.length - len(body))
            await request.fault.until.wait()
            return
        if request.fault.answer is not None or request.fault is RESET_BEFORE:
            await _drain(reader, request.length - len(body))
            if request.fault.answer is None:
                return
            writer.write(request.fault.answer)
            await writer.drain()
            continue
        if not await _forward(proxy, request, body, reader, writer):
            return


class _Edited:
    """The answer of the service as its fault has it: `passed` bytes of its body so far."""

    def __init__(self, fault: Fault, answer: _Message) -> None:
        self._fault, self._answer = fault, answer
        self._head: bytes | None = b""
        self._end: int | None = fault.answer_cut_after
        self.passed = 0

    @property
    def cut(self) -> bool:
        """Whether nothing more is to be sent."""
        return self._head is None and self.passed == self._end

    def feed(self, data: bytes) -> bytes:
        """What is sent on in the place of `data`."""
        head = b""
        if self._head is not None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return b""
            head += end
            self._head = None
            if self._fault.rehead is not None:
                head = self._fault.rehead(head)
            share = self._fault.answer_cut_share
            if share is not None:
                self._end = self._answer.length - 1 if share < 0 else int(self._answer.length * share)
        if self._end is not None:
            data = data[: self._end - self.passed]
        data = _flipped(data, self._fault.flip_at, self.passed)
        self.passed += len(data)
        return head + data


def _flipped(data: bytes, place: int | None, passed: int) -> bytes:
    at = -1 if place is None else place - passed
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if 0 <= at < len(data) else data


def _with_body(head: bytes, body: bytes) -> bytes:
    lines = [line for line in head.rstrip(b"\r\n").split(b"\r\n") if not _FRAMING.match(line)]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


async def _carry_out_late(proxy: FaultProxy) -> None:
    while proxy.late:
        reader, writer = await asyncio.open_connection(*proxy.upstream)
        writer.write(proxy.late.pop(0))
        answer = _Message(httptools.HttpResponseParser)
        while not answer.complete:
            answer.parser.feed_data(await reader.read(_BLOCK))
        _reset(writer)


async def _drain(reader: asyncio.StreamReader, left: int) -> None:
    while left > 0:
        data = await reader.read(min(left, _BLOCK))
        if not data:
            return
        left -= len(data)


async def _forward(
    proxy: FaultProxy, request: Request, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Pass a request on, and its answer back; whether the connection of the client is still good."""
    upstream_reader, upstream = await asyncio.open_connection(*proxy.upstream)
    try:
        upstream.write(_RANGE.sub(b"", request.head) if request.fault.without_range else request.head)
        allowed = request.length if request.fault.cut_after is None else min(request.fault.cut_after, request.length)
        left, data = request.length, body
        while left > 0:
            if not data:
                data = await reader.read(min(left, _BLOCK))
                if not data:
                    return False
            left -= len(data)
            passed = data[: max(0, allowed - request.forwarded)]
            upstream.write(_flipped(passed, request.fault.request_flip_at, request.forwarded))
            request.forwarded += len(passed)
            await upstream.drain()
            if request.fault.cut_after is not None and request.forwarded >= allowed:
                return False
            data = b""
        if request.fault.cut_after is not None:
            return False
        answer = _Message(httptools.HttpResponseParser)
        edited = _Edited(request.fault, answer)
        whole = b""
        answer.body = None if request.fault.rewrite is None else bytearray()
        while not answer.complete:
            data = await upstream_reader.read(_BLOCK)
            if not data:
                return False
            answer.parser.feed_data(data)
            if request.fault in {ANSWER_LOST, STALL}:
                continue
            if answer.body is not None:
                whole += data
                continue
            data = edited.feed(data)
            await _send(writer, request.fault, proxy.edit(data))
            request.answered = edited.passed
            if edited.cut:
                return False
        if answer.body is not None and request.fault.rewrite is not None:
            head = whole.partition(b"\r\n\r\n")[0]
            writer.write(_with_body(head, request.fault.rewrite(bytes(answer.body))))
            await writer.drain()
            return True
        if request.fault is STALL:
            await reader.read(1)
        if request.fault.rehead is not None and writer.can_write_eof():
            # The client may wait for more than there is: it is told that nothing comes.
            writer.write_eof()
            await reader.read(1)
        fault = request.fault
        slow = fault.slice_bytes is not None or fault.request_flip_at is not None
        return fault is PASS or fault.without_range or slow
    finally:
        _reset(upstream)


async def _send(writer: asyncio.StreamWriter, fault: Fault, data: bytes) -> None:
    size = fault.slice_bytes or len(data) or 1
    if fault.latency_s:
        await asyncio.sleep(fault.latency_s)
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        writer.write(piece)
        await writer.drain()
        if fault.slice_bytes is not None:
            await asyncio.sleep(len(piece) / fault.bytes_per_s if fault.bytes_per_s else 0)

"""A scripted HTTP server on a real socket: it consumes one instruction per request and keeps a ledger.

Tokens are its own business: POST and PUT to /api/tokens issue new ones unless they are scripted too, and every other
request needs one that is still valid.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeAlias

import orjson

if TYPE_CHECKING:
    import ssl

__all__ = [
    "PASSWORD",
    "Arrived",
    "Drop",
    "Hold",
    "Instruction",
    "RawServer",
    "Reply",
    "ScriptedServer",
    "Stalled",
    "Truncated",
    "read_head",
    "token_text",
]

PASSWORD = "correct horse battery"
TLS_HANDSHAKE = b"\x16"


def token_text(
    serial: object = 0,
    *,
    user: str = "jdoe",
    kind: str = "Auth",
    created: str = "2031-01-01-00-00-00",
    expiry: str = "2031-01-01-04-00-00",
) -> str:
    """A token in the service's layout; `serial` makes it one of its own."""
    return f"1,{kind},{user},127.0.0.1,hash{serial},local,{expiry},{created},sig,loc,,j@x.org,LOCAL-IDM,Local-Hpc,x"


@dataclass(frozen=True)
class Arrived:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    lines: Sequence[str]
    body: bytes
    connection: int

    @property
    def json(self) -> object:
        document: object = orjson.loads(self.body)
        return document


@dataclass(frozen=True)
class Reply:
    """Answer with this."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Drop:
    """Read the request, then reset the connection without a word."""


@dataclass(frozen=True)
class Truncated:
    """Announce the whole body, send the first `sent` bytes, and close."""

    body: bytes
    sent: int


@dataclass(frozen=True)
class Stalled:
    """Announce the whole body, send the first `sent` bytes, and then nothing until the client is gone."""

    body: bytes
    sent: int


@dataclass(frozen=True)
class Hold:
    """Answer only once the event is set."""

    until: asyncio.Event
    reply: Reply = field(default_factory=Reply)


Instruction: TypeAlias = Reply | Drop | Truncated | Stalled | Hold


class ScriptedServer:
    """Use as `async with`; `script` and `token_script` are consumed, `default` stands for what is missing."""

    def __init__(
        self,
        *script: Instruction,
        tokens: Sequence[Instruction] = (),
        default: Instruction | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script: deque[Instruction] = deque(script)
        self.token_script: deque[Instruction] = deque(tokens)
        self.default: Instruction = default or Reply()
        self.ledger: list[Arrived] = []
        self.valid: set[str] = set()
        self.issued = 0
        self.connections = self.open_connections = 0
        self._tls = tls
        self._changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[Arrived]:
        """Everything but the requests for tokens."""
        return [arrived for arrived in self.ledger if arrived.target != "/api/tokens"]

    def token_calls(self, method: str) -> list[Arrived]:
        return [a for a in self.ledger if a.target == "/api/tokens" and a.method == method]

    def issue(self, **fields: str) -> str:
        """A new valid token."""
        self.issued += 1
        text = token_text(self.issued, **fields)
        self.valid.add(text)
        return text

    async def arrived(self, count: int) -> None:
        """Wait until that many calls have come."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.calls) >= count)

    async def all_closed(self) -> None:
        """Wait until no connection is open."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: self.open_connections == 0)

    def close_connections(self) -> None:
        """Close what is open, as a server does with idle connections."""
        for writer in list(self._writers):
            writer.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        await self.all_closed()

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        self._writers.add(writer)
        try:
            while await self._one(reader, writer, self.connections):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            self.open_connections -= 1
            await self._note()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        start = await reader.readexactly(1)
        if start == TLS_HANDSHAKE:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return False
        head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ", 2)
        if target.startswith("http://"):  # a proxy is asked like this
            target = f"/{target.split('/', 3)[3]}"
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        arrived = Arrived(method, target, headers, lines, body, number)
        self.ledger.append(arrived)
        await self._note()
        return await self._answer(self._instruction(arrived), reader, writer)

    def _instruction(self, arrived: Arrived) -> Instruction:
        if arrived.target == "/api/tokens":
            return self.token_script.popleft() if self.token_script else self._token_reply(arrived)
        if arrived.headers.get("x-comps-token") not in self.valid:
            return Reply(401, b'{"ResponseMessage":"token unknown"}')
        return self.script.popleft() if self.script else self.default

    def _token_reply(self, arrived: Arrived) -> Reply:
        if arrived.method == "PUT":
            if arrived.headers.get("x-comps-token") not in self.valid:
                return Reply(401, b'{"ResponseMessage":"token unknown"}')
        else:
            document = orjson.loads(arrived.body)
            if base64.b64decode(document["Password"]).decode() != PASSWORD:
                return Reply(401, b'{"ResponseMessage":"bad login"}')
        return Reply(headers={"X-COMPS-Token": self.issue()})

    async def _answer(
        self, instruction: Instruction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        match instruction:
            case Drop():
                writer.transport.abort()
                return False
            case Truncated() | Stalled():
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(instruction.body))
                writer.write(instruction.body[: instruction.sent])
                await writer.drain()
                if isinstance(instruction, Stalled):
                    await reader.read(1)
                writer.close()
                return False
            case Hold():
                gone = asyncio.ensure_future(reader.read(1))
                until = asyncio.ensure_future(instruction.until.wait())
                await asyncio.wait({gone, until}, return_when=asyncio.FIRST_COMPLETED)
                until.cancel()
                if gone.done():
                    return False
                gone.cancel()
                await asyncio.wait({gone})
                return await self._answer(instruction.reply, reader, writer)
            case Reply():
                lines = [f"HTTP/1.1 {instruction.status} Whatever", f"Content-Length: {len(instruction.body)}"]
                lines += [f"{name}: {value}" for name, value in instruction.headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + instruction.body)
                await writer.drain()
                return True


class RawServer:
    """Use as `async with`: every connection is handled by a coroutine, and reset when that returns."""

    def __init__(
        self,
        handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._handle, self._host, self._tls = handle, host, tls
        self.connections = 0
        self._handlers: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http{'s' if self._tls else ''}://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._handlers:
            task.cancel()
        if self._handlers:
            await asyncio.wait(self._handlers)
        await self._server.wait_closed()

    async def all_closed(self) -> None:
        """Wait until every connection has been handled to its end."""
        if self._handlers:
            await asyncio.wait_for(asyncio.wait(self._handlers), 20)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._handlers.add(task)
        try:
            await self._handle(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self._handlers.discard(task)
            writer.transport.abort()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """The head of one request."""
    return await reader.readuntil(b"\r\n\r\n")

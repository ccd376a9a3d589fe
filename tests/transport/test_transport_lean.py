"""What the lean transport does of its own: its buffers, its limits, and what it makes of odd servers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import httpx
import pytest
from support.transport_requests import OK, ask, echo, in_a_thread, in_pieces, lean, request_for, silent, until
from support.transport_server import PASSWORD, Hold, RawServer, ScriptedServer, read_head, token_text
from support.transport_session import GIVEN, opened

from acomps.errors import TooLarge, UsageError
from acomps.settings import Settings
from acomps.transport import Address, Channel, Replay

LARGE = 64 * 1024 * 1024


async def standstill(value: Callable[[], int]) -> int:
    """The value once it has not changed for many turns of the loop."""
    async with asyncio.timeout(20):
        while True:
            before = value()
            for _ in range(300):
                await asyncio.sleep(0)
            if value() == before:
                return before


async def test_a_server_that_answers_before_it_has_the_whole_body_gets_no_other_request_on_that_connection() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_head(reader)
            writer.write(OK)

    async def pieces() -> AsyncGenerator[bytes]:
        yield b"x"
        await until(lambda: transport.busy == 0)
        yield b"GET /y HTTP/1.1\r\n\r\n"

    async with RawServer(handle) as server, lean() as transport:
        request = request_for(server.url, "POST", content=pieces(), headers={"Content-Length": "20"})
        assert (await ask(transport, request)).content == b"ok"
        assert (transport.busy, transport.idle) == (0, 0)


async def test_switching_protocols_is_not_an_answer() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n" + OK)
        await reader.read()

    async with RawServer(handle) as server, lean() as transport:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(transport, request_for(server.url))
        assert transport.busy == 0


@pytest.mark.parametrize(
    "endless",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 9],
)
async def test_heads_and_trailers_without_end_are_cut_off(endless: bytes) -> None:
    start, tail = (b"", endless) if b"100" in endless else (endless, b"X: y\r\n")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(start)
        while True:
            writer.write(tail * 1_000)
            await writer.drain()

    async with RawServer(handle) as server, lean() as transport:
        with pytest.raises(httpx.RemoteProtocolError, match="longer than"):
            await ask(transport, request_for(server.url))


@pytest.mark.parametrize("announced", [5, 11, 0])
@pytest.mark.parametrize("size", [3, 10])
async def test_a_body_of_another_length_than_announced_is_an_error(announced: int, size: int) -> None:
    headers = {"Content-Length": f"{announced}"}
    async with RawServer(echo) as server, lean() as transport:
        with pytest.raises(httpx.LocalProtocolError):
            await ask(
                transport, request_for(server.url, "POST", content=in_pieces(b"0123456789", size), headers=headers)
            )
        assert transport.busy == 0
        assert (await ask(transport, request_for(server.url, "POST", content=b"ok"))).content == b"ok"


async def test_a_body_is_made_no_faster_than_the_server_takes_it() -> None:
    go = asyncio.Event()
    made = 0

    async def pieces() -> AsyncGenerator[bytes]:
        nonlocal made
        piece = bytes(256 * 1024)
        while made < LARGE:
            made += len(piece)
            yield piece

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await go.wait()
        taken = 0
        while taken < LARGE:
            taken += len(await reader.read(1024 * 1024))
        writer.write(OK)
        await reader.read()

    headers = {"Content-Length": f"{LARGE}"}
    async with RawServer(handle) as server, lean() as transport:
        task = asyncio.create_task(ask(transport, request_for(server.url, "POST", content=pieces(), headers=headers)))
        await until(lambda: made > 0)
        assert await standstill(lambda: made) < LARGE / 2
        go.set()
        assert (await task).content == b"ok"
        assert (made, transport.idle) == (LARGE, 1)


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_is_taken_no_faster_than_it_is_read(chunked: bool) -> None:
    sent = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_head(reader)
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % LARGE
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        piece = bytes(256 * 1024)
        while sent < LARGE:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
            sent += len(piece)
        if chunked:
            writer.write(b"0\r\n\r\n")
        await reader.read()

    async with RawServer(handle) as server, lean() as transport:
        response = await transport.handle_async_request(request_for(server.url))
        await until(lambda: sent > 0)
        assert await standstill(lambda: sent) < LARGE / 2
        got = 0
        async for piece in response.aiter_raw():
            got += len(piece)
        assert got == LARGE
        await until(lambda: transport.idle == 1)


@pytest.mark.parametrize("closes", [True, False])
async def test_a_refusal_that_comes_while_the_body_is_sent_is_delivered(tmp_path: Path, closes: bool) -> None:
    class Endless:
        content_type, length, made = "application/octet-stream", 1 << 40, 0

        async def __aiter__(self) -> AsyncGenerator[bytes]:
            piece = bytes(256 * 1024)
            while True:
                self.made += len(piece)
                yield piece

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/api/tokens" in await read_head(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nX-COMPS-Token: %b\r\n" % token_text().encode())
            writer.write(b"Connection: close\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(b'HTTP/1.1 413 Too Large\r\nContent-Length: 27\r\n\r\n{"ResponseMessage":"enough"}'[:-1] + b"}")
        await writer.drain()
        if not closes:
            while await reader.read(1024 * 1024):
                pass

    body = Endless()
    async with RawServer(handle) as server, opened(server.url, tmp_path) as channel:
        await channel.token()
        with pytest.raises(TooLarge):
            await channel.call("POST", "/x", operation="x", replay=Replay.NEVER, body=body)
        assert body.made < 1 << 30
        await server.all_closed()


async def test_the_last_words_of_a_server_that_hung_up_are_heard_when_a_write_fails() -> None:
    gone = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        connection.recv(10)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        connection.close()  # with bytes unread, which makes it a reset
        gone.set()

    async def pieces() -> AsyncGenerator[bytes]:
        yield bytes(1000)
        gone.wait(20)
        yield bytes(1000)
        yield bytes(1000)

    with in_a_thread(serve) as url:
        async with lean() as transport:
            request = request_for(url, "POST", content=pieces(), headers={"Content-Length": "3000"})
            response = await ask(transport, request)
            assert (response.status_code, response.content) == (413, b"no")
            assert (transport.busy, transport.idle) == (0, 0)


async def test_nothing_that_can_be_printed_shows_a_header_or_a_body() -> None:
    headers = {"X-COMPS-Token": token_text(), "Content-Length": "3"}
    async with ScriptedServer(Hold(asyncio.Event())) as server, lean() as transport:
        server.valid.add(token_text())
        request = request_for(server.url, "POST", content=in_pieces(PASSWORD.encode()[:3], 9), headers=headers)
        task = asyncio.create_task(transport.handle_async_request(request))
        await server.arrived(1)
        (origin,) = transport.__dict__["_pools"].values()
        (connection,) = origin.__dict__["_all"]
        for thing in (transport, origin, connection, connection.__dict__["_incoming"]):
            assert "hash0" not in repr(thing)
        task.cancel()
        await asyncio.wait({task})


async def test_no_task_is_left_or_made_for_a_request() -> None:
    before = asyncio.all_tasks()
    async with RawServer(silent) as server, lean() as transport:
        with pytest.raises(httpx.ReadTimeout):
            await ask(transport, request_for(server.url, read=0.02))
    await until(lambda: asyncio.all_tasks() == before)


async def test_a_lean_session_cannot_use_a_proxy_and_other_names_are_refused(tmp_path: Path) -> None:
    settings = replace(Settings(), token_cache_dir=tmp_path, transport="lean", proxy="http://u:s3cret@127.0.0.1:9")
    with pytest.raises(UsageError, match="cannot use the proxy http://127") as caught:
        async with Channel(Address.parse("http://h"), settings, GIVEN):
            pytest.fail("it was opened")
    assert "s3cret" not in str(caught.value)
    wrong: dict[str, str] = {"transport": "quick"}
    with pytest.raises(UsageError, match=r"Settings\.transport"):
        Settings(**wrong)  # type: ignore[arg-type]  # a name that does not exist


class OneAnswer(BaseHTTPRequestHandler):
    """Any login is welcome, and every GET gets an empty document."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.send_response(200)
        self.send_header("X-COMPS-Token", token_text(expiry="2099-01-01-00-00-00"))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def answering_in_a_thread() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OneAnswer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(20)


async def three_calls(url: str, folder: Path) -> None:
    settings = Settings(token_cache_dir=folder)
    async with Channel(Address.parse(url), settings, GIVEN) as channel:
        for _ in range(3):
            answer = await channel.call("GET", "/x", operation="x", replay=Replay.SAFE)
            assert answer.json() == {}


@pytest.mark.parametrize("options", [{"backend": "trio"}, {"backend_options": {"use_uvloop": True}}])
def test_other_loops_work_too(tmp_path: Path, options: dict[str, object]) -> None:
    pytest.importorskip("trio" if "backend" in options else "uvloop")
    with answering_in_a_thread() as url:
        if "backend" in options:
            anyio.run(three_calls, url, tmp_path, backend="trio")
        else:
            anyio.run(three_calls, url, tmp_path, backend_options={"use_uvloop": True})

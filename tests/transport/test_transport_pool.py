"""How the lean transport keeps connections, and never uses one that it should not."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading

import httpx
import pytest
from support.transport_requests import OK, ask, echo, in_a_thread, lean, request_for, until
from support.transport_server import Hold, RawServer, ScriptedServer, read_head

from acomps.transport.lean import pool
from acomps.transport.lean.connection import Connection
from acomps.transport.lean.heads import Heads


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def test_one_request_after_another_uses_one_connection() -> None:
    async with RawServer(echo) as server, lean(10) as transport:
        for _ in range(100):
            await ask(transport, request_for(server.url, "POST", content=b"x"))
        assert (server.connections, transport.busy, transport.idle) == (1, 0, 1)


async def test_the_connection_used_last_is_handed_out_first() -> None:
    async with ScriptedServer() as server, lean(4) as transport:
        headers = {"X-COMPS-Token": server.issue()}
        go = asyncio.Event()
        server.script.extend([Hold(go)] * 4)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(ask(transport, request_for(server.url, headers=headers)))
            await server.arrived(4)
            go.set()
        assert (server.connections, transport.idle) == (4, 4)
        for _ in range(10):
            await ask(transport, request_for(server.url, headers=headers))
        assert len({call.connection for call in server.calls[4:]}) == 1


async def test_idle_connections_are_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_KEEP_ALIVE_S", 0.05)
    async with RawServer(echo) as server, lean(4) as transport:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(ask(transport, request_for(server.url, "POST", content=b"x")))
        await server.all_closed()
        assert (transport.busy, transport.idle) == (0, 0)
        await ask(transport, request_for(server.url, "POST", content=b"x"))


async def test_a_connection_that_has_been_idle_too_long_is_not_used_even_if_nobody_closed_it_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with RawServer(echo) as server, lean() as transport:
        await ask(transport, request_for(server.url, "POST", content=b"x"))
        monkeypatch.setattr(pool, "_KEEP_ALIVE_S", 0.0)
        await ask(transport, request_for(server.url, "POST", content=b"x"))
        assert server.connections == 2


async def test_an_idle_connection_that_the_server_closes_is_forgotten_at_once() -> None:
    async with ScriptedServer() as server, lean() as transport:
        headers = {"X-COMPS-Token": server.issue()}
        await ask(transport, request_for(server.url, headers=headers))
        assert transport.idle == 1
        server.close_connections()
        await until(lambda: transport.idle == 0)
        assert (await ask(transport, request_for(server.url, "POST", headers=headers))).status_code == 200


@pytest.mark.parametrize("at_once", [True, False])
async def test_bytes_that_nobody_asked_for_are_not_taken_for_the_next_answer(at_once: bool) -> None:
    more = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        wrong = OK.replace(b"ok", b"no")
        writer.write(OK + wrong if at_once else OK)
        await more.wait()
        writer.write(wrong)
        await reader.read()

    async with RawServer(handle) as server, lean() as transport:
        for turn in range(1, 4):
            assert (await ask(transport, request_for(server.url))).content == b"ok"
            more.set()
            await until(lambda: transport.idle == 0)
            assert server.connections == turn


async def test_surplus_after_a_large_body_is_not_part_of_it_and_costs_the_connection() -> None:
    body = os.urandom(2_000_000)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body + OK)
        await reader.read()

    async with RawServer(handle) as server, lean() as transport:
        for _ in range(2):
            assert (await ask(transport, request_for(server.url))).content == body
            await until(lambda: transport.idle == 0)
        assert server.connections == 2


async def test_a_connection_whose_reading_was_paused_at_the_end_of_an_answer_reads_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "_KEEP_ALIVE_S", 1_000.0)
    close = asyncio.Event()
    size = 600_000

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        await close.wait()

    async with RawServer(handle) as server, lean() as transport:
        response = await transport.handle_async_request(request_for(server.url))
        await until(lambda: transport.idle == 1)
        close.set()
        await until(lambda: transport.idle == 0)
        assert len(await response.aread()) == size


async def test_a_connection_given_to_a_request_that_is_cancelled_goes_to_the_next() -> None:
    async def first() -> None:
        response = await transport.handle_async_request(request_for(server.url, "POST", content=b"1"))
        second.cancel()  # it has been given the connection already, and has not run yet
        await response.aread()

    async with RawServer(echo) as server, lean() as transport:
        running = asyncio.create_task(first())
        second = asyncio.create_task(ask(transport, request_for(server.url, "POST", content=b"2")))
        await asyncio.wait({running, second})
        assert (second.cancelled(), transport.busy) == (True, 0)
        assert (await ask(transport, request_for(server.url, "POST", content=b"3"))).content == b"3"


def without_a_look(connection: Connection) -> bool:
    """What is known of a connection without asking its socket."""
    return connection.closed


@pytest.mark.parametrize("looked_at", [True, False])
async def test_a_kept_connection_that_died_unseen_costs_a_request_nothing(
    monkeypatch: pytest.MonkeyPatch, looked_at: bool
) -> None:
    """The loop had no chance to see the end: the look at the socket does, or else the write that takes no byte.

    A connection that was only closed still takes bytes, so nothing but the look can save the request.
    """
    if not looked_at:
        monkeypatch.setattr(Connection, "stale", without_a_look)
    monkeypatch.setattr(pool, "_KEEP_ALIVE_S", 1_000.0)
    die, died = threading.Event(), threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        connection.recv(65_536)
        connection.sendall(OK)
        if number == 1:
            die.wait(20)
            if looked_at:
                connection.close()
            else:
                reset(connection)
            died.set()

    with in_a_thread(serve) as url:
        async with lean() as transport:
            assert (await ask(transport, request_for(url, "POST", content=b"first"))).content == b"ok"
            die.set()
            died.wait(20)
            assert (await ask(transport, request_for(url, "POST", content=b"second"))).content == b"ok"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_nobody_asked_for_is_no_answer_to_the_next_request(method: str) -> None:
    """It comes while the loop is busy, so nothing but the look at the socket can find it."""
    go_on, sent = threading.Event(), threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        connection.recv(65_536)
        connection.sendall(OK)
        if number == 1:
            go_on.wait(20)
            connection.sendall(OK.replace(b"ok", b"no"))
            sent.set()

    with in_a_thread(serve) as url:
        async with lean() as transport:
            assert (await ask(transport, request_for(url, method, content=b"1"))).content == b"ok"
            go_on.set()
            sent.wait(20)
            assert (await ask(transport, request_for(url, method, content=b"2"))).content == b"ok"


async def test_each_request_has_its_own_header_lines() -> None:
    """Lines that are those of the request before are not written anew: whatever is different must be."""
    heads = Heads()
    for value in ("a", "b", "b", "a"):
        request = httpx.Request("POST", "http://host/path", headers={"x-mine": value}, content=value * 3)
        head, length = heads.encoded(request)
        assert (f"x-mine: {value}\r\n".encode() in head, length) == (True, 3)
        assert head.endswith(b"\r\n\r\n")
    with pytest.raises(httpx.LocalProtocolError, match="does not allow"):
        heads.encoded(httpx.Request("GET", "http://host/", headers={"x-mine": "a\r\nx-theirs: b"}))
    head, length = heads.encoded(httpx.Request("GET", "http://host/"))
    assert (head, length) == (head.replace(b"x-", b""), 0)

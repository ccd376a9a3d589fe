"""What httpx may expect of a transport, whichever it is."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

import httpx
import pytest
import trustme
from support.transport_requests import Transport, ask, echo, in_pieces, request_for, silent
from support.transport_server import Hold, RawServer, Reply, ScriptedServer, read_head

MakeTransport: TypeAlias = Callable[..., Transport]

QUICK = 0.05


def answering(*answers: bytes) -> RawServer:
    """Each connection gives these answers, one per request, and closes behind the last."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_head(reader)
            writer.write(answer)
            await writer.drain()
        writer.close()

    return RawServer(handle)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, b"ok"),
    ],
)
async def test_the_body_ends_where_the_answer_says_and_the_connection_goes_on(
    new_transport: MakeTransport, answer: bytes, body: bytes
) -> None:
    async with answering(answer, OK) as server, new_transport() as transport:
        response = await ask(transport, request_for(server.url))
        assert (response.content, "link" in response.headers) == (body, False)
        assert (await ask(transport, request_for(server.url))).content == b"ok"
        assert server.connections == 1


async def test_an_answer_in_single_bytes_is_the_same_answer(new_transport: MakeTransport) -> None:
    answer = b"HTTP/1.1 207 Multi Status\r\nA: 1\r\na: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        for number in range(len(answer)):
            writer.write(answer[number : number + 1])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    async with RawServer(handle) as server, new_transport() as transport:
        response = await ask(transport, request_for(server.url))
    assert (response.status_code, response.content) == (207, b"hello")
    assert response.headers.get_list("a") == ["1", "2"]
    assert (response.extensions["reason_phrase"], response.http_version) == (b"Multi Status", "HTTP/1.1")


async def test_a_head_request_has_no_body_whatever_its_answer_announces(new_transport: MakeTransport) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    async with answering(head, OK) as server, new_transport() as transport:
        response = await ask(transport, request_for(server.url, "HEAD"))
        assert (response.content, response.headers["content-length"]) == (b"", "1000")
        assert (await ask(transport, request_for(server.url))).content == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ],
)
async def test_an_answer_that_ends_its_connection_is_whole_and_the_next_has_another(
    new_transport: MakeTransport, answer: bytes, body: bytes
) -> None:
    async with answering(answer) as server, new_transport() as transport:
        for _ in range(2):
            assert (await ask(transport, request_for(server.url))).content == body
        assert server.connections == 2


async def test_a_compressed_body_is_unpacked_by_httpx(new_transport: MakeTransport) -> None:
    reply = Reply(body=gzip.compress(b"plain"), headers={"Content-Encoding": "gzip"})
    async with ScriptedServer(reply) as server, new_transport() as transport:
        request = request_for(server.url, headers={"X-COMPS-Token": server.issue()})
        assert (await ask(transport, request)).content == b"plain"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH_9\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Le", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n", httpx.RemoteProtocolError),
    ],
)
async def test_an_answer_that_is_none_is_an_error_and_costs_its_connection(
    new_transport: MakeTransport, answer: bytes, error: type[Exception]
) -> None:
    async with answering(answer) as server, new_transport() as transport:
        for _ in range(2):
            with pytest.raises(error):
                await ask(transport, request_for(server.url))
            assert transport.busy == 0
        assert server.connections == 2


async def gather(response: httpx.Response, into: bytearray) -> None:
    async for piece in response.aiter_raw():
        into += piece


async def test_a_body_that_breaks_off_is_an_error_after_what_came(new_transport: MakeTransport) -> None:
    body = os.urandom(1_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) + 1)
    got = bytearray()
    async with answering(head + body) as server, new_transport() as transport:
        response = await transport.handle_async_request(request_for(server.url))
        with pytest.raises(httpx.RemoteProtocolError):
            await gather(response, got)
        await response.aclose()
        assert transport.busy == 0
    assert got == body


async def test_nobody_listening_is_a_connect_error(new_transport: MakeTransport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with new_transport() as transport:
            for _ in range(3):
                with pytest.raises(httpx.ConnectError):
                    await ask(transport, request_for(f"http://127.0.0.1:{unused.getsockname()[1]}"))
                assert transport.busy == 0


async def test_another_scheme_is_not_supported(new_transport: MakeTransport) -> None:
    async with new_transport() as transport:
        with pytest.raises(httpx.UnsupportedProtocol):
            await ask(transport, request_for("ftp://127.0.0.1"))


async def test_connecting_reading_and_writing_have_their_time_limits(new_transport: MakeTransport) -> None:
    async def endless() -> AsyncGenerator[bytes]:
        while True:
            yield bytes(256 * 1024)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    tls = ssl.create_default_context()
    async with RawServer(silent) as server, new_transport(verify=tls) as transport:
        with pytest.raises(httpx.ConnectTimeout):
            await ask(transport, request_for(server.url.replace("http", "https"), connect=QUICK))
        with pytest.raises(httpx.ReadTimeout):
            await ask(transport, request_for(server.url, read=QUICK))
        assert transport.busy == 0
    async with RawServer(deaf) as server, new_transport() as transport:
        with pytest.raises(httpx.WriteTimeout):
            await ask(transport, request_for(server.url, "POST", content=endless(), write=QUICK))
        assert transport.busy == 0


async def test_a_request_waits_for_a_connection_only_so_long(new_transport: MakeTransport) -> None:
    async with ScriptedServer(default=Hold(asyncio.Event())) as server, new_transport() as transport:
        headers = {"X-COMPS-Token": server.issue()}
        first = asyncio.create_task(ask(transport, request_for(server.url, headers=headers)))
        await server.arrived(1)
        with pytest.raises(httpx.PoolTimeout):
            await ask(transport, request_for(server.url, pool=QUICK))
        first.cancel()
        await asyncio.wait({first})
        assert transport.busy == 0


async def test_a_body_that_falls_silent_is_a_read_timeout(new_transport: MakeTransport) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + bytes(1000))
        await reader.read()

    async with RawServer(handle) as server, new_transport() as transport:
        response = await transport.handle_async_request(request_for(server.url, read=QUICK))
        with pytest.raises(httpx.ReadTimeout):
            await response.aread()
        await response.aclose()
        assert transport.busy == 0


@pytest.mark.parametrize("size", [7, 70_000, 3_000_000])
@pytest.mark.parametrize("announced", [True, False])
async def test_bodies_arrive_as_they_are(new_transport: MakeTransport, size: int, announced: bool) -> None:
    content = os.urandom(size)
    headers = {"Content-Length": f"{size}"} if announced else {}
    async with RawServer(echo) as server, new_transport() as transport:
        for _ in range(3):
            pieces = in_pieces(content, 33_333)
            response = await ask(transport, request_for(server.url, "POST", content=pieces, headers=headers))
            assert response.content == content
        assert server.connections == 1


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X": "a\0b"}, {"X Y": "a"}, {"": "a"}])
async def test_a_header_that_would_become_another_line_is_refused(
    new_transport: MakeTransport, headers: dict[str, str]
) -> None:
    async with RawServer(silent) as server, new_transport() as transport:
        with pytest.raises(httpx.LocalProtocolError):
            await ask(transport, request_for(server.url, headers=headers))
        assert transport.busy == 0


async def test_no_more_connections_than_allowed_are_open(new_transport: MakeTransport) -> None:
    async with ScriptedServer() as server, new_transport(5) as transport:
        headers = {"X-COMPS-Token": server.issue()}
        async with asyncio.TaskGroup() as tasks:
            for _ in range(100):
                tasks.create_task(ask(transport, request_for(server.url, headers=headers)))
        assert len(server.calls) == 100
        assert server.connections <= 5
        assert transport.busy == 0


async def test_no_moment_of_cancellation_costs_a_connection(new_transport: MakeTransport) -> None:
    async with ScriptedServer() as server, new_transport() as transport:
        headers = {"X-COMPS-Token": server.issue()}
        for steps in range(40):
            task = asyncio.create_task(ask(transport, request_for(server.url, headers=headers)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            assert transport.busy == 0
            async with asyncio.timeout(10):
                assert (await ask(transport, request_for(server.url, headers=headers))).status_code == 200


async def test_a_cancelled_wait_for_a_connection_costs_nobody_his_turn(new_transport: MakeTransport) -> None:
    go = asyncio.Event()
    async with ScriptedServer(Hold(go)) as server, new_transport() as transport:
        headers = {"X-COMPS-Token": server.issue()}
        tasks = [asyncio.create_task(ask(transport, request_for(server.url, headers=headers))) for _ in range(6)]
        await server.arrived(1)
        for waiting in (tasks[1], tasks[4]):
            waiting.cancel()
        go.set()
        await asyncio.wait(tasks, timeout=20)
        assert [task.cancelled() for task in tasks] == [False, True, False, False, True, False]
        assert [task.result().status_code for task in tasks if not task.cancelled()] == [200] * 4
        assert (transport.busy, len(server.calls)) == (0, 4)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_an_address_of_the_newer_kind_is_reached(new_transport: MakeTransport) -> None:
    async with RawServer(echo, host="::1") as server, new_transport() as transport:
        assert (await ask(transport, request_for(server.url, "POST", content=b"six"))).content == b"six"


async def test_a_host_with_several_addresses_is_reached_at_the_one_that_answers(new_transport: MakeTransport) -> None:
    async with RawServer(echo) as server, new_transport() as transport:
        url = f"http://localhost:{server.port}"
        assert (await ask(transport, request_for(url, "POST", content=b"name"))).content == b"name"


def tls_of(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.issue_cert(name).private_key_and_cert_chain_pem.tempfile() as path:
        context.load_cert_chain(path)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())


async def test_large_bodies_go_over_tls_and_the_connection_is_kept(
    new_transport: MakeTransport, authority: trustme.CA
) -> None:
    content = os.urandom(3_000_000)
    server = RawServer(echo, tls=tls_of(authority, "127.0.0.1"))
    async with server, new_transport(verify=trusting(authority)) as transport:
        for _ in range(3):
            assert (await ask(transport, request_for(server.url, "POST", content=content))).content == content
        assert server.connections == 1


@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.example"])
async def test_a_certificate_that_does_not_prove_the_host_ends_it_before_a_byte_is_sent(
    new_transport: MakeTransport, authority: trustme.CA, name: str
) -> None:
    context = ssl.create_default_context() if name == "127.0.0.1" else trusting(authority)
    server = RawServer(echo, tls=tls_of(authority, name))
    async with server, new_transport(verify=context) as transport:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await ask(transport, request_for(server.url))
        assert (transport.busy, server.connections) == (0, 0)


async def test_closing_ends_what_is_under_way(new_transport: MakeTransport) -> None:
    async with ScriptedServer(Hold(asyncio.Event())) as server, new_transport(2) as transport:
        headers = {"X-COMPS-Token": server.issue()}
        task = asyncio.create_task(ask(transport, request_for(server.url, headers=headers)))
        await server.arrived(1)
        await transport.aclose()
        await server.all_closed()
        with pytest.raises(httpx.TransportError):
            await task

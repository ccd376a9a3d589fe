from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from support.transport_server import Drop, Instruction, Reply, ScriptedServer, Stalled, Truncated, token_text
from support.transport_session import opened

from acomps.errors import MalformedAnswer, NotFound, OutcomeUnknown, ServerFailed
from acomps.settings import Settings
from acomps.transport import Channel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")

CONTENT = os.urandom(300_000)


async def read(channel: Channel, into: bytearray) -> None:
    async with channel.stream("GET", "/asset/b", operation="fetch b") as answer:
        async for piece in answer.chunks():
            into += piece


async def test_the_bytes_come_as_they_are(tmp_path: Path) -> None:
    async with ScriptedServer(Reply(206, CONTENT, {"Content-Range": "bytes 0-9/10"})) as server:
        async with opened(server, tmp_path) as channel:
            url = "https://files.example:99/asset/a/b?sig=1"
            async with channel.stream("GET", url, operation="fetch b", headers={"Range": "bytes=0-9"}) as answer:
                assert answer.status == 206
                assert answer.headers["content-range"] == "bytes 0-9/10"
                pieces = [piece async for piece in answer.chunks()]
        assert b"".join(pieces) == CONTENT
        assert len(pieces) > 1
        (call,) = server.calls
        assert call.target == "/asset/a/b?sig=1"
        assert call.headers["range"] == "bytes=0-9"
        assert call.headers["accept"] == "application/json"
        assert call.headers["accept-encoding"] == "identity"
        assert call.headers["x-comps-token"] == token_text(1)


async def test_a_body_that_breaks_off_is_an_error_after_the_bytes_that_came(tmp_path: Path) -> None:
    got = bytearray()
    async with ScriptedServer(Truncated(CONTENT, 100_000)) as server, opened(server, tmp_path) as channel:
        with pytest.raises(OutcomeUnknown, match="fetch b: the connection"):
            await read(channel, got)
        assert bytes(got) == CONTENT[:100_000]
        assert len(server.calls) == 1
        async with channel.stream("GET", "/asset/b", operation="fetch b") as answer:
            assert [piece async for piece in answer.chunks()] == [b"{}"]


async def test_the_head_of_the_answer_is_repeated_like_a_read(tmp_path: Path) -> None:
    script: list[Instruction] = [Drop(), Reply(502), Reply(401), Reply(503), Reply(body=b"abc")]
    async with ScriptedServer(*script) as server, opened(server, tmp_path) as channel:
        async with channel.stream("GET", "/asset/b", operation="fetch b") as answer:
            assert [piece async for piece in answer.chunks()] == [b"abc"]
        assert len(server.calls) == 5


async def test_a_refusal_is_raised_with_its_message(tmp_path: Path) -> None:
    reply = Reply(404, b'{"ResponseMessage":"no such file"}')
    async with ScriptedServer(reply) as server, opened(server, tmp_path) as channel:
        with pytest.raises(NotFound, match="fetch b: 404 Not Found: no such file"):
            async with channel.stream("GET", "/asset/b", operation="fetch b"):
                pytest.fail("there is nothing to read")


async def test_a_refusal_whose_body_cannot_be_read_is_still_that_refusal(tmp_path: Path) -> None:
    reply = Reply(500, b"x", {"Content-Encoding": "gzip"})
    async with ScriptedServer(default=reply) as server, opened(server, tmp_path) as channel:
        with pytest.raises(ServerFailed, match="500"):
            async with channel.stream("GET", "/asset/b", operation="fetch b"):
                pytest.fail("there is nothing to read")


async def test_a_compressed_stream_is_refused_for_its_ranges_would_mean_nothing(tmp_path: Path) -> None:
    reply = Reply(body=b"zzz", headers={"Content-Encoding": "gzip"})
    async with ScriptedServer(reply) as server, opened(server, tmp_path) as channel:
        got = bytearray()
        with pytest.raises(MalformedAnswer, match="compressed"):
            await read(channel, got)
        assert got == b""


async def test_leaving_early_drops_the_connection_and_gives_the_place_back(tmp_path: Path) -> None:
    settings = Settings(reads_at_once=1)
    server = ScriptedServer(default=Reply(body=CONTENT * 50))
    async with server, opened(server, tmp_path, settings=settings) as channel:
        for _ in range(3):
            async with channel.stream("GET", "/asset/b", operation="fetch b") as answer:
                async for _ in answer.chunks():
                    break
        async with channel.stream("GET", "/asset/b", operation="fetch b"):
            pass
        await server.all_closed()


async def test_a_stream_that_is_read_to_its_end_keeps_its_connection(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        for _ in range(5):
            async with channel.stream("GET", "/asset/b", operation="fetch b") as answer:
                async for _ in answer.chunks():
                    pass
        assert server.connections == 1


async def test_cancelling_while_bytes_are_awaited_closes_the_connection(tmp_path: Path) -> None:
    settings = Settings(reads_at_once=1)
    server = ScriptedServer(Stalled(CONTENT, 10))
    async with server, opened(server, tmp_path, settings=settings) as channel:
        got = bytearray()
        task = asyncio.create_task(read(channel, got))
        async with asyncio.timeout(20):
            while not got:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert bytes(got) == CONTENT[:10]
        await server.all_closed()
        await read(channel, got)


async def test_one_task_may_hold_several_streams(tmp_path: Path) -> None:
    async with (
        ScriptedServer(Reply(body=b"a"), Reply(body=b"b")) as server,
        opened(server, tmp_path) as channel,
        channel.stream("GET", "/asset/a", operation="a") as first,
        channel.stream("GET", "/asset/b", operation="b") as second,
    ):
        assert [piece async for piece in second.chunks()] == [b"b"]
        assert [piece async for piece in first.chunks()] == [b"a"]

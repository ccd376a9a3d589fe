from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.transport_server import Drop, Hold, Instruction, Reply, ScriptedServer, token_text
from support.transport_session import GIVEN, FakeTime, opened

from acomps.errors import (
    AcompsError,
    AnswerTimedOut,
    ContentError,
    MalformedAnswer,
    OutcomeUnknown,
    ServerFailed,
    UsageError,
)
from acomps.events import Event, Retrying
from acomps.settings import RetrySettings, Settings, Timeouts
from acomps.transport import Address, Answer, Channel, Replay

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")


class Pieces:
    """A body in pieces that counts its iterations and how many of them were ended."""

    content_type = "multipart/form-data; boundary=x"

    def __init__(self, *pieces: bytes, length: int | None = None) -> None:
        self.pieces = pieces
        self.length = sum(map(len, pieces)) if length is None else length
        self.begun = self.ended = 0

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        self.begun += 1
        try:
            for piece in self.pieces:
                yield piece
        finally:
            self.ended += 1


async def get(channel: Channel, path: str = "/Suites") -> Answer:
    return await channel.call("GET", path, operation="list suites", replay=Replay.SAFE)


async def test_every_request_has_the_headers_of_the_protocol_and_no_others(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await get(channel)
        (call,) = server.calls
        name, _, agent = call.lines[3].partition("/")
        assert name == "User-Agent: acomps"
        assert agent
        assert [*call.lines[:3], *call.lines[4:]] == [
            f"Host: 127.0.0.1:{server.port}",
            "Accept: application/json",
            "Accept-Encoding: gzip, deflate",
            "Content-Type: application/json",
            f"X-COMPS-Token: {token_text(1)}",
        ]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_call_without_a_body_says_that_its_length_is_zero(tmp_path: Path, method: str) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await channel.call(method, "/Suites/1", operation="x", replay=Replay.NEVER)
        assert server.calls[0].method == method
        assert server.calls[0].headers["content-length"] == "0"


async def test_json_is_sent_as_it_is_given(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await channel.call("POST", "Suites", operation="x", replay=Replay.NEVER, json=b'{"Suites": []}')
        assert server.calls[0].body == b'{"Suites": []}'
        assert server.calls[0].target == "/api/Suites"


@pytest.mark.parametrize(
    ("pair", "encoded"),
    [
        (("children", "Tags,Configuration,Files,HPCJobs"), "children=Tags%2CConfiguration%2CFiles%2CHPCJobs"),
        (
            ("filters", "Name~Test,DateCreated>=2020-01-01"),
            "filters=Name~Test%2CDateCreated%3E%3D2020-01-01",
        ),
        (("orderby", "DateCreated desc"), "orderby=DateCreated+desc"),
        (("tagfilters", "a=1+2,b"), "tagfilters=a%3D1%2B2%2Cb"),
        (("filters", "name~%%&x#y?z/ü"), "filters=name~%25%25%26x%23y%3Fz%2F%C3%BC"),
        (("", ""), "="),
    ],
)
async def test_the_query_is_encoded_as_the_protocol_has_it(tmp_path: Path, pair: tuple[str, str], encoded: str) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await channel.call("GET", "/Simulations", operation="x", replay=Replay.SAFE, query=[("count", "5"), pair])
        assert server.calls[0].target == f"/api/Simulations?count=5&{encoded}"


async def test_a_query_goes_after_one_that_the_path_has(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await channel.call("GET", "/asset/x?flatten=1", operation="x", replay=Replay.SAFE, query=[("a", "b")])
        assert server.calls[0].target == "/asset/x?flatten=1&a=b"


async def test_own_headers_replace_those_of_the_protocol_in_any_case(tmp_path: Path) -> None:
    headers = {"content-type": "application/octet-stream", "Content-Range": "bytes 0-2/9"}
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await channel.call("POST", "/upload/1", operation="x", replay=Replay.SAFE, json=b"abc", headers=headers)
        (call,) = server.calls
        assert call.headers["content-type"] == "application/octet-stream"
        assert call.headers["content-range"] == "bytes 0-2/9"
        assert len([line for line in call.lines if line.lower().startswith("content-type")]) == 1


@pytest.mark.parametrize("headers", [{"Range": "a\r\nX: y"}, {"a\nb": "c"}, {"X": "ł"}, {"ü": "x"}])
async def test_a_header_that_cannot_be_sent_is_a_usage_error(tmp_path: Path, headers: dict[str, str]) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        with pytest.raises(UsageError, match="list it"):
            await channel.call("GET", "/x", operation="list it", replay=Replay.SAFE, headers=headers)
        assert server.ledger == []


async def test_a_path_that_is_no_url_is_a_usage_error(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        with pytest.raises(UsageError, match="list suites: the path"):
            await get(channel, "/Suites/\x00")


async def test_an_answer_gives_status_headers_in_any_case_and_json(tmp_path: Path) -> None:
    reply = Reply(206, b'{"Size": 7}', {"Content-Range": "0-9/70", "X-A": "1", "x-a": "2"})
    async with ScriptedServer(reply) as server, opened(server, tmp_path) as channel:
        answer = await get(channel)
        assert answer.status == 206
        assert answer.headers["CONTENT-range"] == "0-9/70"
        assert answer.headers["x-a"] == "1, 2"
        assert answer.headers.get("missing") is None
        assert answer.json() == {"Size": 7}


@pytest.mark.parametrize("content", [b"", b"<html>Sign in here, please" + b"x" * 200, b"\xff\xfe"])
async def test_an_answer_that_is_not_json_names_the_call_and_shows_its_beginning(
    tmp_path: Path, content: bytes
) -> None:
    async with ScriptedServer(Reply(body=content)) as server, opened(server, tmp_path) as channel:
        answer = await get(channel)
        with pytest.raises(MalformedAnswer, match="list suites: the answer is not JSON") as caught:
            answer.json()
        assert content[:80].decode("utf-8", "replace") in str(caught.value)
        assert len(str(caught.value)) < 180


async def test_a_compressed_answer_is_unpacked(tmp_path: Path) -> None:
    packed = Reply(body=gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})
    broken = Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"})
    async with ScriptedServer(packed, broken) as server, opened(server, tmp_path) as channel:
        assert (await get(channel)).json() == {"a": 1}
        with pytest.raises(MalformedAnswer, match="unpacked"):
            await get(channel)


async def test_a_streamed_body_is_sent_with_its_exact_length_and_type(tmp_path: Path) -> None:
    body = Pieces(b"a" * 70_000, b"", b"b" * 70_000, b"c")
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await channel.call("POST", "/Simulations", operation="x", replay=Replay.CHECKED, body=body)
        (call,) = server.calls
        assert call.body == b"".join(body.pieces)
        assert call.headers["content-length"] == "140001"
        assert call.headers["content-type"] == "multipart/form-data; boundary=x"
        assert "transfer-encoding" not in call.headers
        assert (body.begun, body.ended) == (1, 1)


async def test_an_empty_streamed_body_has_length_zero(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await channel.call("POST", "/x", operation="x", replay=Replay.NEVER, body=Pieces())
        assert server.calls[0].headers["content-length"] == "0"


async def test_each_attempt_iterates_the_body_afresh(tmp_path: Path) -> None:
    body = Pieces(b"abc", b"def")
    script: list[Instruction] = [Reply(401), Reply(503), Drop(), Reply()]
    async with ScriptedServer(*script) as server, opened(server, tmp_path) as channel:
        await channel.call("POST", "/x", operation="x", replay=Replay.SAFE, body=body)
        assert [call.body for call in server.calls] == [b"abcdef"] * 4
        assert (body.begun, body.ended) == (4, 4)


@pytest.mark.parametrize(
    ("length", "words"), [(7, "ended 1 bytes before"), (5, "goes on after"), (3, "goes on after"), (0, "goes on")]
)
async def test_a_body_of_another_length_than_promised_is_an_error_and_never_arrives(
    tmp_path: Path, length: int, words: str
) -> None:
    body = Pieces(b"abc", b"def", length=length)
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        with pytest.raises(ContentError, match=words):
            await channel.call("POST", "/x", operation="x", replay=Replay.SAFE, body=body)
        assert server.calls == []
        assert (body.begun, body.ended) == (1, 1)
        await get(channel)


async def test_an_error_of_the_body_itself_passes_through(tmp_path: Path) -> None:
    class Broken(Pieces):
        async def __aiter__(self) -> AsyncGenerator[bytes]:
            yield b"abc"
            raise ContentError("the file has gone")

    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        with pytest.raises(ContentError, match="the file has gone"):
            await channel.call("POST", "/x", operation="x", replay=Replay.SAFE, body=Broken(length=9))
        assert server.calls == []


async def test_a_body_whose_sending_is_cancelled_is_ended_at_once(tmp_path: Path) -> None:
    waiting = asyncio.Event()

    class Slow(Pieces):
        async def __aiter__(self) -> AsyncGenerator[bytes]:
            self.begun += 1
            try:
                yield b"abc"
                waiting.set()
                await asyncio.Event().wait()
            finally:
                self.ended += 1

    body = Slow(length=9)
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        call = channel.call("POST", "/x", operation="x", replay=Replay.SAFE, body=body)
        task = asyncio.ensure_future(call)
        await waiting.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert body.ended == 1


async def test_json_and_body_together_are_a_usage_error(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        with pytest.raises(UsageError, match="not both"):
            await channel.call("POST", "/x", operation="x", replay=Replay.SAFE, json=b"", body=Pieces())


@pytest.mark.parametrize(
    ("instruction", "replay", "attempts", "error"),
    [
        (Drop(), Replay.SAFE, 3, OutcomeUnknown),
        (Drop(), Replay.CHECKED, 1, OutcomeUnknown),
        (Drop(), Replay.NEVER, 1, OutcomeUnknown),
        (Reply(503), Replay.SAFE, 3, ServerFailed),
        (Reply(503), Replay.CHECKED, 3, ServerFailed),
        (Reply(503), Replay.NEVER, 3, ServerFailed),
        (Reply(502), Replay.SAFE, 3, ServerFailed),
        (Reply(502), Replay.CHECKED, 1, ServerFailed),
    ],
)
async def test_the_server_sees_as_many_attempts_as_the_replay_allows(
    tmp_path: Path, instruction: Instruction, replay: Replay, attempts: int, error: type[AcompsError]
) -> None:
    settings = Settings(retry=RetrySettings(attempts=3))
    async with ScriptedServer(default=instruction) as server:
        async with opened(server, tmp_path, settings=settings) as channel:
            with pytest.raises(error, match="save it"):
                await channel.call("POST", "/x", operation="save it", replay=replay, json=b"{}")
        assert len(server.calls) == attempts


async def test_a_call_with_retry_off_is_made_once(tmp_path: Path) -> None:
    async with ScriptedServer(Reply(503)) as server, opened(server, tmp_path) as channel:
        with pytest.raises(ServerFailed):
            await channel.call("GET", "/x", operation="x", replay=Replay.SAFE, retry=False)
        assert len(server.calls) == 1


async def test_a_repeat_is_announced(tmp_path: Path) -> None:
    events: list[Event] = []
    script = [Reply(429, b"{}", {"Retry-After": "2"})]
    async with (
        ScriptedServer(*script) as server,
        opened(server, tmp_path, sink=events.append, time=FakeTime(jitter=0)) as channel,
    ):
        await get(channel)
    (event,) = [event for event in events if isinstance(event, Retrying)]
    assert (event.operation, event.attempt, event.wait_s) == ("list suites", 2, 2)
    assert "429" in event.reason


async def test_a_server_that_falls_silent_is_an_answer_timed_out(tmp_path: Path) -> None:
    settings = Settings(timeouts=Timeouts(read_s=0.05), retry=RetrySettings(attempts=2))
    async with ScriptedServer(default=Hold(asyncio.Event())) as server:
        async with opened(server, tmp_path, settings=settings) as channel:
            with pytest.raises(AnswerTimedOut, match=r"sent nothing for 0\.05 s.*2 attempts"):
                await get(channel)
        assert len(server.calls) == 2


async def test_no_more_than_the_set_number_of_reads_are_under_way(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with ScriptedServer(default=Hold(go)) as server:
        async with opened(server, tmp_path, settings=Settings(reads_at_once=3)) as channel:
            await channel.token()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(10):
                    tasks.create_task(get(channel))
                await server.arrived(3)
                for _ in range(50):
                    await asyncio.sleep(0)
                assert len(server.calls) == 3
                go.set()
        assert len(server.calls) == 10
        assert server.connections <= 4


async def test_a_save_does_not_wait_behind_reads(tmp_path: Path) -> None:
    go = asyncio.Event()
    one = Settings(reads_at_once=1)
    async with ScriptedServer(Hold(go)) as server, opened(server, tmp_path, settings=one) as channel:
        read = asyncio.create_task(get(channel))
        await server.arrived(1)
        await channel.call("POST", "/x", operation="x", replay=Replay.NEVER)
        go.set()
        await read


async def test_a_cancelled_call_closes_its_connection_and_gives_its_place_back(tmp_path: Path) -> None:
    one = Settings(reads_at_once=1)
    hold = Hold(asyncio.Event())
    async with ScriptedServer(hold) as server, opened(server, tmp_path, settings=one) as channel:
        await channel.token()
        task = asyncio.create_task(get(channel))
        await server.arrived(1)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        await server.all_closed()
        assert (await get(channel)).status == 200


async def test_closing_leaves_no_connection_and_may_be_done_twice(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(get(channel))
        await channel.aclose()
        await server.all_closed()


async def test_a_channel_that_is_not_open_says_so(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        settings = replace(Settings(), token_cache_dir=tmp_path)
        channel = Channel(Address.parse(server.url), settings, GIVEN)
        with pytest.raises(UsageError, match="not open"):
            await get(channel)
        async with channel:
            await get(channel)
        with pytest.raises(UsageError, match="not open"):
            await get(channel)


async def test_a_connection_that_the_server_closed_while_it_was_idle_is_not_used_again(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await get(channel)
        server.close_connections()
        await server.all_closed()
        await channel.call("POST", "/x", operation="x", replay=Replay.NEVER)
        assert len(server.calls) == 2

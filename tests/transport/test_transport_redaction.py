from __future__ import annotations

import base64
import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from support.transport_server import PASSWORD, Drop, Instruction, Reply, ScriptedServer, token_text
from support.transport_session import FakeTime, opened

from acomps.errors import AcompsError
from acomps.transport import Channel, Replay
from acomps.transport.redaction import hide

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")

SECRETS = ("hash1", "hash2", "sig", PASSWORD, base64.b64encode(PASSWORD.encode()).decode())


async def get(channel: Channel) -> None:
    await channel.call("GET", "/Suites", operation="list suites", replay=Replay.SAFE)


async def test_no_log_record_of_any_library_holds_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, each_transport: str
) -> None:
    caplog.set_level(logging.DEBUG)
    time = FakeTime()
    script: list[Instruction] = [Reply(), Drop(), Reply(401), Reply(), Reply(500)]
    async with ScriptedServer(*script) as server, opened(server, tmp_path, time=time) as channel:
        await get(channel)
        await get(channel)
        time.advance(hours=3)
        await get(channel)
        await channel.logout()
    assert ("receive_response_headers.complete" in caplog.text) is (each_transport == "lanes")
    assert "list suites: GET" in caplog.text
    for secret in SECRETS:
        assert secret not in caplog.text


async def test_nothing_is_logged_above_debug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "acomps")
    async with ScriptedServer(Drop(), Reply(503)) as server, opened(server, tmp_path) as channel:
        await get(channel)
    assert [record for record in caplog.records if record.name.startswith("acomps")] == []


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_a_server_that_repeats_the_token_does_not_bring_it_into_an_error(tmp_path: Path, status: int) -> None:
    body = f'{{"ResponseMessage":"bad token {token_text(1)} or {token_text(2)}"}}'.encode()
    async with ScriptedServer(default=Reply(status, body)) as server, opened(server, tmp_path) as channel:
        with pytest.raises(AcompsError) as caught:
            await get(channel)
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    for secret in SECRETS:
        assert secret not in text


async def test_no_text_form_of_channel_or_answer_holds_a_secret(tmp_path: Path) -> None:
    reply = Reply(headers={"X-COMPS-Token": token_text(1)}, body=token_text(1).encode())
    async with ScriptedServer(reply) as server, opened(server, tmp_path) as channel:
        answer = await channel.call("GET", "/x", operation="x", replay=Replay.SAFE)
        text = f"{channel!r} {answer!r} {answer.headers!r} {await channel.token()!r}"
        with pytest.raises(AcompsError) as caught:
            answer.json()
        text += str(caught.value)
    for secret in SECRETS:
        assert secret not in text


@pytest.mark.parametrize(
    "text",
    [
        f"X-COMPS-Token: {token_text(1)}",
        f"(b'X-COMPS-Token', b'{token_text(1)}')",
        f'{{"Token": "{token_text(1, user="Jane Doe")}"}}',
        "x-comps-token: hash1",
        "('X-COMPS-Token', 'hash1')",
        "Authorization: Basic hash1",
        "proxy-authorization=Basic hash1",
    ],
)
def test_tokens_and_credentials_are_hidden_in_any_text(text: str) -> None:
    assert "hash1" not in hide(text)
    assert "sig" not in hide(text)


def test_other_text_stays_as_it_is() -> None:
    text = "1,2,3 Authors of System, x; token expired; authorization failed"
    assert hide(text) == text

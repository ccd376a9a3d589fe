from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from support.transport_server import PASSWORD, Drop, Hold, Reply, ScriptedServer, token_text
from support.transport_session import GIVEN, FakeTime, opened

from acomps.errors import (
    AcompsError,
    AuthenticationFailed,
    MalformedAnswer,
    NotSent,
    Refused,
    ServerFailed,
    UsageError,
)
from acomps.events import Event, Renewed
from acomps.transport import Address, Channel, Credentials, GivenCredentials, NoPrompt, Replay, Token
from acomps.transport.token_cache import TokenCache

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")


class Asked:
    """A prompt with prepared answers that keeps what it was asked."""

    def __init__(self, *answers: Credentials | None) -> None:
        self.answers, self.questions = list(answers), list[tuple[str, str | None, int]]()

    async def ask(self, server: str, user_hint: str | None, attempt: int) -> Credentials | None:
        self.questions.append((server, user_hint, attempt))
        return self.answers.pop(0)


async def get(channel: Channel) -> None:
    await channel.call("GET", "/Suites", operation="list suites", replay=Replay.SAFE)


def tokens_of(server: ScriptedServer) -> list[str]:
    return [call.headers["x-comps-token"] for call in server.calls]


async def put_in_cache(server: ScriptedServer, folder: Path, text: str) -> None:
    await TokenCache(Address.parse(server.url), folder).store(Token.parse(text))


async def test_the_first_call_logs_in_with_the_exact_request_of_the_protocol(tmp_path: Path) -> None:
    events: list[Event] = []
    async with ScriptedServer() as server:
        async with opened(server, tmp_path, sink=events.append) as channel:
            await get(channel)
            await get(channel)
        (login,) = server.token_calls("POST")
        assert login.body == (b'{"Username":"jdoe","Password":"Y29ycmVjdCBob3JzZSBiYXR0ZXJ5","ClientVersion":12}')
        assert login.headers["content-type"] == "application/json"
        assert "x-comps-token" not in login.headers
        assert tokens_of(server) == [token_text(1)] * 2
        assert events == [Renewed(user="jdoe")]


async def test_a_token_in_the_body_alone_is_taken_too(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.token_script.append(Reply(body=b'{"Token":"%s"}' % server.issue().encode()))
        async with opened(server, tmp_path) as channel:
            assert (await channel.token()).secret == token_text(1)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(),
        Reply(body=b""),
        Reply(body=b"[]"),
        Reply(headers={"X-COMPS-Token": "1,Auth,jdoe,secretpart"}),
        Reply(body=b'{"Token":"1,Auth,jdoe,secretpart"}'),
        Reply(body=b'"1,Auth,jdoe,secretpart'),
    ],
)
async def test_a_success_without_a_usable_token_is_one_clear_error(tmp_path: Path, reply: Reply) -> None:
    async with ScriptedServer(tokens=[reply]) as server, opened(server, tmp_path) as channel:
        with pytest.raises(MalformedAnswer, match="log in") as caught:
            await get(channel)
        assert len(server.ledger) == 1
        assert "secretpart" not in str(caught.value)


async def test_a_wrong_password_is_tried_once_and_the_error_names_user_and_server(tmp_path: Path) -> None:
    wrong = GivenCredentials(Credentials("jdoe", "not this"))
    async with ScriptedServer() as server, opened(server, tmp_path, prompt=wrong) as channel:
        with pytest.raises(AuthenticationFailed, match=rf"{server.url}.*'jdoe'.*bad login") as caught:
            await get(channel)
        assert len(server.ledger) == 1
        assert caught.value.status == 401
        assert os.listdir(tmp_path) == []


async def test_a_prompt_is_asked_again_after_a_wrong_password(tmp_path: Path) -> None:
    prompt = Asked(Credentials("jdoe", "not this"), Credentials("jdoe", PASSWORD))
    async with ScriptedServer() as server:
        async with opened(server, tmp_path, prompt=prompt, username="jdoe") as channel:
            await get(channel)
        assert prompt.questions == [(server.url, "jdoe", 1), (server.url, "jdoe", 2)]
        assert len(server.token_calls("POST")) == 2


async def test_a_prompt_that_never_gives_up_is_stopped_after_three_logins(tmp_path: Path) -> None:
    prompt = Asked(*(Credentials("jdoe", f"wrong {number}") for number in range(9)))
    async with ScriptedServer() as server, opened(server, tmp_path, prompt=prompt) as channel:
        with pytest.raises(AuthenticationFailed):
            await get(channel)
        assert len(server.token_calls("POST")) == 3


async def test_a_prompt_that_repeats_what_was_refused_is_not_believed(tmp_path: Path) -> None:
    prompt = Asked(*[Credentials("jdoe", "wrong")] * 9)
    async with ScriptedServer() as server, opened(server, tmp_path, prompt=prompt) as channel:
        with pytest.raises(AuthenticationFailed):
            await get(channel)
        assert len(server.token_calls("POST")) == 1


async def test_a_user_who_gives_up_gets_a_clear_error(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path, prompt=Asked(None)) as channel:
        with pytest.raises(UsageError, match=rf"{server.url} was given up.*username="):
            await get(channel)
        assert server.ledger == []


async def test_a_redirected_login_says_that_https_is_needed(tmp_path: Path) -> None:
    reply = Reply(302, b"", {"Location": "https://elsewhere.example/api/tokens?x=1"})
    async with ScriptedServer(tokens=[reply]) as server, opened(server, tmp_path) as channel:
        with pytest.raises(Refused, match=rf"302.*write https://127\.0\.0\.1:{server.port}") as caught:
            await get(channel)
        assert caught.value.status == 302
        assert len(server.ledger) == 1


async def test_a_server_that_repeats_the_password_does_not_bring_it_into_the_error(tmp_path: Path) -> None:
    body = b'{"ResponseMessage":"no: correct horse battery / Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"}'
    for status in (400, 401, 500):
        tokens = [Reply(status, body)] * 6
        async with ScriptedServer(tokens=tokens) as server, opened(server, tmp_path) as channel:
            with pytest.raises(Refused) as caught:
                await get(channel)
            for text in (str(caught.value), repr(caught.value), caught.value.server_message):
                assert "horse" not in text
                assert "Y29y" not in text


async def test_a_login_is_repeated_when_the_server_is_busy(tmp_path: Path) -> None:
    busy: Sequence[Reply | Drop] = [Reply(503), Drop(), Reply(429, headers={"Retry-After": "3"})]
    time = FakeTime(jitter=0)
    async with ScriptedServer(tokens=busy) as server, opened(server, tmp_path, time=time) as channel:
        await get(channel)
        assert len(server.token_calls("POST")) == 4
        assert time.slept == [0, 0, 3]


async def test_failures_of_the_login_are_not_multiplied_by_those_of_the_call(tmp_path: Path) -> None:
    async with ScriptedServer(tokens=[Reply(503)] * 99) as server, opened(server, tmp_path) as channel:
        with pytest.raises(ServerFailed, match=r"^log in: 503.*6 attempts"):
            await get(channel)
        assert len(server.ledger) == 6


async def test_a_fresh_cached_token_is_used_without_a_login(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        await put_in_cache(server, tmp_path, server.issue())
        async with opened(server, tmp_path, prompt=NoPrompt()) as channel:
            await get(channel)
        assert [arrived.target for arrived in server.ledger] == ["/api/Suites"]


async def test_the_token_of_a_login_is_there_for_the_next_program(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        async with opened(server, tmp_path) as channel:
            await get(channel)
        async with opened(server, tmp_path, prompt=NoPrompt()) as channel:
            await get(channel)
        assert len(server.token_calls("POST")) == 1


async def test_another_users_cached_token_is_left_alone(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        await put_in_cache(server, tmp_path, server.issue(user="somebody"))
        async with opened(server, tmp_path) as channel:
            assert (await channel.token()).user == "jdoe"


async def test_an_expired_cached_token_means_a_login_and_offers_its_user(tmp_path: Path) -> None:
    prompt = Asked(Credentials("jdoe", PASSWORD))
    async with ScriptedServer() as server:
        await put_in_cache(server, tmp_path, token_text(expiry="2030-12-31-23-59-59"))
        async with opened(server, tmp_path, prompt=prompt) as channel:
            await get(channel)
        assert prompt.questions == [(server.url, "jdoe", 1)]
        assert server.token_calls("PUT") == []


async def test_an_expired_cached_token_without_anybody_to_ask_is_a_clear_error(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        await put_in_cache(server, tmp_path, token_text(expiry="2030-12-31-23-59-59"))
        async with opened(server, tmp_path, prompt=NoPrompt()) as channel:
            with pytest.raises(UsageError, match=rf"{server.url} wants a login.*password="):
                await get(channel)


async def test_a_hundred_waiters_share_one_renewal(tmp_path: Path) -> None:
    events: list[Event] = []
    time = FakeTime()
    async with ScriptedServer() as server, opened(server, tmp_path, time=time, sink=events.append) as channel:
        await get(channel)
        time.advance(hours=2, seconds=1)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(100):
                tasks.create_task(get(channel))
        (renewal,) = server.token_calls("PUT")
        assert renewal.body == b'{"ClientVersion":12}'
        assert renewal.headers["x-comps-token"] == token_text(1)
        assert len(server.token_calls("POST")) == 1
        assert tokens_of(server)[1:] == [token_text(2)] * 100
        assert events == [Renewed(user="jdoe")] * 2


async def test_a_hundred_refused_calls_share_one_new_token_and_all_succeed(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await get(channel)
        server.valid.clear()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(100):
                tasks.create_task(get(channel))
        assert len(server.token_calls("PUT")) == 1
        assert len(server.token_calls("POST")) == 2
        assert tokens_of(server).count(token_text(2)) == 100


@pytest.mark.parametrize("replay", Replay)
async def test_a_call_refused_with_401_is_repeated_once_whatever_its_replay(tmp_path: Path, replay: Replay) -> None:
    async with ScriptedServer(Reply(401), Reply(200)) as server, opened(server, tmp_path) as channel:
        await channel.call("POST", "/Suites", operation="save a suite", replay=replay, json=b"{}")
        assert tokens_of(server) == [token_text(1), token_text(2)]


async def test_a_call_refused_twice_with_401_is_an_error(tmp_path: Path) -> None:
    script = [Reply(401, b'{"ResponseMessage":"go away"}')] * 2
    async with ScriptedServer(*script) as server, opened(server, tmp_path) as channel:
        with pytest.raises(AuthenticationFailed, match=r"list suites: 401 Unauthorized: go away\. Log in again"):
            await get(channel)
        assert len(server.calls) == 2


async def test_a_token_that_another_program_renewed_is_taken_from_the_file(tmp_path: Path) -> None:
    time = FakeTime()
    async with ScriptedServer() as server, opened(server, tmp_path, time=time) as channel:
        await get(channel)
        time.advance(hours=3)
        other = server.issue(created="2031-01-01-03-00-00", expiry="2031-01-01-07-00-00")
        await put_in_cache(server, tmp_path, other)
        await get(channel)
        assert tokens_of(server)[1] == other
        assert server.token_calls("PUT") == []


async def test_after_a_401_a_newer_token_in_the_file_is_tried_before_any_login(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await get(channel)
        server.valid.clear()
        await put_in_cache(server, tmp_path, server.issue())
        await get(channel)
        assert len(server.ledger) == 4  # login, call, refused call, repeated call


@pytest.mark.parametrize("failure", [Drop(), Reply(500), Reply(503), Reply(429)])
async def test_an_early_renewal_that_fails_is_put_off_and_hurts_nobody(tmp_path: Path, failure: Drop | Reply) -> None:
    time = FakeTime()
    async with ScriptedServer() as server, opened(server, tmp_path, time=time) as channel:
        await get(channel)
        server.token_script.append(failure)
        time.advance(hours=2, seconds=1)
        await get(channel)
        await get(channel)
        assert tokens_of(server) == [token_text(1)] * 3
        assert len(server.token_calls("PUT")) == 1
        time.advance(seconds=61)
        await get(channel)
        assert tokens_of(server)[-1] == token_text(2)


async def test_a_rejected_token_whose_renewal_fails_is_not_used_again(tmp_path: Path) -> None:
    async with ScriptedServer(Reply(401)) as server, opened(server, tmp_path) as channel:
        await channel.token()
        server.token_script.extend([Reply(500)] * 9)
        with pytest.raises(ServerFailed, match=r"renew the token: 500.*6 attempts"):
            await get(channel)
        assert len(server.calls) == 1


@pytest.mark.parametrize("status", [400, 401])
async def test_a_refused_renewal_becomes_a_login(tmp_path: Path, status: int) -> None:
    time = FakeTime()
    async with ScriptedServer() as server, opened(server, tmp_path, time=time) as channel:
        await get(channel)
        server.token_script.append(Reply(status))
        time.advance(hours=2, seconds=1)
        await get(channel)
        assert (len(server.token_calls("PUT")), len(server.token_calls("POST"))) == (1, 2)
        assert tokens_of(server)[-1] == token_text(2)


async def test_a_server_that_cannot_renew_leaves_the_token_good_until_it_expires(tmp_path: Path) -> None:
    time = FakeTime()
    async with ScriptedServer() as server:
        await put_in_cache(server, tmp_path, server.issue())
        async with opened(server, tmp_path, prompt=NoPrompt(), time=time) as channel:
            server.token_script.append(Reply(400))
            time.advance(hours=3)
            await get(channel)
            time.advance(hours=1)
            with pytest.raises(UsageError):
                await get(channel)


async def test_a_system_token_is_used_to_its_end_and_never_renewed(tmp_path: Path) -> None:
    time = FakeTime()
    async with ScriptedServer() as server:
        await put_in_cache(server, tmp_path, server.issue(kind="System"))
        async with opened(server, tmp_path, time=time) as channel:
            time.advance(hours=3, minutes=59)
            await get(channel)
            assert len(server.ledger) == 1
            time.advance(minutes=1)
            await get(channel)
        assert server.token_calls("PUT") == []
        assert len(server.token_calls("POST")) == 1


async def test_a_local_clock_that_is_wrong_does_not_spoil_a_new_token(tmp_path: Path) -> None:
    time = FakeTime()
    time.advance(days=30)
    async with ScriptedServer() as server, opened(server, tmp_path, time=time) as channel:
        await get(channel)
        await get(channel)
        assert len(server.token_calls("POST")) == 1


async def test_logging_out_removes_the_file_and_the_next_call_logs_in(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await get(channel)
        assert len(os.listdir(tmp_path)) == 1
        await channel.logout()
        assert os.listdir(tmp_path) == []
        await get(channel)
        assert len(server.token_calls("POST")) == 2


async def test_a_login_that_is_cancelled_leaves_the_way_free_for_the_next(tmp_path: Path) -> None:
    never = asyncio.Event()
    async with ScriptedServer(tokens=[Hold(never)]) as server, opened(server, tmp_path) as channel:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(get(channel))
            second = tasks.create_task(get(channel))
            while not server.ledger:
                await asyncio.sleep(0)
            first.cancel()
        assert first.cancelled()
        assert second.done()
        assert len(server.token_calls("POST")) == 2


async def test_the_user_groups_and_environments_are_known_after_the_login(tmp_path: Path) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        token = await channel.token()
        assert (token.user, token.groups, token.environments) == ("jdoe", ("LOCAL", "IDM"), ("Local", "Hpc"))


async def test_an_unreachable_server_is_an_error_of_the_connection_not_of_the_login(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        url = server.url
    async with opened(url, tmp_path, prompt=GIVEN) as channel:
        with pytest.raises(NotSent, match="log in: cannot connect"):
            await get(channel)


async def test_a_token_file_that_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as server, opened(server, tmp_path) as channel:
        await get(channel)

        def refuse(path: Path, missing_ok: bool = False) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("pathlib.Path.unlink", refuse)
        with pytest.raises(AcompsError, match="cannot be removed"):
            await channel.logout()

from __future__ import annotations

import asyncio
import socket
import ssl
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme
from support.transport_server import Reply, ScriptedServer
from support.transport_session import FakeTime, opened

from acomps.errors import (
    AcompsError,
    AnswerTimedOut,
    AuthenticationFailed,
    Conflict,
    ConnectTimedOut,
    MalformedAnswer,
    MissingFiles,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    Refused,
    ServerFailed,
    TooLarge,
    UsageError,
    ValidationFailed,
)
from acomps.settings import RetrySettings, Settings, Timeouts, TlsSettings
from acomps.transport import Address, Channel, Replay
from acomps.transport.failures import FailureTable, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")

ONCE = Settings(retry=RetrySettings(attempts=1))


async def get(channel: Channel) -> None:
    await channel.call("GET", "/Suites", operation="list suites", replay=Replay.SAFE)


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx.ConnectTimeout(""), ConnectTimedOut, "https://h within 10 s"),
        (httpx.PoolTimeout(""), ConnectTimedOut, "free within 120 s"),
        (httpx.ConnectError("odd"), NotSent, "cannot connect to https://h: odd"),
        (httpx.ProxyError("407 Denied"), Unreachable, "407 Denied"),
        (httpx.ReadTimeout(""), AnswerTimedOut, "sent nothing for 60 s"),
        (httpx.WriteTimeout(""), AnswerTimedOut, "took nothing for 60 s"),
        (httpx.ReadError(""), OutcomeUnknown, "ReadError"),
        (httpx.WriteError(""), OutcomeUnknown, "WriteError"),
        (httpx.CloseError(""), OutcomeUnknown, "CloseError"),
        (httpx.RemoteProtocolError("bad line"), OutcomeUnknown, "bad line"),
        (httpx.LocalProtocolError("bad"), OutcomeUnknown, "bad"),
        (httpx.DecodingError("bad"), MalformedAnswer, "unpacked"),
    ],
)
def test_each_exception_of_httpx_has_its_meaning(
    error: httpx.RequestError, kind: type[AcompsError], words: str
) -> None:
    table = FailureTable(Address.parse("h"), Timeouts(), None)
    translated = table.translate(error, "list suites", answered=False)
    assert type(translated) is kind
    assert str(translated).startswith("list suites: ")
    assert words in str(translated)


async def test_a_refused_connection_names_the_server_and_is_repeated(tmp_path: Path) -> None:
    time = FakeTime()
    async with ScriptedServer() as server:
        url = server.url
    async with opened(url, tmp_path, time=time) as channel:
        with pytest.raises(NotSent, match=rf"{url}: connection refused; check the port.*6 attempts"):
            await get(channel)
    assert len(time.slept) == 5


def resolver(code: int) -> Callable[..., object]:
    def refuse(*args: object, **kwargs: object) -> object:
        raise socket.gaierror(code, "Name or service not known")

    return refuse


async def test_an_unknown_host_is_one_attempt_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime()
    monkeypatch.setattr(socket, "getaddrinfo", resolver(socket.EAI_NONAME))
    async with opened("https://comps.exmaple.org", tmp_path, time=time) as channel:
        with pytest.raises(NotSent, match=r"https://comps\.exmaple\.org: the host name is not known"):
            await get(channel)
    assert time.slept == []


async def test_a_resolver_that_fails_for_now_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime()
    monkeypatch.setattr(socket, "getaddrinfo", resolver(socket.EAI_AGAIN))
    async with opened("https://comps.example.org", tmp_path, time=time) as channel:
        with pytest.raises(NotSent, match="not known"):
            await get(channel)
    assert len(time.slept) == 5


async def test_a_real_unknown_host_is_not_sent(tmp_path: Path) -> None:
    async with opened("https://no-such-host.invalid", tmp_path, settings=ONCE) as channel:
        with pytest.raises(NotSent, match=r"cannot connect to https://no-such-host\.invalid"):
            await get(channel)


async def test_https_against_an_http_port_says_to_write_http(tmp_path: Path) -> None:
    time = FakeTime()
    async with ScriptedServer() as server:
        url = server.url.replace("http:", "https:")
        async with opened(url, tmp_path, time=time) as channel:
            with pytest.raises(NotSent, match=rf"TLS.*write {server.url}"):
                await get(channel)
    assert time.slept == []


async def test_a_server_that_hangs_up_during_tls_is_not_sent(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with opened(url, tmp_path, settings=ONCE) as channel:
            with pytest.raises(NotSent, match=f"closed during TLS.*write {url.replace('https', 'http')}"):
                await get(channel)


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.issue_cert(*names).private_key_and_cert_chain_pem.tempfile() as path:
        context.load_cert_chain(path)
    return context


def tls_server(authority: trustme.CA, *names: str) -> ScriptedServer:
    return ScriptedServer(tls=server_context(authority, *names))


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


async def test_http_against_an_https_port_says_to_write_https(tmp_path: Path, authority: trustme.CA) -> None:
    async with tls_server(authority, "127.0.0.1") as server:
        url = server.url.replace("https:", "http:")
        async with opened(url, tmp_path, settings=ONCE) as channel:
            with pytest.raises(OutcomeUnknown, match=f"write {server.url}"):
                await get(channel)


async def test_an_untrusted_certificate_ends_the_login_before_the_password_is_sent(
    tmp_path: Path, authority: trustme.CA
) -> None:
    time = FakeTime()
    async with tls_server(authority, "127.0.0.1") as server, opened(server, tmp_path, time=time) as channel:
        with pytest.raises(NotSent, match=r"certificate is not accepted.*TlsSettings\.ca_bundle"):
            await get(channel)
        assert server.ledger == []
    assert time.slept == []


async def test_a_certificate_of_the_given_authority_is_trusted(
    tmp_path: Path, authority: trustme.CA, bundle: Path
) -> None:
    settings = Settings(tls=TlsSettings(ca_bundle=bundle))
    async with tls_server(authority, "127.0.0.1") as server:
        async with opened(server, tmp_path, settings=settings) as channel:
            await get(channel)
        assert len(server.ledger) == 2


async def test_a_certificate_for_another_host_is_not_accepted(
    tmp_path: Path, authority: trustme.CA, bundle: Path
) -> None:
    settings = Settings(tls=TlsSettings(ca_bundle=bundle))
    server = tls_server(authority, "elsewhere.example")
    async with server, opened(server, tmp_path, settings=settings) as channel:
        with pytest.raises(NotSent, match="check the host name"):
            await get(channel)


async def test_a_client_certificate_is_shown_to_a_server_that_wants_one(
    tmp_path: Path, authority: trustme.CA, bundle: Path
) -> None:
    certificate = tmp_path / "client.pem"
    authority.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    context = server_context(authority, "127.0.0.1")
    context.load_verify_locations(bundle)
    context.verify_mode = ssl.CERT_REQUIRED
    with_it = Settings(tls=TlsSettings(ca_bundle=bundle, client_certificate=certificate))
    without = replace(ONCE, tls=TlsSettings(ca_bundle=bundle))
    async with ScriptedServer(tls=context) as server:
        async with opened(server, tmp_path, settings=with_it) as channel:
            await get(channel)
        async with opened(server, tmp_path / "other", settings=without) as channel:
            with pytest.raises(AcompsError):
                await get(channel)


@pytest.mark.parametrize("field", ["ca_bundle", "client_certificate"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
async def test_a_tls_file_that_cannot_be_used_is_named(tmp_path: Path, field: str, content: bytes | None) -> None:
    path = tmp_path / "wrong.pem"
    if content is not None:
        path.write_bytes(content)
    tls = TlsSettings(ca_bundle=path) if field == "ca_bundle" else TlsSettings(client_certificate=path)
    with pytest.raises(UsageError, match=rf"TlsSettings\.{field}.*wrong\.pem"):
        async with opened("https://h", tmp_path, settings=Settings(tls=tls)):
            pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ValidationFailed),
        (401, AuthenticationFailed),
        (403, PermissionDenied),
        (404, NotFound),
        (405, Refused),
        (409, Conflict),
        (413, TooLarge),
        (429, RateLimited),
        (500, ServerFailed),
        (599, ServerFailed),
        (301, Refused),
        (308, Refused),
        (300, Refused),
    ],
)
async def test_each_status_has_its_error(tmp_path: Path, status: int, kind: type[Refused]) -> None:
    body = b'{"responsemessage": "The Reason.", "CORRELATIONID": "abc-1"}'
    server = ScriptedServer(default=Reply(status, body))
    async with server, opened(server, tmp_path, settings=ONCE) as channel:
        with pytest.raises(Refused, match=rf"^list suites: {status}") as caught:
            await get(channel)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.server_message, error.correlation_id) == (status, "The Reason.", "abc-1")


async def test_the_message_names_call_status_reason_correlation_id_and_next_step(tmp_path: Path) -> None:
    body = b'{"ResponseMessage": "Failed to retrieve experiment for given id", "CorrelationId": "abc-1"}'
    async with ScriptedServer(Reply(404, body)) as server, opened(server, tmp_path) as channel:
        with pytest.raises(NotFound) as caught:
            await get(channel)
    assert str(caught.value) == (
        "list suites: 404 Not Found: Failed to retrieve experiment for given id (correlation id abc-1). "
        "Check the id, and that this is the right server"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", ""),
        (b"<html><head><TITLE>502 Bad &amp;\n Gateway</TITLE></head><body>x</body></html>", "502 Bad & Gateway"),
        (b"<html><body>no title</body></html>", ""),
        (b"just text", "just text"),
        (b"[1, 2]", ""),
        (b'"text"', ""),
        (b'{"ResponseMessage": 5}', ""),
        (b'{"ResponseStatus": {"ErrorCode": "X", "Message": "from ServiceStack"}}', "from ServiceStack"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"y" * 5_000, "y" * 1_000 + "..."),
    ],
)
async def test_whatever_the_body_is_there_is_one_clear_error(tmp_path: Path, body: bytes, said: str) -> None:
    async with ScriptedServer(Reply(409, body)) as server, opened(server, tmp_path) as channel:
        with pytest.raises(Conflict, match="list suites: 409 Conflict") as caught:
            await get(channel)
    assert caught.value.server_message == said


async def test_missing_files_are_told_by_their_md5s(tmp_path: Path) -> None:
    md5 = uuid.uuid4()
    body = b'{"untrackedIDs": ["%s", "junk"], "ResponseMessage": "Unknown assets"}' % str(md5).encode()
    async with ScriptedServer(Reply(400, body)) as server, opened(server, tmp_path) as channel:
        with pytest.raises(MissingFiles, match="Unknown assets") as caught:
            await get(channel)
    assert caught.value.md5s == (md5,)


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with ScriptedServer() as elsewhere, ScriptedServer() as server, opened(server, tmp_path) as channel:
        server.script.append(Reply(307, b"", {"Location": f"{elsewhere.url}/x?s3cr3t=1"}))
        with pytest.raises(Refused, match=f"redirects to {elsewhere.url}/x, which is not followed") as caught:
            await get(channel)
        assert elsewhere.connections == 0
        assert "s3cr3t" not in str(caught.value)


async def test_a_given_proxy_is_used_and_its_password_never_shown(tmp_path: Path) -> None:
    async with ScriptedServer() as proxy:
        settings = replace(ONCE, proxy=proxy.url.replace("//", "//jdoe:s3cret@"))
        async with opened("http://comps.example", tmp_path, settings=settings) as channel:
            await get(channel)
        assert proxy.calls[0].headers["host"] == "comps.example"
    async with opened("http://comps.example", tmp_path, settings=settings) as channel:
        with pytest.raises(NotSent, match=rf"the proxy {proxy.url}: connection refused") as caught:
            await get(channel)
    assert "s3cret" not in str(caught.value)


async def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedServer() as proxy, ScriptedServer() as server:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        async with opened("http://comps.example", tmp_path) as channel:
            await get(channel)
        assert len(proxy.calls) == 1
        async with opened(server, tmp_path) as channel:
            await get(channel)
        assert (len(proxy.calls), len(server.calls)) == (1, 1)


async def test_what_no_proxy_names_is_reached_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "comps.invalid")
        async with opened("http://comps.invalid", tmp_path, settings=ONCE) as channel:
            with pytest.raises(NotSent, match=r"cannot connect to http://comps\.invalid"):
                await get(channel)
        assert proxy.connections == 0


@pytest.mark.parametrize("proxy", ["ftp://u:s3cret@p", "http://", "http://u:s3cret@p:x", ""])
async def test_a_proxy_that_cannot_be_used_is_a_usage_error(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(UsageError, match=r"proxy.*3128") as caught:
        async with opened("http://h", tmp_path, settings=Settings(proxy=proxy)):
            pytest.fail("it was opened")
    assert "s3cret" not in str(caught.value)

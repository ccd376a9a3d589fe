"""Where a token comes from, and what becomes of it."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import anyio
import pytest
from cybergis.gis_server import HOST, SECRET, TOKEN, GisServer, said, session

from acomps.cybergis import CyberGISCompute, HubToken
from acomps.errors import AuthenticationFailed, UsageError

ANA = f"ana@{HOST}"
DEAD = HubToken(HOST, "a-dead-token").encoded
JUPYTER = {"JUPYTERHUB_API_TOKEN": SECRET, "JUPYTER_INSTANCE_URL": f"https://{HOST}/"}


def gateway(
    server: GisServer,
    file: Path,
    environ: dict[str, str],
    *,
    token: str | None = None,
    jupyterhub_host: str | None = None,
) -> CyberGISCompute:
    return CyberGISCompute(
        "127.0.0.1", server.port, "HTTP", token=token, jupyterhub_host=jupyterhub_host, token_file=file, environ=environ
    )


def kept(file: Path) -> str:
    found: str = json.loads(file.read_bytes())["token"]
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cybergis_compute_user.json"


async def test_a_token_is_taken_from_the_first_source_whose_token_the_server_accepts(file: Path) -> None:
    file.write_text(json.dumps({"token": DEAD}))
    async with GisServer() as server:
        async with gateway(server, file, {"CYBERGIS_COMPUTE_TOKEN": DEAD, **JUPYTER}) as cybergis:
            assert await cybergis.login() == ANA
            assert await cybergis.login() == ANA
        tried = [arrived.body.decode() for arrived in server.ledger]
    assert [DEAD in body for body in tried] == [True, True, False]
    assert kept(file) == DEAD, "a file that is of no use is left as it is"


async def test_a_token_that_is_given_is_the_only_one_that_is_tried(file: Path) -> None:
    async with GisServer() as server, gateway(server, file, JUPYTER, token=DEAD) as cybergis:
        with pytest.raises(AuthenticationFailed, match="Log in again"):
            await cybergis.login()
        assert not cybergis.is_login()
        assert cybergis.username is None
    assert len(server.ledger) == 1


async def test_a_hubs_own_token_is_encoded_with_its_host(file: Path) -> None:
    given = {"token": SECRET, "jupyterhub_host": f"http://{HOST}"}
    async with GisServer() as server, gateway(server, file, {}, **given) as cybergis:
        assert await cybergis.login() == ANA


async def test_without_any_token_the_error_says_where_one_could_be(file: Path) -> None:
    async with GisServer() as server, gateway(server, file, {}) as cybergis:
        with pytest.raises(UsageError, match=r"none was found.*CYBERGIS_COMPUTE_TOKEN"):
            await cybergis.list_job()
    assert server.ledger == []


async def test_tokens_that_are_refused_are_named_by_their_source(file: Path) -> None:
    async with GisServer() as server, gateway(server, file, {"CYBERGIS_COMPUTE_TOKEN": DEAD}) as cybergis:
        with pytest.raises(UsageError, match="the one from CYBERGIS_COMPUTE_TOKEN is not accepted"):
            await cybergis.login()


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX")
async def test_the_file_of_the_sdk_is_read_and_from_then_on_only_its_owner_can(file: Path) -> None:
    file.write_text(json.dumps({"token": TOKEN}))
    file.chmod(0o644)
    async with GisServer() as server, gateway(server, file, {}) as cybergis:
        assert await cybergis.login() == ANA
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept(file) == TOKEN


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX")
async def test_a_token_is_kept_on_request_and_for_its_owner_only(file: Path) -> None:
    before = os.umask(0)
    try:
        async with GisServer() as server, session(server, file.parent) as cybergis:
            await cybergis.login()
            assert not file.exists()
            await cybergis.save_token()
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept(file) == TOKEN
    assert [*file.parent.iterdir()] == [file]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"token": 7}', b'{"token": "@"}', b"{"])
async def test_a_damaged_file_counts_as_none(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    async with GisServer() as server, gateway(server, file, JUPYTER) as cybergis:
        assert await cybergis.login() == ANA


class Prompt:
    """Somebody who knows a token."""

    def __init__(self, *answers: HubToken | None) -> None:
        self.answers, self.asked = [*answers], list[str | None]()

    async def ask(self, server: str, host: str | None) -> HubToken | None:
        self.asked.append(host)
        return self.answers.pop(0)


async def test_a_manual_login_asks_and_keeps_only_what_was_accepted(file: Path) -> None:
    prompt = Prompt(HubToken(HOST, "a-dead-token"), None, HubToken(HOST, SECRET))
    async with (
        GisServer() as server,
        CyberGISCompute("127.0.0.1", server.port, "HTTP", token_file=file, prompt=prompt, environ={}) as cybergis,
    ):
        with pytest.raises(AuthenticationFailed):
            await cybergis.login(manual=True, host=HOST)
        assert not file.exists()
        with pytest.raises(UsageError, match="given up"):
            await cybergis.login(manual=True)
        assert await cybergis.login(manual=True) == ANA
    assert prompt.asked == [HOST, None, None]
    assert kept(file) == TOKEN


async def test_any_number_of_calls_log_in_once(file: Path) -> None:
    async with GisServer(default=said({"job": []})) as server, session(server, file.parent) as cybergis:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(cybergis.list_job)
        assert len(server.ledger) - len(server.asked) == 1


async def test_a_failed_login_keeps_the_token_before(file: Path) -> None:
    async with GisServer(default=said({"job": []})) as server, session(server, file.parent) as cybergis:
        await cybergis.login()
        with pytest.raises(AuthenticationFailed):
            await cybergis.login_with(DEAD)
        assert await cybergis.list_job() == ()
        cybergis.logout()
        assert not cybergis.is_login()


@pytest.mark.parametrize(
    ("url", "port", "protocol", "server"),
    [
        ("localhost", 3030, "HTTP", "http://localhost:3030"),
        ("localhost", "3030", "http", "http://localhost:3030"),
        ("https://cg.example.org/", 443, "HTTPS", "https://cg.example.org"),
        ("http://localhost:8080", None, "HTTPS", "http://localhost:8080"),
    ],
)
def test_addresses_are_written_as_for_the_sdk(url: str, port: int | str | None, protocol: str, server: str) -> None:
    assert CyberGISCompute(url, port, protocol).server == server


@pytest.mark.parametrize(("url", "protocol"), [("host/path", "HTTP"), ("", "HTTP"), ("host", "FTP")])
def test_an_address_that_is_none_is_refused(url: str, protocol: str) -> None:
    with pytest.raises(UsageError):
        CyberGISCompute(url, 80, protocol)


async def test_a_suffix_can_be_missing_or_written_with_slashes(file: Path) -> None:
    async with GisServer(default=said({"hpc": {}})) as server:
        for suffix in ("", "/v2/"):
            async with CyberGISCompute("127.0.0.1", server.port, "HTTP", suffix, environ={}) as cybergis:
                await cybergis.list_hpc()
    assert [arrived.target for arrived in server.ledger] == ["/hpc", "/v2/hpc"]

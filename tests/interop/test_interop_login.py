"""Logging in and out with pyCOMPS, and what its token says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.local_service import DEADLINE_S, Client, Running, record, text, until

import acomps
from interop.both import listed
from interop.pycomps import Peer, PeerError, Util, peer_environment, started
from interop.serving import serving


@pytest.fixture
def stranger(pycomps_python: str, tmp_path: Path) -> Generator[Peer]:
    """pyCOMPS, not logged in."""
    with started(pycomps_python, tmp_path) as peer:
        yield peer


def test_a_wrong_password_is_asked_for_again(stranger: Peer, local: Running) -> None:
    given = [[local.username, "wrong"], ["nobody", local.password], [local.username, local.password]]
    assert stranger.record("log_in", url=local.url, given=given) == {"asked": 3, "logged in": True}
    assert stranger.record("log_in", url=local.url, given=[]) == {"asked": 0, "logged in": True}
    with pytest.raises(PeerError, match="Already logged into host"):
        stranger.ask("log_in", url="http://elsewhere:1", given=[])


def test_who_gives_up_is_not_logged_in(stranger: Peer, local: Running) -> None:
    given = [[local.username, "wrong"]]
    assert stranger.record("log_in", url=local.url, given=given) == {"asked": 2, "logged in": False}


def test_a_variable_says_where_the_service_is(stranger: Peer, local: Running) -> None:
    given = [[local.username, local.password]]
    assert stranger.record("log_in", url="https://comps.idmod.org", given=given, server=local.url)["asked"] == 1
    assert stranger.record("token")["hoststring"] == local.url


def test_the_token_says_who_one_is_and_what_there_is(peer: Peer, local: Running, client: Client) -> None:
    found = peer.record("token")
    assert found["username"] == local.username
    assert found["hoststring"] == local.url
    [environment] = [record(one) for one in listed(client.http.get("/api/Environments").json()["Environments"])]
    assert found["environments"] == [environment["EnvironmentName"]]
    assert found["groups"] == [environment["GroupName"]]
    name, token = listed(found["header"])
    assert name == "X-COMPS-Token"
    assert found["kept"] == [token]


def test_an_environment_has_macros_and_a_group(peer: Peer, client: Client) -> None:
    [truth] = client.http.get("/api/Environments/LOCAL").json()["Environments"]
    assert peer.record("environment", name="local") == {"macros": truth["Macros"], "group": truth["GroupName"]}
    assert {"USER", "HOME", "PUBLIC", "BIN", "INPUT"} <= record(truth["Macros"]).keys()
    with pytest.raises(PeerError, match=r"(?i)invalid environment-name: Calculon"):
        peer.ask("environment", name="Calculon")


def test_after_logging_out_nothing_works_and_nothing_is_kept(stranger: Peer, local: Running) -> None:
    stranger.ask("log_in", url=local.url, given=[[local.username, local.password]])
    assert len(listed(stranger.record("token")["kept"])) == 1
    stranger.ask("log_out")
    with pytest.raises(PeerError, match=r"login\(\) is required"):
        stranger.ask("need_login")
    assert [*stranger.folder.glob("COMPS_Authtoken_*")] == []
    stranger.ask("log_in", url=local.url, given=[[local.username, local.password]])
    stranger.ask("log_out", url=local.url)
    assert [*stranger.folder.glob("COMPS_Authtoken_*")] == []


def test_host_strings_are_normalised(stranger: Peer) -> None:
    given = ["http://h:80/", "https://h:443", "http://h:8080//", "https://h"]
    assert stranger.list("host_strings", given=given) == ["http://h", "https://h", "http://h:8080", "https://h"]


async def test_who_is_logged_in_with_pycomps_is_logged_in_with_acomps_and_the_other_way_round(
    peer: Peer, stranger: Peer, local: Running
) -> None:
    async with acomps.connect(local.url, settings=acomps.Settings(token_cache_dir=peer.folder)) as session:
        await session.environments.list()
    settings = acomps.Settings(token_cache_dir=stranger.folder)
    async with acomps.connect(
        local.url, username=local.username, password=local.password, settings=settings
    ) as session:
        await session.environments.list()
    assert stranger.record("log_in", url=local.url, given=[]) == {"asked": 0, "logged in": True}


def test_a_token_near_its_end_is_renewed_without_a_password(pycomps_python: str, tmp_path: Path) -> None:
    # pyCOMPS renews two hours before the end: such a token is renewed at every call.
    with serving(tmp_path, "[service]\ntoken_lifetime_s = 6000\n") as told, started(pycomps_python, tmp_path) as peer:
        pair = [told["username"], told["password"]]
        assert peer.record("log_in", url=told["url"], given=[pair])["asked"] == 1
        first = text({"it": listed(peer.record("token")["header"])[1]}, "it")
        until(lambda: listed(peer.record("token")["header"])[1] != first, "another token comes")
        assert peer.ask("asked") == 1
        assert peer.record("token")["kept"] != [first]


def test_a_token_that_has_ended_is_asked_for_again(pycomps_python: str, tmp_path: Path) -> None:
    with serving(tmp_path, "[service]\ntoken_lifetime_s = 4\n") as told, started(pycomps_python, tmp_path) as peer:
        pair = [told["username"], told["password"]]
        assert peer.record("log_in", url=told["url"], given=[pair] * 50)["asked"] == 1

        expiry = str(listed(peer.record("token")["header"])[1]).split(",")[6]
        until(lambda: datetime.now(UTC) > datetime.strptime(f"{expiry}+0000", "%Y-%m-%d-%H-%M-%S%z"), "the token ends")
        before = peer.ask("asked")
        peer.record("environment", name="Local")
        assert [before, peer.ask("asked")] == [1, 2]


def test_a_refusal_has_one_word_for_its_status_a_reason_and_an_id(peer: Peer) -> None:
    with pytest.raises(PeerError, match=r"^RuntimeError: 404 NotFound - .+ \(CorrelationId = [0-9a-f-]{36}\)$"):
        peer.ask("failing_call", path="/Kittens")
    with pytest.raises(PeerError, match=r"^RuntimeError: 405 MethodNotAllowed - "):
        peer.ask("failing_call", path="/tokens")


def test_somebody_logs_in_at_a_terminal(util: Util, local: Running, tmp_path: Path) -> None:
    mine, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [util.python, "-m", "COMPS", "get_user_info", local.username, "--comps-server", local.url],
            cwd=tmp_path,
            env=peer_environment(tmp_path),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            said = _read_until(mine, b"Username: ")
            os.write(mine, f" {local.username} \n".encode())
            said += _read_until(mine, b"Password: ")
            os.write(mine, f"{local.password}\n".encode())
            said += _read_until(mine, b"}\r\n")
            assert process.wait(DEADLINE_S) == 0
    finally:
        os.close(mine)
    assert f'"UserName": "{local.username}"'.encode() in said
    assert local.password.encode() not in said


def _read_until(terminal: int, end: bytes) -> bytes:
    said = b""
    while end not in said:
        block = os.read(terminal, 65_536)
        assert block, said
        said += block
    return said

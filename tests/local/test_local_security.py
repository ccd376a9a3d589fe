"""What a hostile client, a hostile simulation or a curious user gets to see: nothing that is not theirs."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import zlib
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from support.local_service import Client, Running, command, log_in, md5, records, refused, until

from acomps.entities import EntityKind
from acomps.local import CannotServe, ServiceSettings
from acomps.local.accounts import passwords
from acomps.local.accounts.people import Users
from acomps.local.accounts.throttle import Throttle
from acomps.local.accounts.users import User, UsersFile
from acomps.local.accounts.viewers import EVERYBODY, viewers_of
from acomps.local.errors import Refused, TooOften
from acomps.local.records.visibility import sees

WAYS_OUT = [
    "../../../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "sub/../../x",
    "stdout.txt%00.png",
    "..\\..\\etc\\passwd",
    "%c0%ae%c0%ae/etc/passwd",
    ".",
    "",
]
SECRET = b"nobody must read this"


@pytest.mark.parametrize("path", WAYS_OUT)
def test_no_path_leads_out_of_a_working_directory(client: Client, local: Running, path: str) -> None:
    simulation = client.simulations(client.experiment("/bin/true"))[0]
    assert client.run(simulation) == ["Succeeded"]
    job = client.jobs(simulation)[-1]["Id"]
    # As it is: a client that tidies the path up would not try much.
    host, port = local.url.removeprefix("http://").split(":")
    token = client.http.headers["X-COMPS-Token"]
    request = (
        f"GET /asset/outputs/simulations/{simulation}/{job}/{path} HTTP/1.1\r\n"
        f"Host: x\r\nX-COMPS-Token: {token}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split(b" ", 2)[1] in {b"400", b"404"}, answer
    assert b"root:" not in answer


def test_links_in_working_directories_open_nothing_outside(client: Client, local: Running, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    simulation = client.simulations(client.experiment("/bin/echo", "fine"))[0]
    assert client.run(simulation) == ["Succeeded"]
    directory = client.workdir(simulation)
    job = client.jobs(simulation)[-1]["Id"]
    (directory / "file").symlink_to(tmp_path / "secret")
    (directory / "folder").symlink_to(tmp_path, target_is_directory=True)
    (directory / "key").symlink_to(local.data_dir / "signing-key")
    (directory / "up").symlink_to(os.path.relpath(local.data_dir / "signing-key", directory))
    (directory / "inside").symlink_to("stdout.txt")
    for path in ("file", "folder/secret", "key", "up"):
        refused(client.http.get(f"/asset/outputs/simulations/{simulation}/{job}/{path}"), 404)
    assert set(client.outputs(simulation)) == {"stdout.txt", "stderr.txt", "inside"}
    assert client.http.get(f"/asset/outputs/simulations/{simulation}/{job}/inside").text == "fine\n"


@pytest.mark.parametrize("level", [0, 1, 3])
def test_a_working_directory_that_was_replaced_by_a_link_is_not_followed(
    client: Client, tmp_path: Path, level: int
) -> None:
    simulation = client.simulations(client.experiment("/bin/echo", "fine"))[0]
    assert client.run(simulation) == ["Succeeded"]
    directory, job = client.workdir(simulation), client.jobs(simulation)[-1]["Id"]
    replaced = [directory, *directory.parents][level]
    there = tmp_path / directory.relative_to(replaced)
    there.mkdir(parents=True, exist_ok=True)
    (there / "secret").write_bytes(SECRET)
    moved = replaced.rename(replaced.with_name(f"{replaced.name}-moved"))
    try:
        replaced.symlink_to(tmp_path, target_is_directory=True)
        answer = client.http.get(f"/asset/outputs/simulations/{simulation}/{job}/secret")
        assert answer.status_code == 404
        listing = client.http.get(f"/asset/Simulations/{simulation}/Output?flatten=1")
        assert b"secret" not in listing.content
    finally:
        replaced.unlink()
        moved.rename(replaced)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x-gzip"])
def test_packed_bodies_are_refused_before_they_are_unpacked(client: Client, encoding: str) -> None:
    bomb = zlib.compress(b"\0" * 10_000_000)
    for method, path in (("POST", "/api/Suites"), ("POST", "/api/Simulations"), ("PUT", "/api/tokens")):
        answer = client.http.request(method, path, content=bomb, headers={"Content-Encoding": encoding})
        refused(answer, 415, "Content-Encoding")
    assert client.http.post("/api/Suites", json={"Suites": []}, headers={"Content-Encoding": "identity"}).is_success


def test_long_heads_are_refused(client: Client, local: Running) -> None:
    refused(client.http.get("/api/Suites", headers={"X-Long": "x" * 70_000}), 431, "65536")
    long = {"X-Long": "x" * 10_000}
    refused(client.http.get("/api/Suites", params={"filters": "Name=" + "x" * 60_000}, headers=long), 431)
    refused(client.http.get("/api/Suites", headers=[(f"X-{number}", "x" * 10) for number in range(5_000)]), 431)
    host, port = local.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"GET /api/Suites HTTP/1.1\r\nX-Endless: ")
        answer = b""
        try:
            for _ in range(200):
                connection.sendall(b"x" * 65_536)
            answer = connection.recv(4096)
        except OSError:
            pass  # It was cut off while we were still sending.
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    assert client.http.get("/api/Suites").is_success


def test_login_bodies_are_small(client: Client) -> None:
    for method, path in (("POST", "/api/tokens"), ("PUT", "/api/tokens"), ("POST", "/api/passwords/x@y.z")):
        refused(client.http.request(method, path, content=b"x" * 70_000), 400, "longer than")


def test_shared_assets_can_be_read_and_run_but_not_changed(client: Client, local: Running) -> None:
    collection = client.assets({"bin/run.sh": b"#!/bin/sh\ncat Assets/data/in.txt\n", "data/in.txt": b"input"})
    experiment = client.experiment("Assets/bin/run.sh", AssetCollectionId=collection)
    simulation = client.simulations(experiment)[0]
    assert client.run(simulation) == ["Succeeded"]
    folder = local.data_dir / "collections" / collection
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert modes == {collection: 0o555, "bin": 0o555, "data": 0o555, "run.sh": 0o555, "in.txt": 0o444}
    assert client.run(client.simulations(experiment)[0]) == ["Succeeded"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to anything")
def test_a_simulation_cannot_write_to_shared_assets(client: Client) -> None:
    collection = client.assets({"data/in.txt": b"input"})
    experiment = client.experiment("/bin/sh", "-c 'echo x >> Assets/data/in.txt'", AssetCollectionId=collection)
    assert client.run(client.simulations(experiment)[0]) == ["Failed"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_without_users_only_this_machine_is_listened_to(tmp_path: Path, host: str) -> None:
    settings = ServiceSettings(data_dir=tmp_path / "data", host=host)
    with pytest.raises(CannotServe, match=r"loopback.*serve-user add"):
        settings.require_loopback()
    UsersFile(tmp_path / "data").add("ann", "a password", groups=["g"])
    settings.require_loopback()


def test_a_damaged_users_file_stops_the_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for content in ("{", "[]", '{"users": [1]}', '{"users": [{"name": "a", "groups": [], "password_hash": "plain"}]}'):
        (data / "users.json").write_text(content)
        done = subprocess.run(command(data), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert "users.json is damaged" in done.stderr
        assert "Traceback" not in done.stderr


def test_forged_tokens_are_refused(client: Client) -> None:
    token = str(client.http.headers["X-COMPS-Token"])
    with httpx.Client(base_url=client.http.base_url) as http:
        for forged in (
            token[:-1] + "9",
            token.replace("Auth", "System", 1),
            token + ",x",
            ",".join("1" * 15),
            "x" * 5_000,
            "\xe9" * 20,
        ):
            refused(http.get("/api/Suites", headers=[(b"X-COMPS-Token", forged.encode("latin-1"))]), 401)


def test_changed_links_open_nothing(client: Client) -> None:
    data = b"content behind a link"
    simulation = client.simulations(client.experiment("/bin/true"), files={"x": data})[0]
    uri = str(records(client.one("Simulations", simulation, "Files")["Files"])[0]["Uri"])
    with httpx.Client() as stranger:
        assert stranger.get(uri).content == data
        until_at = uri.index("until=") + 6
        later = uri[:until_at] + str(int(uri[until_at : uri.index("&")]) + 1) + uri[uri.index("&") :]
        for changed in (later, uri[:-1] + ("0" if uri[-1] != "0" else "1"), uri.replace(md5(data), md5(b"other"))):
            refused(stranger.get(changed), 401)


class Monotonic:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_wait_doubles_with_each_wrong_password_and_is_forgotten() -> None:
    clock = Monotonic()
    throttle = Throttle(clock, free=2, most=3)
    waits: list[float] = []
    for _ in range(10):
        throttle.failed("ann")
        waits.append(throttle.wait_s("ann"))
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert throttle.wait_s("bob") == 0
    clock.now += 61
    assert throttle.wait_s("ann") == 0
    clock.now += 900
    throttle.failed("ann")
    assert throttle.wait_s("ann") == 0
    for name in "abcdefgh":
        throttle.failed(name)
    assert len(throttle) == 3


def test_a_right_password_in_time_is_not_held_against_the_address() -> None:
    throttle = Throttle(Monotonic(), free=0)
    throttle.failed("10.0.0.1")
    throttle.forgive("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") == 0
    assert len(throttle) == 0


async def test_names_that_nobody_has_cost_a_hash_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    UsersFile(tmp_path).add("ann", "a password", groups=["g"])
    people = Users(tmp_path, {}, monotonic=Monotonic())
    asked: list[str | None] = []
    real = passwords.matches

    def matches(password_hash: str | None, password: bytes) -> bool:
        asked.append(password_hash)
        return real(password_hash, password)

    monkeypatch.setattr("acomps.local.accounts.people.matches", matches)
    for name, encoded in (("ann", "d3Jvbmc="), ("nobody", "d3Jvbmc="), ("nobody", "%%%")):
        with pytest.raises(Refused) as caught:
            await people.log_in(name, encoded, "10.0.0.1")
        assert (caught.value.status, caught.value.message) == (401, "wrong user name or password")
    assert len(asked) == 3
    assert asked[0] is not None
    assert asked[1:] == [None, None]


async def test_one_address_with_many_names_is_slowed_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    UsersFile(tmp_path).add("ann", "a password", groups=["g"])
    people = Users(tmp_path, {}, monotonic=Monotonic())

    def no(_hash: str | None, _password: bytes) -> bool:
        return False

    monkeypatch.setattr("acomps.local.accounts.people.matches", no)
    for number in range(21):
        with pytest.raises(Refused):
            await people.log_in(f"name{number}", "eA==", "10.0.0.1")
    with pytest.raises(TooOften):
        await people.log_in("another", "eA==", "10.0.0.1")
    with pytest.raises(Refused, match="wrong user name"):
        await people.log_in("another", "eA==", "10.0.0.2")


def test_secrets_are_in_no_log(tmp_path: Path) -> None:
    data = tmp_path / "data"
    UsersFile(data).add("ann", "a password of ann", groups=["g"])
    log = tmp_path / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command(data, "--ready-file", str(tmp_path / "ready"), "--stop-with-stdin"),
            stdin=subprocess.PIPE,
            stderr=errors,
        )
        with process:
            until(lambda: (tmp_path / "ready").exists(), "the service is ready")
            url = (tmp_path / "ready").read_text().split('"url":"')[1].split('"')[0]
            with httpx.Client(base_url=url) as http:
                token = log_in(http, "ann", "a password of ann").headers["X-COMPS-Token"]
                log_in(http, "ann", "a wrong password")
                http.get(f"/api/{quote(token)}", headers={"X-COMPS-Token": token + "x"})
            process.terminate()
    said = log.read_text()
    assert "wrong user name or password" in said
    for secret in ("a password of ann", "a wrong password", token.split(",")[8]):
        assert secret not in said


@pytest.mark.parametrize("kind", [kind for kind in EntityKind if kind.code >= 0])
def test_with_one_user_no_query_has_a_condition_on_owners(kind: EntityKind) -> None:
    assert sees(EVERYBODY, kind) == ()
    viewers = viewers_of([User(name="ann", groups=("g",)), User(name="bob", groups=("g", "h"))])
    assert len(sees(viewers["ann"], kind)) == 1
    assert viewers["ann"].peers == frozenset({"ann", "bob"})

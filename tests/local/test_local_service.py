"""The service as a process: how it starts, tells where it is, and ends."""

from __future__ import annotations

import json
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from support.local_service import Client, alive, command, running, text, until


def test_the_ready_file_says_where_the_service_is(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with subprocess.Popen(command(tmp_path / "data", "--ready-file", str(ready))) as process:
        try:
            until(ready.exists, "the service becomes ready")
            told = json.loads(ready.read_text())
            assert stat.S_IMODE(ready.stat().st_mode) == 0o600
            assert set(told) == {"url", "username", "password", "pid"}
            assert told["pid"] == process.pid
            assert json.loads((tmp_path / "data" / "service.json").read_text()) == told
            assert httpx.get(f"{told['url']}/api/Suites").status_code == 401
        finally:
            process.terminate()
        assert process.wait(10) == 0
    assert not ready.exists()
    assert not (tmp_path / "data" / "service.json").exists()


def test_a_data_folder_belongs_to_one_service(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        second = subprocess.run(command(tmp_path / "data"), capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 2
        assert second.stderr.count("\n") == 1
        assert f"process number {service.process.pid}" in second.stderr
        assert (tmp_path / "data" / "service.json").exists()
        service.kill()
    with running(tmp_path / "data"):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_only_this_machine_is_served(tmp_path: Path, host: str) -> None:
    line = command(tmp_path / "data", "--host", host)
    ended = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "loopback" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_taken_port_ends_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = command(tmp_path / "data", "--port", str(port))
        ended = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert f"port {port}" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_data_folder_that_is_none_ends_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "service.sqlite").write_text("this is no database, whatever its name says" * 100)
    for place in ("file", "other"):
        ended = subprocess.run(command(tmp_path / place), capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 2
        assert str(tmp_path / place) in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_service_ends_with_its_standard_input(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        assert service.process.stdin is not None
        service.process.stdin.close()
        assert service.process.wait(10) == 0


def test_the_service_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    line = command(tmp_path / "data", "--ready-file", str(ready), "--stop-with-stdin")
    program = f"import subprocess, time; subprocess.Popen({line!r}, stdin=subprocess.PIPE); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        try:
            until(ready.exists, "the service becomes ready")
            pid = json.loads(ready.read_text())["pid"]
        finally:
            parent.kill()
    until(lambda: not alive(pid), "the service ends")


def test_an_idle_service_ends_by_itself_but_not_while_something_runs(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    program = f"#!/bin/sh\nwhile ! test -e {gate}; do sleep 0.01; done\n".encode()
    with running(tmp_path / "data", "--stop-when-idle", "0.4") as service, Client(service) as client:
        simulation = client.simulations(client.experiment("./wait.sh"), files={"wait.sh": program})[0]
        client.commission("Simulations", simulation)
        client.wait([simulation], "Running")
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(1.0)
        gate.touch()
        assert service.process.wait(10) == 0


def test_every_answer_is_delayed_by_the_latency_and_all_at_the_same_time(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--latency-ms", "200") as service, Client(service) as client:
        begun = time.perf_counter()
        client.listed("Suites")
        assert time.perf_counter() - begun >= 0.2


def test_small_answers_do_not_wait_for_an_acknowledgement(client: Client) -> None:
    client.listed("Suites")
    begun = time.perf_counter()
    for _ in range(20):
        client.listed("Suites", count="1")
    assert time.perf_counter() - begun < 20 * 0.04, "Nagle's algorithm holds answers back for 40 ms each"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("installed", [True, False])
def test_the_service_works_on_the_quick_loop_and_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if not installed:
        (tmp_path / "uvloop.py").write_text("raise ImportError('it is not installed')\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with running(tmp_path / "data") as service, Client(service) as client:
        loaded = Path(f"/proc/{service.process.pid}/maps").read_text()
        assert ("uvloop" in loaded) == installed
        ran = client.simulations(client.experiment("/bin/sh", "-c 'echo here'"))[0]
        client.run(ran)
        assert client.http.get(text(client.outputs(ran)["stdout.txt"], "Url")).content == b"here\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's counts")
def test_a_small_answer_comes_in_one_packet(client: Client) -> None:
    url, token = client.http.base_url, client.http.headers["X-COMPS-Token"]
    request = f"GET /api/Environments HTTP/1.1\r\nHost: x\r\nX-COMPS-Token: {token}\r\n\r\n".encode()
    with socket.create_connection((url.host, url.port or 0), timeout=20) as connection:
        for number in range(1, 6):
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b"]}"):
                answer += connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            counts = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
            # The field tcpi_data_segs_in.
            assert struct.unpack_from("I", counts, 152) == (number,)


def test_a_stop_while_an_answer_is_under_way_lets_it_end(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--latency-ms", "500") as service, Client(service) as client:
        with client.http.stream("GET", "/api/Suites") as answer:
            service.process.terminate()
            assert answer.read() == b'{"Suites":[]}'
        assert service.process.wait(10) == 0

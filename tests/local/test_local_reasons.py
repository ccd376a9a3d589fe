"""Status lines, byte by byte."""

from __future__ import annotations

import re
import socket
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest
from support.local_service import Client, Running, text

LOOKS_LIKE_A_HEAD = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def first_lines(local: Running, *requests: str) -> list[str]:
    """The status lines of requests that are sent at once over one connection, which the last of them closes."""
    address = urlsplit(local.url)
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as wire:
        wire.sendall("".join(requests).encode())
        answered = b"".join(iter(lambda: wire.recv(65_536), b""))
    return [line.decode() for line in re.findall(rb"HTTP/1\.1 [^\r]*", answered)]


def request(path: str, method: str = "GET", more: str = "") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n"


def test_a_refusal_has_one_word_also_when_requests_are_pipelined(local: Running) -> None:
    assert first_lines(
        local, request("/api/Simulations"), request("/nothing"), request("/api/Suites", more="Connection: close\r\n")
    ) == [
        "HTTP/1.1 401 Unauthorized",
        "HTTP/1.1 404 NotFound",
        "HTTP/1.1 401 Unauthorized",
    ]


def test_a_refusal_of_a_body_that_waits_to_be_wanted_has_one_word(local: Running) -> None:
    expecting = "Connection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
    lines = first_lines(local, request("/api/tokens", "POST", expecting) + "{}")
    assert lines[-1] == "HTTP/1.1 400 BadRequest"
    assert {*lines[:-1]} <= {"HTTP/1.1 100 Continue"}


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/api/nothing", "NotFound"),
        ("PATCH", "/api/tokens", "MethodNotAllowed"),
        ("GET", "/api/Simulations/no-id", "BadRequest"),
        ("GET", "/api/Environments", "OK"),
    ],
)
def test_a_reason_is_one_word(client: Client, method: str, path: str, reason: str) -> None:
    assert client.http.request(method, path).reason_phrase == reason


def test_a_body_that_looks_like_a_head_goes_out_as_it_is(client: Client) -> None:
    simulation = client.simulations(
        client.experiment("/bin/sh", "-c 'cp head.txt again.txt'"), files={"head.txt": LOOKS_LIKE_A_HEAD}
    )[0]
    assert client.run(simulation) == ["Succeeded"]
    url = text(client.outputs(simulation)["again.txt"], "Url")
    assert client.http.get(url).content == LOOKS_LIKE_A_HEAD
    beyond = client.http.get(url, headers={"Range": "bytes=1000-"})
    assert "".join(HTTPStatus(416).phrase.title().split()) == beyond.reason_phrase

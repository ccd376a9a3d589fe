"""What is asked of a server, for paths with and without something to encode."""

from __future__ import annotations

import httpx
import pytest

from acomps.transport.client import parsed_url

ROOT = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/Simulations?filters=Name%3Da%20b&count=1",
        "/asset/outputs/simulations/1/2/output/Inset%20Chart.json?until=1&signature=ab",
        "/asset/contents/1/a b.json",
        "/asset/contents/1/ä.json",
        "/asset/contents/1/100%.json",
        "/api/../etc/passwd",
        "/api/./Suites",
        "/api/.hidden",
        "/api/a?b=/../c",
        "/api/a[0]?b=[1]",
        "/api/a#fragment",
        '/api/"quoted"',
        "/api/a|b?c=d|e",
    ],
)
def test_every_path_goes_out_as_httpx_would_send_it(path: str) -> None:
    url, target = parsed_url(f"{ROOT}{path}")
    expected = httpx.URL(f"{ROOT}{path}")
    assert target == expected.raw_path
    assert (url.scheme, url.host, url.port) == (expected.scheme, expected.host, expected.port)


def test_a_server_without_a_path_is_asked_for_its_root() -> None:
    assert parsed_url("https://comps.idmod.org")[1] == b"/"


def test_a_path_of_any_length_is_judged_at_once() -> None:
    path = "/" + "a" * 50_000 + " "
    assert parsed_url(f"{ROOT}{path}")[1] == httpx.URL(f"{ROOT}{path}").raw_path

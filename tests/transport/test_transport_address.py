from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acomps.errors import MalformedAnswer, UsageError
from acomps.transport import Address, asset_path


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("comps.idmod.org", "https://comps.idmod.org"),
        ("https://comps.idmod.org", "https://comps.idmod.org"),
        ("https://comps.idmod.org///", "https://comps.idmod.org"),
        ("localhost:54321", "https://localhost:54321"),
        ("http://localhost:54321/", "http://localhost:54321"),
        ("https://h:443", "https://h"),
        ("http://h:80", "http://h"),
        ("https://h:80", "https://h:80"),
        ("http://h:443", "http://h:443"),
        ("h:0443", "https://h"),
        ("my_host-2.local.", "https://my_host-2.local."),
        ("127.0.0.1:8080", "https://127.0.0.1:8080"),
        ("  comps.idmod.org \n", "https://comps.idmod.org"),
    ],
)
def test_accepted_host_strings_have_one_normal_form(text: str, root: str) -> None:
    assert Address.parse(text).root == root


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   ",
        "///",
        "https://",
        "http://:80",
        ":80",
        "HTTP://x",
        "Https://x",
        "ftp://x",
        "http:/x",
        "http://a/b",
        "a/b",
        "http://a?b=c",
        "[::1]:80",
        "http://[::1]",
        "::1",
        "h:",
        "h:x",
        "h:0",
        "h:65536",
        "h:99999999999999999999",
        "a..b",
        "a b",
        "höst",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "user@host",
    ],
)
def test_rejected_host_strings_get_an_error_that_says_what_to_write(text: str | None) -> None:
    with pytest.raises(UsageError, match=r"comps\.idmod\.org|from 1 to 65535"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [("ftp://x", "scheme is 'ftp'"), ("http://a/b", "path"), ("[::1]:80", "IPv6"), ("HTTP://x", "lower case")],
)
def test_the_error_names_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Address.parse(text)


@pytest.mark.parametrize("text", ["https://jdoe:s3cret@host", "jdoe:s3cret@host", "ftp://jdoe:s3cret@host/x"])
def test_a_password_in_the_host_string_is_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.parse(text)
    assert "s3cret" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except UsageError:
        return
    assert Address.parse(address.root) == address


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/Simulations", "https://h/api/Simulations"),
        ("environments", "https://h/api/environments"),
        ("/asset/a/b", "https://h/asset/a/b"),
        ("asset/a/b?x=1", "https://h/asset/a/b?x=1"),
        ("/Asset/a", "https://h/api/Asset/a"),
        ("/assets/a", "https://h/api/assets/a"),
        ("/api/x", "https://h/api/api/x"),
        ("https://elsewhere:99/asset/a/b?sig=1", "https://h/asset/a/b?sig=1"),
        ("http://elsewhere/x/y/asset/a", "https://h/asset/a"),
        ("/asset/a#1", "https://h/asset/a%231"),
    ],
)
def test_files_lie_under_the_root_and_everything_else_under_api(path: str, url: str) -> None:
    assert Address.parse("h").url(path) == url


def test_a_file_url_is_taken_from_asset_on() -> None:
    assert asset_path("https://other.example/asset/x?y=/asset/z") == "/asset/x?y=/asset/z"
    assert asset_path("asset/x") == "/asset/x"


def test_a_file_url_without_asset_is_refused_and_its_query_not_shown() -> None:
    with pytest.raises(MalformedAnswer) as caught:
        asset_path("https://other.example/blob?signature=abc")
    assert "other.example/blob" in str(caught.value)
    assert "abc" not in str(caught.value)


def test_the_cache_file_has_the_name_that_pycomps_gives_it() -> None:
    assert Address.parse("comps.idmod.org").cache_name("jdoe") == "COMPS_Authtoken_https___comps.idmod.org_jdoe.txt"
    assert Address.parse("http://h:8080/").cache_name("me") == "COMPS_Authtoken_http___h_8080_me.txt"


@pytest.mark.parametrize(
    ("text", "loopback"),
    [("localhost", True), ("a.localhost", True), ("127.8.8.8:1", True), ("10.0.0.1", False), ("localhost.org", False)],
)
def test_this_machine_is_known_by_its_names(text: str, loopback: bool) -> None:
    assert Address.parse(text).loopback is loopback

from __future__ import annotations

import getpass
import logging
import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from support.transport_server import token_text

from acomps.transport import Address, Token
from acomps.transport.token_cache import TokenCache

ADDRESS = Address.parse("https://comps.example.org:443/")
posix = pytest.mark.skipif(sys.platform == "win32", reason="file modes and owners are POSIX's")


def cache_file(folder: Path) -> Path:
    return folder / f"COMPS_Authtoken_https___comps.example.org_{getpass.getuser()}.txt"


async def test_a_stored_token_comes_back(tmp_path: Path) -> None:
    cache = TokenCache(ADDRESS, tmp_path)
    assert await cache.load() is None
    await cache.store(Token.parse(token_text(1)))
    loaded = await cache.load()
    assert loaded is not None
    assert loaded.secret == token_text(1)


async def test_the_file_has_the_name_and_form_of_pycomps_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    await TokenCache(ADDRESS, tmp_path).store(Token.parse(token_text(1)))
    assert os.listdir(tmp_path) == [cache_file(tmp_path).name]
    assert cache_file(tmp_path).read_text() == token_text(1), "pyCOMPS sends the file as it is, line end and all"


@posix
async def test_nobody_else_can_read_the_file_even_if_an_older_one_was_open_to_all(tmp_path: Path) -> None:
    cache_file(tmp_path).write_text("old")
    cache_file(tmp_path).chmod(0o666)
    await TokenCache(ADDRESS, tmp_path).store(Token.parse(token_text(1)))
    assert stat.S_IMODE(cache_file(tmp_path).stat().st_mode) == 0o600


async def test_only_the_first_line_counts(tmp_path: Path) -> None:
    cache_file(tmp_path).write_text(f"{token_text(1)}\nrest\n")
    loaded = await TokenCache(ADDRESS, tmp_path).load()
    assert loaded is not None
    assert loaded.secret == token_text(1)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"nonsense", b"\xff\xfe\x00", token_text(kind="Odd").encode()])
async def test_a_blank_or_damaged_file_counts_as_no_token(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cache_file(tmp_path).write_bytes(content)
    assert await TokenCache(ADDRESS, tmp_path).load() is None
    assert "hash0" not in caplog.text


@posix
async def test_a_link_a_folder_or_a_pipe_in_its_place_counts_as_no_token(tmp_path: Path) -> None:
    aim = tmp_path / "aim"
    aim.write_text(token_text(1))
    cache_file(tmp_path).symlink_to(aim)
    assert await TokenCache(ADDRESS, tmp_path).load() is None
    cache_file(tmp_path).unlink()
    os.mkfifo(cache_file(tmp_path))
    assert await TokenCache(ADDRESS, tmp_path).load() is None
    cache_file(tmp_path).unlink()
    cache_file(tmp_path).mkdir()
    assert await TokenCache(ADDRESS, tmp_path).load() is None


@posix
async def test_storing_replaces_a_link_and_leaves_its_aim_alone(tmp_path: Path) -> None:
    aim = tmp_path / "aim"
    aim.write_text("precious")
    cache_file(tmp_path).symlink_to(aim)
    await TokenCache(ADDRESS, tmp_path).store(Token.parse(token_text(1)))
    assert aim.read_text() == "precious"
    assert not cache_file(tmp_path).is_symlink()


@posix
async def test_another_users_file_is_neither_used_nor_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = TokenCache(ADDRESS, tmp_path)
    await cache.store(Token.parse(token_text(1)))
    monkeypatch.setattr(os, "geteuid", lambda: 4_242_424)
    assert await cache.load() is None
    await cache.clear()
    assert cache_file(tmp_path).exists()


async def test_a_folder_that_cannot_be_written_costs_nothing_but_the_cache(tmp_path: Path) -> None:
    cache = TokenCache(ADDRESS, tmp_path / "missing")
    await cache.store(Token.parse(token_text(1)))
    assert await cache.load() is None


async def test_clearing_removes_the_file_and_a_missing_one_is_fine(tmp_path: Path) -> None:
    cache = TokenCache(ADDRESS, tmp_path)
    await cache.store(Token.parse(token_text(1)))
    await cache.clear()
    assert os.listdir(tmp_path) == []
    await cache.clear()


def test_the_runtime_folder_is_preferred_to_the_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert TokenCache(ADDRESS).path() == cache_file(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    assert TokenCache(ADDRESS).path() == cache_file(Path(tempfile.gettempdir()))


def test_a_user_name_that_is_a_path_gets_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "../../etc/x")
    assert TokenCache(ADDRESS, tmp_path).path() is None

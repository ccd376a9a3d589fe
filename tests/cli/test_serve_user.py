"""`acomps serve-user`: users of the local service from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from acomps.local.accounts.passwords import matches
from acomps.local.accounts.users import UsersFile, is_argon2

MAIN = "from acomps.cli import main; main()"


def serve_user(*words: str, data: Path | None, password: str = "") -> subprocess.CompletedProcess[str]:
    folder = () if data is None else ("--data-dir", str(data))
    command = [sys.executable, "-c", MAIN, "serve-user", *words, *folder]
    return subprocess.run(command, input=password, capture_output=True, text=True, check=False, timeout=60)


def test_users_are_added_listed_given_a_new_password_and_removed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = ("add", "ann", "--group", "malaria", "--group", "measles", "--email", "ann@example.org", "--password-stdin")
    done = serve_user(*words, data=data, password="correct horse\n")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    file = UsersFile(data)
    ann = file.load()["ann"]
    assert (ann.groups, ann.email) == (("malaria", "measles"), "ann@example.org")
    assert matches(ann.password_hash, b"correct horse")
    assert file.path.stat().st_mode & 0o077 == 0

    file.request_reset("ann")
    listed = serve_user("list", data=data)
    assert listed.returncode == 0
    assert "ann" in listed.stdout
    assert "malaria, measles" in listed.stdout
    assert "forgotten" in listed.stdout
    assert "argon2" not in listed.stdout

    assert serve_user("passwd", "ANN", "--password-stdin", data=data, password="another one\n").returncode == 0
    assert matches(file.load()["ann"].password_hash, b"another one")
    assert serve_user("remove", "Ann", data=data).returncode == 0
    assert file.load() == {}


def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    add = ("--group", "g", "--password-stdin")
    assert serve_user("add", "ann", *add, data=data, password="correct horse").returncode == 0
    for words, password, complaint in (
        (("add", "ANN", *add), "correct horse", "there is a user ann already"),
        (("add", "bob", *add), "short", "at least 8 characters"),
        (("add", "../bob", *add), "correct horse", "user name"),
        (("add", "a,b", *add), "correct horse", "user name"),
        (("add", "bob", "--group", "a-b", "--password-stdin"), "correct horse", "hyphen"),
        (("add", "bob", "--email", "nobody", *add), "correct horse", "name@example.org"),
        (("add", "bob", "--password-stdin"), "correct horse", "group"),
        (("remove", "bob"), "", "there is no user bob"),
        (("passwd", "bob", "--password-stdin"), "correct horse", "there is no user bob"),
    ):
        done = serve_user(*words, data=data, password=password)
        assert done.returncode == 2, words
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr
    assert set(UsersFile(data).load()) == {"ann"}


def test_a_hash_for_the_configuration_file_is_printed() -> None:
    done = serve_user("hash", "--password-stdin", data=None, password="correct horse\n")
    assert done.returncode == 0, done.stderr
    assert is_argon2(done.stdout.strip())
    assert matches(done.stdout.strip(), b"correct horse")


def test_two_who_add_users_at_once_lose_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-c", MAIN, "serve-user", "add"]
    words = ("--group", "g", "--password-stdin", "--data-dir", str(data))
    started = [
        subprocess.Popen([*command, name, *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for name in "abcd"
    ]
    for process in started:
        process.communicate(b"correct horse\n", timeout=60)
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    assert set(UsersFile(data).load()) == set("abcd")

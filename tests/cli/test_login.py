"""Logging in at the terminal, and which server a command works on."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from support.terminal import MAIN, Terminal

from acomps.cli.exits import Exit
from acomps.comps.child import Service


@pytest.fixture
def stranger(tmp_path: Path, cli_service: Service) -> Generator[Terminal]:
    """A terminal of somebody who is logged in nowhere, in an environment that names no server."""
    terminal = Terminal(tmp_path, None, tmp_path)
    yield terminal
    terminal.stop_local()


def typed(terminal: Terminal, words: Sequence[str], answers: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command, and what is on the screen when somebody answers its questions."""
    process_id, screen = pty.fork()
    if process_id == 0:
        os.chdir(terminal.folder)
        os.execve(sys.executable, [sys.executable, "-c", MAIN, *words], terminal.variables({"TERM": "dumb"}))
    seen = b""
    for answer in answers:
        while not seen.rpartition(b"\n")[2].rstrip().endswith(b":"):
            seen += os.read(screen, 1024)
        os.write(screen, f"{answer}\n".encode())
        seen += b"\n"
    try:
        while piece := os.read(screen, 1024):
            seen += piece
    except OSError:
        pass  # the other end of a terminal is gone
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]), seen.decode()


def test_a_login_is_kept_for_the_commands_to_come_and_forgotten_by_a_logout(
    stranger: Terminal, cli_service: Service
) -> None:
    words = ("login", cli_service.url, "--username", cli_service.username, "--password-stdin")
    stranger(*words, stdin=cli_service.password)
    [cache] = (stranger.home / "run").glob("COMPS_Authtoken_*")
    assert cache.stat().st_mode & 0o777 == 0o600
    told = json.loads(stranger("whoami", "--format", "json").stdout)
    assert (told["user"], told["server"]) == (cli_service.username, cli_service.url)
    assert told["environments"] == ["Local"]
    assert cli_service.password not in "".join(path.read_text() for path in stranger.home.rglob("*") if path.is_file())
    stranger("logout")
    assert not cache.exists()
    said = stranger("whoami", "--server", cli_service.url, code=Exit.LOGIN).stderr
    assert "acomps login" in said


def test_the_password_may_be_in_the_environment(stranger: Terminal, cli_service: Service) -> None:
    known = {"ACOMPS_USERNAME": cli_service.username, "ACOMPS_PASSWORD": cli_service.password}
    stranger("whoami", "-srv", cli_service.url, environment=known)


@pytest.mark.parametrize("words", [(), ("--username", "nobody")])
def test_a_wrong_password_is_asked_for_three_times(
    words: tuple[str, ...], stranger: Terminal, cli_service: Service
) -> None:
    code, screen = typed(
        stranger, ["login", cli_service.url, *words], ["nobody", "wrong-1", "nobody", "wrong-2", "nobody", "wrong-3"]
    )
    assert code == Exit.LOGIN
    assert screen.count("That was not accepted") == 2
    assert "wrong-" not in screen


def test_the_right_password_at_the_second_try_logs_in(stranger: Terminal, cli_service: Service) -> None:
    answers = [cli_service.username, "wrong", "", cli_service.password]
    code, screen = typed(stranger, ["login", cli_service.url, "--username", cli_service.username], answers)
    assert code == Exit.DONE, screen
    assert cli_service.password not in screen


def test_a_wrong_password_leaves_an_earlier_login_alone(stranger: Terminal, cli_service: Service) -> None:
    words = ("login", cli_service.url, "--username", cli_service.username, "--password-stdin")
    stranger(*words, stdin=cli_service.password)
    said = stranger(*words, stdin="wrong", code=Exit.LOGIN).stderr
    assert "does not accept" in said
    stranger("whoami")


def test_the_server_is_the_option_else_the_environment_else_the_last_login_else_local(
    stranger: Terminal, cli_service: Service
) -> None:
    def chosen(*words: str, **environment: str) -> tuple[str, str]:
        told = json.loads(stranger("run-info", "--format", "json", *words, environment=environment).stdout)
        return told["server"], told["server_because_of"]

    assert chosen() == ("local", "nothing else was said")
    stranger("login", cli_service.url, "-u", cli_service.username, "--password-stdin", stdin=cli_service.password)
    assert chosen() == (cli_service.url, "the last login")
    assert chosen(COMPS_SERVER="https://a") == ("https://a", "COMPS_SERVER")
    assert chosen("--server", "b", COMPS_SERVER="https://a") == ("b", "--server")


def test_a_server_that_does_not_answer_ends_with_3(stranger: Terminal) -> None:
    done = stranger(
        "whoami",
        "--server",
        "http://127.0.0.1:9",
        environment={"ACOMPS_USERNAME": "a", "ACOMPS_PASSWORD": "b"},
        code=Exit.CONNECTION,
    )
    assert done.stderr.splitlines()[-1].startswith("next: ")


def test_without_a_terminal_nobody_is_asked(stranger: Terminal, cli_service: Service) -> None:
    done = stranger("list", "experiments", "--server", cli_service.url, code=Exit.LOGIN)
    assert done.stdout == ""
    assert "no terminal" in done.stderr


def test_the_help_needs_none_of_the_heavy_packages(stranger: Terminal) -> None:
    """It would be slow: what a command needs is imported when it runs."""
    end = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    done = subprocess.run(
        [sys.executable, "-c", end + MAIN, "--help"],
        capture_output=True,
        text=True,
        env=stranger.variables(),
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert loaded.isdisjoint({"polars", "pyarrow", "matplotlib", "scipy", "numpy", "starlette", "sqlalchemy", "zarr"})
    commands = {name for name in done.stderr.split() if name.startswith("acomps.cli.")}
    assert commands <= {f"acomps.cli.{room}" for room in ("app", "exits", "output", "values")}

"""The command line as a process: what goes where, and the exit codes."""

from __future__ import annotations

import subprocess
import sys

import anyio
import pytest

import acomps
from acomps import errors
from acomps.cli.exits import Exit, first_cause, verdict


def run(*words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys\n{before}\nsys.argv = ['acomps', *{list(words)!r}]\nfrom acomps.cli import main\nmain()"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_the_version_is_data_on_stdout() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()[:1].isdigit()


@pytest.mark.parametrize("words", [["--help"], ["demo", "--help"], ["serve", "--help"]])
def test_help_is_on_stdout(words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: acomps" in done.stdout


@pytest.mark.parametrize(
    ("words", "sentence", "next_step"),
    [
        (["dem"], 'Did you mean "demo"?', "acomps --help"),
        (["demo", "--int", "x"], "Did you mean --into?", "acomps demo --help"),
        (["demo", "--into"], "requires an argument", "acomps demo --help"),
        (["serve", "--port", "x"], "--port", "acomps serve --help"),
    ],
)
def test_a_command_line_that_is_not_understood_ends_with_2_and_says_what_to_type(
    words: list[str], sentence: str, next_step: str
) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    said, following = done.stderr.splitlines()
    assert said.startswith("acomps: ")
    assert sentence in said
    assert following == f"next: {next_step}"


@pytest.mark.parametrize("package", ["cyclopts", "rich"])
def test_without_its_packages_the_command_line_names_the_extra(package: str) -> None:
    done = run("--version", before=f"sys.modules[{package!r}] = None")
    assert done.returncode == Exit.USAGE
    assert done.stderr == "acomps: the command line needs more packages: pip install 'acomps[cli]'\n"


def test_an_error_is_one_sentence_and_with_debug_the_traceback_too() -> None:
    blocked = "/dev/null/results"
    done = run("demo", "--into", blocked)
    assert done.returncode == Exit.FAILED
    assert done.stderr.count("\n") == 1
    assert blocked in done.stderr
    done = run("demo", "--into", blocked, "--debug")
    assert done.returncode == Exit.FAILED
    assert "Traceback" in done.stderr


def test_the_demo_says_at_once_that_it_cannot_draw() -> None:
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n: f(n) if n != 'matplotlib' else None"
    done = run("demo", before=hide)
    assert done.returncode == Exit.USAGE
    assert "pip install 'acomps[plots]'" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (acomps.UsageError("x"), Exit.USAGE),
        (acomps.ExtraMissing("x", "plots"), Exit.USAGE),
        (acomps.ConnectTimedOut("x"), Exit.CONNECTION),
        (acomps.AnswerTimedOut("x"), Exit.CONNECTION),
        (acomps.ServerFailed("x", status=503), Exit.CONNECTION),
        (acomps.AuthenticationFailed("x", status=401), Exit.LOGIN),
        (acomps.PermissionDenied("x", status=403), Exit.LOGIN),
        (acomps.NotFound("x", status=404), Exit.NOT_FOUND),
        (acomps.Conflict("x", status=409), Exit.FAILED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (PermissionError("x"), Exit.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_decides_the_exit_code(error: BaseException, code: Exit) -> None:
    found = verdict(error)
    assert found is not None
    assert found.code == code


def test_every_error_of_the_library_has_an_exit_code() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert all(verdict(kind.__new__(kind)) is not None for kind in kinds)


def test_a_bug_is_not_dressed_up_as_an_error() -> None:
    assert verdict(AttributeError("x")) is None


def test_of_tasks_that_fail_together_the_first_cause_is_told() -> None:
    async def fail() -> None:
        raise acomps.NotFound("gone", status=404)

    async def fail_inside_groups() -> None:
        async with anyio.create_task_group() as outer:
            async with anyio.create_task_group() as inner:
                inner.start_soon(fail)
            outer.start_soon(fail)

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(fail_inside_groups)
    assert str(first_cause(caught.value)) == "gone"

"""`acomps serve` as a process: ready, found, ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING

import pytest

import acomps

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from acomps.cli import main; main()"
LOOK_S = 0.02


def serve(*options: str, stdin: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", MAIN, "serve", *options]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ready(process: subprocess.Popen[bytes], file: Path) -> dict[str, str]:
    """What the ready file says, as soon as it is there; the test's own timeout is the deadline."""
    while not file.exists():
        try:
            code = process.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            continue
        _, said = process.communicate()
        raise AssertionError(f"the service ended with {code}: {said.decode()}")
    facts: dict[str, str] = json.loads(file.read_bytes())
    return facts


async def test_the_service_tells_where_it_is_and_ends_on_ctrl_c(tmp_path: Path, settings: acomps.Settings) -> None:
    file = tmp_path / "ready.json"
    with serve("--data-dir", str(tmp_path / "data"), "--ready-file", str(file)) as process:
        try:
            facts = ready(process, file)
            assert file.stat().st_mode & 0o077 == 0
            async with acomps.connect(
                facts["url"], username=facts["username"], password=facts["password"], settings=settings
            ) as comps:
                assert [environment.name for environment in await comps.environments.list()] == ["Local"]
            process.send_signal(signal.SIGINT)
            said, notes = process.communicate()
        finally:
            process.kill()
    assert process.returncode == 0
    assert said == b""
    assert str(tmp_path / "data" / "service.json").encode() in notes
    assert not file.exists()


def test_the_service_ends_with_its_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    options = ("--data-dir", str(tmp_path / "data"), "--ready-file", str(file), "--stop-with-stdin")
    with serve(*options, stdin=subprocess.PIPE) as process:
        try:
            ready(process, file)
            process.communicate(b"")
        finally:
            process.kill()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--host", "0.0.0.0"], b"loopback"),
        (["--port", "70000"], b"70000"),
        (["--latency-ms", "-1"], b"negative"),
        (["--cores", "0"], b"at least one core"),
        (["--data-dir", "/dev/null/data"], b"/dev/null/data"),
    ],
)
def test_a_service_that_cannot_be_started_says_why(tmp_path: Path, options: list[str], complaint: bytes) -> None:
    elsewhere = () if "--data-dir" in options else ("--data-dir", str(tmp_path / "data"))
    with serve(*elsewhere, *options) as process:
        _, said = process.communicate()
    assert process.returncode == 2
    assert complaint in said
    assert b"Traceback" not in said


def test_without_the_extra_the_service_names_it() -> None:
    program = f"import sys; sys.modules['starlette'] = None; sys.argv = ['acomps', 'serve']; {MAIN}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "pip install 'acomps[local]'" in done.stderr

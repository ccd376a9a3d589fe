"""The other side: pyCOMPS in a process and an interpreter of its own, and its command line."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from support.local_service import DEADLINE_S, Record, record

__all__ = ["Peer", "PeerError", "Util", "interpreter", "peer_environment", "started"]

_TESTS = Path(__file__).parents[1]


def interpreter() -> str | None:
    """The interpreter that has pyCOMPS: the one that ACOMPS_PYCOMPS_PYTHON names, else this one, else none."""
    named = os.environ.get("ACOMPS_PYCOMPS_PYTHON")
    if named:
        return named
    return sys.executable if importlib.util.find_spec("COMPS") else None


class PeerError(Exception):
    """pyCOMPS raised an exception of this name, which said this."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


class Peer:
    """Asks pyCOMPS to act out scenarios."""

    def __init__(self, python: str, process: subprocess.Popen[str], folder: Path) -> None:
        self.python = python
        #: Where it works and keeps its token.
        self.folder = folder
        self._process = process

    def ask(self, scenario: str, **arguments: object) -> object:
        """What the scenario finds; PeerError when pyCOMPS raises."""
        to, back = _pipe(self._process.stdin), _pipe(self._process.stdout)
        to.write(json.dumps({"scenario": scenario, "arguments": arguments}) + "\n")
        to.flush()
        line = back.readline()
        if not line:
            raise AssertionError((self.folder / "peer.log").read_text()[-4_000:])
        answer = record(json.loads(line))
        if "error" in answer:
            raise PeerError(str(answer["error"]), str(answer["text"]))
        return answer["found"]

    def record(self, scenario: str, **arguments: object) -> Record:
        """What the scenario finds, which must be an object."""
        return record(self.ask(scenario, **arguments))

    def list(self, scenario: str, **arguments: object) -> list[object]:
        """What the scenario finds, which must be a list."""
        found = self.ask(scenario, **arguments)
        assert isinstance(found, list)
        return [*found]

    def text(self, scenario: str, **arguments: object) -> str:
        """What the scenario finds, which must be a text."""
        found = self.ask(scenario, **arguments)
        assert isinstance(found, str)
        return found


def _pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None
    return end


def peer_environment(folder: Path) -> Mapping[str, str]:
    """The environment of a process with pyCOMPS: its token cache is the folder's, and there is no screen."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMPS_", "DISPLAY", "WAYLAND"))}
    tests = str(_TESTS)
    return {
        **kept,
        "XDG_RUNTIME_DIR": str(folder),
        "HOME": str(folder),
        "PYTHONPATH": tests,
        "PYTHONWARNINGS": "ignore",
    }


@contextlib.contextmanager
def started(python: str, folder: Path) -> Generator[Peer]:
    """A process that acts out scenarios, in a folder of its own."""
    with (
        (folder / "peer.log").open("w") as log,
        subprocess.Popen(
            [python, "-m", "interop.peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=peer_environment(folder),
            text=True,
        ) as process,
    ):
        try:
            yield Peer(python, process, folder)
        finally:
            _pipe(process.stdin).close()
            process.wait(DEADLINE_S)


@dataclass(frozen=True, slots=True)
class Util:
    """The command line of pyCOMPS, logged in as the peer is."""

    python: str
    url: str
    #: Where its token is kept.
    home: Path

    def run(self, cwd: Path, *arguments: str, server: bool = True) -> subprocess.CompletedProcess[str]:
        """The ended command, which worked in `cwd`."""
        where = ["--comps-server", self.url] if server else []
        return subprocess.run(
            [self.python, "-m", "COMPS", *arguments, *where],
            cwd=cwd,
            env=peer_environment(self.home),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def lines(self, cwd: Path, *arguments: str) -> list[str]:
        """What a command that must succeed says, line by line."""
        done = self.run(cwd, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

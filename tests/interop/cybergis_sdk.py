"""The other side: the real cybergis-compute-client in a process and an interpreter of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from support.local_service import DEADLINE_S, record, text

__all__ = ["Answer", "Sdk", "interpreter", "started"]

_TESTS = Path(__file__).parents[1]
_PROBE = "import cybergis_compute_client"


def interpreter() -> str | None:
    """The interpreter that has the client: one that a variable names, else this one, else none."""
    for python in (os.environ.get("ACOMPS_CYBERGIS_PYTHON"), os.environ.get("ACOMPS_PYCOMPS_PYTHON"), sys.executable):
        if python and _imports(python):
            return python
    return None


def _imports(python: str) -> bool:
    command: Sequence[str] = (python, "-c", _PROBE)
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False, timeout=DEADLINE_S).returncode == 0
    return False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scenario has found, and what the client has printed meanwhile."""

    found: object
    said: str
    #: The text of the exception that the client has raised.
    error: str | None


class Sdk:
    """Asks the client to act out scenarios."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        #: Where it works and keeps its token.
        self.folder = folder
        self._process = process

    def ask(self, scenario: str, **arguments: object) -> Answer:
        """What becomes of the scenario."""
        to, back = _pipe(self._process.stdin), _pipe(self._process.stdout)
        to.write(json.dumps({"scenario": scenario, "arguments": arguments}) + "\n")
        to.flush()
        line = back.readline()
        if not line:
            raise AssertionError((self.folder.parent / "sdk.log").read_text()[-4_000:])
        answer = record(json.loads(line))
        error = answer.get("error")
        return Answer(answer.get("found"), text(answer, "said"), None if error is None else str(error))

    def do(self, scenario: str, **arguments: object) -> Answer:
        """What a scenario finds that must work."""
        answer = self.ask(scenario, **arguments)
        assert answer.error is None, answer.error
        return answer


def _pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None
    return end


@contextlib.contextmanager
def started(python: str, folder: Path) -> Generator[Sdk]:
    """A process that acts out scenarios, in a new folder below `folder`."""
    work = folder / "work"
    work.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "COMPS_"))}
    with (
        (folder / "sdk.log").open("w") as log,
        subprocess.Popen(
            [python, "-m", "interop.cybergis_peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=work,
            env={**kept, "PYTHONPATH": str(_TESTS), "PYTHONWARNINGS": "ignore", "HOME": str(folder), "TERM": "dumb"},
            text=True,
        ) as process,
    ):
        try:
            yield Sdk(process, work)
        finally:
            _pipe(process.stdin).close()
            process.wait(DEADLINE_S)

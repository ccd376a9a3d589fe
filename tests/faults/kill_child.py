"""A process that does jobs in children of its own, each of which may kill itself at a given moment (kill -9).

It imports everything once and forks before there is a thread or a loop, so a job costs little more than its work. One
JSON job per line of stdin, one JSON answer per line of stdout.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults.cancelling import cancelled_at, counting_tasks
from faults.killed_jobs import JOBS, Job
from support.terminal import HOMES

from acomps.cli import main

#: What the interpreter tells of file and socket calls, before they are made.
_HEARD = ("open", "os.", "socket.", "sqlite3.")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Audit:
    """Dies before the n-th call that touches a file or a socket, in whatever thread."""

    def __init__(self, at: int | None, act: Callable[[], None] = _die) -> None:
        self._act = act
        self._at, self._numbers, self.count = at, itertools.count(1), 0

    def __call__(self, event: str, _arguments: tuple[object, ...]) -> None:
        if event.startswith(_HEARD):
            # Without a lock: the call that kills is heard here too.
            self.count = next(self._numbers)
            if self.count == self._at:
                self._act()


async def _work(job: Job, moment: int | None) -> dict[str, object]:
    said: dict[str, object] = {}

    async def do() -> None:
        said.update(await JOBS[job["kind"]](job))

    with counting_tasks():
        said["steps"] = await cancelled_at(do, moment, kill=_die)
    return said


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _command(job: Job, words: list[str], answer: int) -> None:
    """A command of the terminal, during which Ctrl-C is pressed at the moments in `presses`."""
    os.environ |= dict.fromkeys(HOMES, job["folder"]) | {"COMPS_SERVER": job["url"]}
    os.chdir(job["folder"])
    screen = os.open("screen", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(screen, 1)
    os.dup2(screen, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    audits = [_Audit(moment, _interrupt) for moment in job.get("presses", [])] or [_Audit(None)]
    for audit in audits:
        sys.addaudithook(audit)
    sys.argv = ["acomps", *words]
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    # Pressed after the end, it would be somebody else's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(answer, json.dumps({"calls": audits[0].count}).encode())
    sys.stdout.flush()
    os._exit(int(str(code or 0)))


def _child(job: Job, answer: int) -> None:
    words = job.get("words")
    if words:
        _command(job, words, answer)
    by, moment = job["kill"] or ("step", None)
    audit = _Audit(moment if by == "call" else None)
    sys.addaudithook(audit)
    said = anyio.run(_work, job, moment if by == "step" else None)
    said["calls"] = audit.count
    os.write(answer, json.dumps(said).encode())


def _done(job: Job) -> dict[str, object]:
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(ours)
            _child(job, theirs)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"status": status, **(json.loads(said) if said else {})}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_done(json.loads(line))) + "\n")
        sys.stdout.flush()

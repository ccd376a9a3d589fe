"""Getting one commit of a git repository: no history, no hooks, no submodules, no questions, and not for ever."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

import anyio
import anyio.to_thread

from acomps.local.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["fetch_commit", "shown_url"]

#: Asking for the newest commit, and fetching it.
ASK_S: Final = 30.0
FETCH_S: Final = 300.0

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OPTIONS: Final = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "submodule.recurse=false"),
    *("-c", "gc.auto=0"),
    *("-c", "credential.helper="),
)
#: Nothing of this machine's configuration counts, and nobody is asked for a password.
_VARIABLES: Final = {
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_ASKPASS": "/bin/false",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20",
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS": "/bin/false",
}


async def fetch_commit(url: str, ref: str, into: Path, variables: Mapping[str, str]) -> str:
    """Bring the commit behind `ref` into the folder `into/<commit>`, unless it is there; the answer is its id.

    A Refused with 402 when that does not work.
    """
    surroundings = {**variables, **_VARIABLES}
    commit = ref if _COMMIT.fullmatch(ref) else await _newest(url, ref, surroundings)
    finished = into / commit
    if not await anyio.to_thread.run_sync(finished.is_dir):
        building = into / f".{uuid.uuid4().hex}"
        try:
            await _git(surroundings, FETCH_S, "init", "--quiet", "--template=", str(building))
            here = ("-C", str(building))
            how = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-commit-graph")
            await _git(surroundings, FETCH_S, *here, "fetch", *how, "--", url, commit if ref == commit else ref)
            await _git(surroundings, FETCH_S, *here, "checkout", "--quiet", "--detach", "FETCH_HEAD")
            commit = (await _git(surroundings, ASK_S, *here, "rev-parse", "HEAD")).strip()
            await anyio.to_thread.run_sync(_publish, building, into / commit)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(building, ignore_errors=True))
    return commit


def shown_url(url: str) -> str:
    """The address without the name and password that may be in it."""
    parts = urlsplit(url)
    if "@" not in parts.netloc or parts.scheme not in {"http", "https"}:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _publish(building: Path, finished: Path) -> None:
    shutil.rmtree(building / ".git")
    if not finished.exists():
        building.rename(finished)


async def _newest(url: str, ref: str, variables: Mapping[str, str]) -> str:
    answer = await _git(variables, ASK_S, "ls-remote", "--quiet", "--", url, ref)
    found = {name: commit for commit, _, name in (line.partition("\t") for line in answer.splitlines())}
    names = (ref, f"refs/heads/{ref}", f"refs/tags/{ref}", *found)
    commit = next((found[name] for name in names if name in found), "")
    if not _COMMIT.fullmatch(commit):
        raise Refused(402, f"{shown_url(url)} has no {ref}"[:400])
    return commit


async def _git(variables: Mapping[str, str], most_s: float, *arguments: str) -> str:
    try:
        with anyio.fail_after(most_s):
            done = await anyio.run_process(
                ["git", *_OPTIONS, *arguments], stdin=subprocess.DEVNULL, env=variables, check=False
            )
    except TimeoutError as exc:
        raise Refused(402, f"git did not end within {most_s:.0f} s") from exc
    except OSError as exc:
        raise Refused(402, f"git cannot be run: {exc}") from exc
    if done.returncode:
        # What git says may name the address with its password.
        raise Refused(402, f"git ended with code {done.returncode}")
    return done.stdout.decode("utf-8", "replace")

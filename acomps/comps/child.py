"""The local service as a child process: started, found, waited for, ended. It is only spoken to over its socket."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiofiles
import anyio
import anyio.to_thread
import orjson
import platformdirs

from acomps.errors import ExtraMissing, LocalServiceFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

__all__ = ["Service", "default_data_dir", "shared_service", "start_service"]

_START_S: Final = 30.0
_STOP_S: Final = 20.0
_LOOK_S: Final = 0.02
#: How long a service that a session has started goes on when nothing runs and nobody asks.
_IDLE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A local service that accepts connections."""

    url: str
    username: str
    password: str = field(repr=False)


def default_data_dir() -> Path:
    """Where the local service of this user keeps its data."""
    return Path(platformdirs.user_data_dir("acomps", appauthor=False)) / "local"


@asynccontextmanager
async def start_service(data_dir: Path, *, latency_ms: int = 0, options: Sequence[str] = ()) -> AsyncGenerator[Service]:
    """A service of one's own on a free port, with its data in `data_dir`; it ends with the block.

    It also ends when this process is killed, and never leaves a simulation running behind. `options` are more
    arguments of `acomps serve`.
    """
    with tempfile.TemporaryDirectory(prefix="acomps-") as folder:
        ready = Path(folder) / "ready.json"
        log = Path(folder) / "service.log"
        arguments = [
            *("--data-dir", str(data_dir), "--port", "0", "--ready-file", str(ready), "--latency-ms", str(latency_ms)),
            "--stop-with-stdin",
            *options,
        ]
        process = await anyio.to_thread.run_sync(_launch, arguments, log, True)
        try:
            yield await _ready(process, ready, log)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_end, process)


@asynccontextmanager
async def shared_service(data_dir: Path) -> AsyncGenerator[Service]:
    """The service that works on `data_dir`: the one that is running, or else a new one.

    A new one outlives this session, so that what was commissioned goes on; it ends by itself when nothing runs and
    nobody has asked for a minute.
    """
    known = data_dir / "service.json"
    service = await _answering(known)
    if service is None:
        await anyio.to_thread.run_sync(lambda: data_dir.mkdir(parents=True, exist_ok=True))
        log = data_dir / "service.log"
        arguments = ["--data-dir", str(data_dir), "--port", "0", "--stop-when-idle", str(_IDLE_S)]
        process = await anyio.to_thread.run_sync(_launch, arguments, log, False)
        service = await _ready(process, known, log)
    yield service


def _launch(arguments: Sequence[str], log: Path, ends_with_us: bool) -> subprocess.Popen[bytes]:
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("sqlalchemy") is None:
        raise ExtraMissing("the local service", "local")
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own program, and arguments that no shell sees
            [sys.executable, "-m", "acomps.local", *arguments],
            stdin=subprocess.PIPE if ends_with_us else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C belongs to the program that started the service, which then ends it in good order.
            start_new_session=True,
        )


async def _ready(process: subprocess.Popen[bytes], ready: Path, log: Path) -> Service:
    """The service, as soon as it accepts connections, or the reason why it does not."""
    with anyio.move_on_after(_START_S):
        while process.poll() is None:
            service = await _answering(ready)
            if service is not None:
                return service
            await anyio.sleep(_LOOK_S)
        # Another program may have been quicker to start the one service of this folder.
        service = await _answering(ready)
        if service is not None:
            return service
    await anyio.to_thread.run_sync(_end, process)
    async with aiofiles.open(log, errors="replace") as handle:
        said = (await handle.read()).strip().splitlines()[-3:]
    state = f"ended with code {process.returncode}" if process.returncode else f"was not ready in {_START_S:.0f} s"
    raise LocalServiceFailed(f"the local service {state}: {' / '.join(said) or 'it said nothing'} (its log is {log})")


async def _answering(ready: Path) -> Service | None:
    """The service that `ready` tells of, if something accepts connections there."""
    try:
        async with aiofiles.open(ready, "rb") as handle:
            facts = orjson.loads(await handle.read())
        # A service with users of its own has no password to tell.
        username, password = facts.get("username", ""), facts.get("password", "")
        service = Service(url=facts["url"], username=username, password=password)
        host, _, port = service.url.rpartition("/")[2].rpartition(":")
        async with await anyio.connect_tcp(host, int(port)):
            return service
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the service to end, and make it end if it does not."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""Running the service as a process: its socket, its lock, its ready file, its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Final

import orjson
import sniffio
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from acomps.local.accounts.people import OnlyUser
from acomps.local.app import Service
from acomps.local.errors import CannotServe
from acomps.local.heads import BoundedHeads
from acomps.local.keys import private_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from acomps.local.core import Core
    from acomps.local.settings import ServiceSettings

__all__ = ["SERVICE_FILE", "serve"]

_log = logging.getLogger("acomps.local")

#: In the data folder, while a service runs on it: its address, user name, password and process number.
SERVICE_FILE: Final = "service.json"

BACKLOG: Final = 2_048
KEEP_ALIVE_S: Final = 120
#: Answers that are under way when the service is asked to end have this long.
FINISH_S: Final = 5
LOOK_FOR_IDLE_EVERY_S: Final = 0.1
#: Rows become many short-lived objects without cycles: looking for cycles at Python's usual pace costs a quarter.
COLLECT_AFTER: Final = (50_000, 10, 100)


def serve(
    settings: ServiceSettings,
    *,
    ready_file: Path | None = None,
    on_ready: Callable[[str], None] | None = None,
    stop_when_idle_s: float | None = None,
    stop_with_stdin: bool = False,
) -> None:
    """Run the service until SIGINT or SIGTERM; CannotServe when it cannot start.

    `ready_file` and `service.json` in the data folder are written when connections are accepted: JSON with url,
    username and password (and pid), readable by the owner only; `on_ready` is called with the url then. Both files
    are removed at the end. `stop_when_idle_s` ends the service after so many seconds with nothing queued or running
    and no request; `stop_with_stdin` ends it when its standard input is closed, so that it does not outlive the
    process that started it.
    """
    if sys.platform == "win32":
        raise CannotServe("the local service runs simulations as POSIX processes: use it on Linux, macOS or WSL")
    settings.require_loopback()
    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise CannotServe(f"the ready file {ready_file} cannot be written: its folder does not exist")
    with _owned(settings.data_dir), _listening(settings) as listener:
        service = _open(settings, listener)
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        files = _ReadyFiles(service.core, listener, ready_file, on_ready)
        server = _Server(
            uvicorn.Config(
                service.app,
                http=BoundedHeads,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=FINISH_S,
                backlog=BACKLOG,
                ssl_certfile=settings.tls_certificate,
                ssl_keyfile=settings.tls_key,
            ),
            files.write,
        )
        server.server_state = service.core.traffic
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(_run(server, listener, service, stop_when_idle_s, stop_with_stdin=stop_with_stdin))
        finally:
            files.remove()


def _new_loop() -> asyncio.AbstractEventLoop:
    """A quick loop where there is one (extra: speed)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _open(settings: ServiceSettings, listener: socket.socket) -> Service:
    try:
        return Service(settings, url=_url_here(listener, settings))
    except (OSError, SQLAlchemyError) as exc:
        raise CannotServe(f"cannot use the data folder {settings.data_dir}: {exc}") from exc


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it accepts connections and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn would raise the signal again at the end and so skip what is left to tidy up.
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        for number in numbers:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """End soon, in good order."""
        self.should_exit = True


async def _run(
    server: _Server,
    listener: socket.socket,
    service: Service,
    stop_when_idle_s: float | None,
    *,
    stop_with_stdin: bool,
) -> None:
    # For all that happens here: else each step of anyio would look for the running task to learn what loop this is.
    sniffio.current_async_library_cvar.set("asyncio")
    if stop_with_stdin:
        _watch_stdin(asyncio.get_running_loop(), server.stop)
    async with asyncio.TaskGroup() as group:
        watcher = None
        if stop_when_idle_s is not None:
            watcher = group.create_task(_watch_idle(server, service, stop_when_idle_s))
        await server.serve(sockets=[listener])
        if watcher is not None:
            watcher.cancel()


async def _watch_idle(server: _Server, service: Service, idle_s: float) -> None:
    while service.idle_s() < idle_s:  # noqa: ASYNC110 - quiet is the absence of events
        await asyncio.sleep(LOOK_FOR_IDLE_EVERY_S)
    server.stop()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop)

    # A daemon: it may wait for ever, and must not keep the process from ending.
    threading.Thread(target=watch, name="stdin", daemon=True).start()


@contextlib.contextmanager
def _listening(settings: ServiceSettings) -> Generator[socket.socket]:
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is given: else small answers wait for 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, settings.port))
            listener.listen(BACKLOG)
        except OSError as exc:
            raise CannotServe(f"cannot listen on {host} port {settings.port}: {exc.strerror or exc}") from exc
        yield listener


@contextlib.contextmanager
def _owned(data_dir: Path) -> Generator[None]:
    """The data folder belongs to one service at a time; the lock goes with the process, however it ends."""
    import fcntl  # POSIX only, as the executors are; importing this module must work everywhere.

    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise CannotServe(f"cannot use the data folder {data_dir}: {exc.strerror or exc}") from exc
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise CannotServe(
                f"the data folder {data_dir} is in use by the service with process number {holder}: "
                "stop that one or choose another folder"
            ) from exc
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _url_of(listener: socket.socket, settings: ServiceSettings) -> str:
    """Where the service is."""
    host, port = listener.getsockname()[:2]
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _url_here(listener: socket.socket, settings: ServiceSettings) -> str:
    """Where processes of this machine reach it: an address that stands for all of them is none to go to."""
    return _url_of(listener, settings).replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


class _ReadyFiles:
    """The files that tell clients where the service is and how to log in."""

    def __init__(
        self,
        core: Core,
        listener: socket.socket,
        ready_file: Path | None,
        on_ready: Callable[[str], None] | None,
    ) -> None:
        self._url = _url_of(listener, core.settings)
        self._on_ready = on_ready
        people = core.access.people
        # With users, each of them has a password that only they know.
        credentials = (
            {"username": people.all()[0].name, "password": people.secret} if isinstance(people, OnlyUser) else {}
        )
        self._content = orjson.dumps(
            {
                "url": self._url,
                **credentials,
                "pid": os.getpid(),
            }
        )
        self._paths = [core.settings.data_dir / SERVICE_FILE]
        if ready_file is not None:
            self._paths.append(ready_file.absolute())

    def write(self) -> None:
        """Connections are accepted from now on."""
        for path in self._paths:
            private_file(path, self._content)
        if self._on_ready is not None:
            self._on_ready(self._url)

    def remove(self) -> None:
        """The service has ended."""
        for path in self._paths:
            path.unlink(missing_ok=True)

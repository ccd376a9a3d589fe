"""`python -m benchmarks.transport [--requests N] [--rounds N]`: what one small request costs, by each transport.

GETs of 20 kB, 64 at once, from a cheap server in a process of its own; each way in turn, in a fresh process. `call` is
what the gateways use, on this project's own transports; `raw` is hand-written HTTP on asyncio's streams. With uvloop
installed, `--uvloop` measures on that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, Literal

import httpx
import orjson

from acomps.settings import Settings
from acomps.transport import Address, Channel, Credentials, GivenCredentials, Replay
from acomps.transport.lanes import LaneTransport
from acomps.transport.lean import LeanTransport
from acomps.transport.tls import empty_context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["main"]

_AT_ONCE: Final = 64
_BYTES: Final = 20_000
_PATH: Final = "/asset/x"
_TOKEN: Final = "1,Auth,me,127.0.0.1,h,local,2099-01-01-00-00-00,2031-01-01-00-00-00,s,l,,a@b,E,G,x"
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: cheap\r\nContent-Type: application/json\r\n"
    b"X-COMPS-Token: " + _TOKEN.encode() + b"\r\nContent-Length: %d\r\n\r\n" % _BYTES + b"x" * _BYTES
)


class CheapServer(asyncio.Protocol):
    """Answers every head that arrives with the same bytes, and looks at nothing in it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        """Count heads; a login's body has no empty line in it."""
        pending = self._pending + data
        heads = pending.count(b"\r\n\r\n")
        if heads:
            self._pending = b""
            self._transport.write(_ANSWER * heads)
        else:
            self._pending = pending


async def serve() -> None:
    """Listen on a free port, say which, and answer until stdin ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(CheapServer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextlib.asynccontextmanager
async def on_transport(transport: httpx.AsyncBaseTransport, url: str) -> AsyncGenerator[Callable[[], Awaitable[int]]]:
    """An httpx client on one of our transports."""
    async with httpx.AsyncClient(transport=transport, timeout=60) as client:

        async def get() -> int:
            return len((await client.get(url)).content)

        yield get


@contextlib.asynccontextmanager
async def on_channel(kind: Literal["lanes", "lean"], url: str) -> AsyncGenerator[Callable[[], Awaitable[int]]]:
    """The channel that the gateways use."""
    prompt = GivenCredentials(Credentials("me", "secret"))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(transport=kind, token_cache_dir=Path(folder), reads_at_once=_AT_ONCE)
        async with Channel(Address.parse(url.removesuffix(_PATH)), settings, prompt) as channel:

            async def get() -> int:
                answer = await channel.call("GET", _PATH, operation="get x", replay=Replay.SAFE)
                return len(answer.content)

            yield get


@contextlib.asynccontextmanager
async def on_aiohttp(url: str) -> AsyncGenerator[Callable[[], Awaitable[int]]]:
    """Plain aiohttp."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:

        async def get() -> int:
            async with session.get(url) as response:
                return len(await response.read())

        yield get


@contextlib.asynccontextmanager
async def on_streams(url: str) -> AsyncGenerator[Callable[[], Awaitable[int]]]:
    """asyncio's streams: the floor for what reads line by line."""
    _, _, authority = url.removesuffix(_PATH).rpartition("/")
    host, _, port = authority.partition(":")
    request = f"GET {_PATH} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get() -> int:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(host, int(port))
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.rpartition(b"Content-Length: ")[2])
        body = await reader.readexactly(length)
        idle.append((reader, writer))
        return len(body)

    yield get
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()


def ways(url: str) -> dict[str, Callable[[], contextlib.AbstractAsyncContextManager[Callable[[], Awaitable[int]]]]]:
    """Every way, in the order of the table."""
    context = empty_context()
    return {
        "lanes, httpx client": lambda: on_transport(LaneTransport(_AT_ONCE // 4, 4, context), url),
        "lean, httpx client": lambda: on_transport(LeanTransport(_AT_ONCE, context), url),
        "lanes, call": lambda: on_channel("lanes", url),
        "lean, call": lambda: on_channel("lean", url),
        "aiohttp": lambda: on_aiohttp(url),
        "raw streams": lambda: on_streams(url),
    }


async def measure(way: str, url: str, requests: int) -> tuple[float, float]:
    """Wall and CPU microseconds per request; connections are made before."""
    async with ways(url)[way]() as get:

        async def worker(turns: int) -> None:
            for _ in range(turns):
                if await get() != _BYTES:
                    raise RuntimeError(f"{way}: a wrong answer")

        async def all_at_once(turns: int) -> None:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_AT_ONCE):
                    tasks.create_task(worker(turns))

        await all_at_once(2)
        turns = -(-requests // _AT_ONCE)
        wall, cpu = time.perf_counter(), time.process_time()
        await all_at_once(turns)
        scale = 1e6 / (turns * _AT_ONCE)
        return (time.perf_counter() - wall) * scale, (time.process_time() - cpu) * scale


def runner(chosen: argparse.Namespace) -> asyncio.Runner:
    """asyncio's loop, or uvloop's."""
    if chosen.uvloop:
        import uvloop

        return asyncio.Runner(loop_factory=uvloop.new_event_loop)
    return asyncio.Runner()


def compare(chosen: argparse.Namespace) -> None:
    """All rounds of all ways, in turn, and the table."""
    command = [sys.executable, "-m", "benchmarks.transport"]
    flags = ["--requests", str(chosen.requests), *(["--uvloop"] if chosen.uvloop else [])]
    server = subprocess.Popen([*command, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}{_PATH}"
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways(url)}
        for _ in range(chosen.rounds):
            for way, results in found.items():
                job = [*command, *flags, "--way", way, "--url", url]
                results.append(orjson.loads(subprocess.run(job, stdout=subprocess.PIPE, check=True).stdout))
    print(f"{'':<22}{'wall us':>9}{'CPU us':>9}   per request, medians of {chosen.rounds}")
    for way, results in found.items():
        print(f"{way:<22}{median(one[0] for one in results):>9.0f}{median(one[1] for one in results):>9.0f}")


def main() -> int:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transport", description=__doc__)
    parser.add_argument("--requests", type=int, default=6_400, help="of each run (6400)")
    parser.add_argument("--rounds", type=int, default=5, help="the table has their medians (5)")
    parser.add_argument("--uvloop", action="store_true", help="run the clients on uvloop")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(serve())
    elif chosen.way:
        with runner(chosen) as loop:
            sys.stdout.buffer.write(orjson.dumps(loop.run(measure(chosen.way, chosen.url, chosen.requests))))
    else:
        compare(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())

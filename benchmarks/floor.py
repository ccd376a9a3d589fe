"""The floor: the requests that acomps made for a workload, sent again by nothing but asyncio's streams.

A proxy records what each connection carried; then `python -m benchmarks.floor` sends the same on as many connections
and throws the answers away. No client that makes these requests in Python can need less.
"""

from __future__ import annotations

import asyncio
import pickle
import re
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

from benchmarks.pycomps_peer import cpu_s, peak_mib

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from acomps.comps.child import Service

__all__ = ["Recording", "recorded", "recording", "send_again"]

#: The requests of each connection, in order.
Recording: TypeAlias = list[list[bytes]]

_BLOCK_BYTES: Final = 256 * 1024
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)


@asynccontextmanager
async def recording(service: Service) -> AsyncGenerator[tuple[Service, Recording]]:
    """The service behind a proxy, and what will have gone through it."""
    host, _, port = service.url.rpartition("/")[2].rpartition(":")
    streams: Recording = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: list[bytes] | None) -> None:
        while data := await reader.read(_BLOCK_BYTES):
            if kept is not None:
                kept.append(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept: list[bytes] = []
        streams.append(kept)
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, up_writer, kept), pump(up_reader, writer, None), return_exceptions=True)

    async with await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1_024) as server:
        yield replace(service, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), streams


def recorded(streams: Recording) -> Recording:
    """The recording with one element per request, without connections that carried none."""
    return [requests for stream in streams if (requests := _requests(b"".join(stream)))]


def _requests(stream: bytes) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while (head_end := stream.find(b"\r\n\r\n", at)) >= 0:
        head = stream[at : head_end + 4]
        if _CHUNKED.search(head):
            end = stream.index(b"\r\n0\r\n\r\n", head_end) + 7
        else:
            length = _LENGTH.search(head)
            end = head_end + 4 + (int(length[1]) if length else 0)
        found.append(stream[at:end])
        at = end
    return found


async def send_again(host: str, port: int, connections: Recording) -> None:
    """Send all of it, each connection's requests one after the other; an answer that refuses ends everything."""

    async def one(requests: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(host, port, limit=_BLOCK_BYTES)
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if head[9:10] != b"2":
                raise RuntimeError(head.decode("latin-1"))
            await _skip_body(reader, head)
        writer.close()

    async with asyncio.TaskGroup() as group:
        for requests in connections:
            group.create_task(one(requests))


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> None:
    length = _LENGTH.search(head)
    if length is not None:
        await _skip(reader, int(length[1]))
    elif _CHUNKED.search(head):
        while size := int(await reader.readline(), 16):
            await _skip(reader, size + 2)
        await reader.readline()


async def _skip(reader: asyncio.StreamReader, length: int) -> None:
    while length:
        got = await reader.read(min(length, _BLOCK_BYTES))
        if not got:
            raise EOFError("the service closed the connection")
        length -= len(got)


def main() -> None:
    """Send the recording of the job again, and say what it cost."""
    job: dict[str, str] = orjson.loads(sys.stdin.buffer.read())
    connections: Recording = pickle.loads(Path(job["recording"]).read_bytes())
    host, _, port = job["url"].rpartition("/")[2].rpartition(":")
    wall, cpu = time.perf_counter(), cpu_s()
    asyncio.run(send_again(host, int(port), connections))
    cost = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu, "peak_mib": peak_mib()}
    sys.stdout.buffer.write(b"\n" + orjson.dumps(cost))


if __name__ == "__main__":
    main()

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from support.transport_server import Drop, Hold, Reply, ScriptedServer, Truncated

from acomps.transport.lanes import LaneTransport
from acomps.transport.tls import empty_context


def lanes_of(lanes: int, per_lane: int) -> LaneTransport:
    return LaneTransport(lanes, per_lane, empty_context())


@asynccontextmanager
async def client_on(lanes: int, per_lane: int) -> AsyncGenerator[tuple[LaneTransport, httpx.AsyncClient]]:
    transport = lanes_of(lanes, per_lane)
    async with httpx.AsyncClient(transport=transport) as client:
        yield transport, client


def request(server: ScriptedServer) -> httpx.Request:
    headers = {"Host": "x", "X-COMPS-Token": server.issue()}
    times = {"connect": 10, "read": 10, "write": 10, "pool": 5}
    return httpx.Request("GET", f"{server.url}/x", headers=headers, extensions={"timeout": times})


async def test_a_lane_is_busy_until_the_answer_is_closed() -> None:
    async with ScriptedServer() as server, lanes_of(2, 1) as lanes:
        response = await lanes.handle_async_request(request(server))
        assert lanes.busy == 1
        assert isinstance(response.stream, httpx.AsyncByteStream)
        assert [piece async for piece in response.stream] == [b"{}"]
        assert lanes.busy == 1
        await response.aclose()
        await response.aclose()
        assert lanes.busy == 0


async def test_requests_go_to_the_least_busy_lane_and_one_after_another_share_a_connection() -> None:
    async with ScriptedServer() as server, client_on(4, 1) as (lanes, client):
        for _ in range(5):
            await client.send(request(server))
        assert server.connections == 1
        go = asyncio.Event()
        server.script.extend([Hold(go)] * 4)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(client.send(request(server)))
            await server.arrived(9)
            assert (lanes.busy, server.connections) == (4, 4)
            go.set()
        for _ in range(5):
            await client.send(request(server))
        assert (lanes.busy, server.connections) == (0, 4)


@pytest.mark.parametrize("instruction", [Drop(), Truncated(b"x" * 100, 50), Reply(500)])
async def test_a_lane_is_free_again_after_a_failure(instruction: Drop | Truncated | Reply) -> None:
    async with ScriptedServer(instruction) as server, client_on(1, 1) as (lanes, client):
        with contextlib.suppress(httpx.TransportError):
            await client.send(request(server))
        assert lanes.busy == 0
        assert (await client.send(request(server))).status_code == 200


async def test_a_cancelled_request_frees_its_lane_and_closes_its_connection() -> None:
    never = asyncio.Event()
    async with ScriptedServer(Hold(never)) as server, client_on(1, 1) as (lanes, client):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.send, request(server))
                await server.arrived(1)
                scope.cancel()
        assert lanes.busy == 0
        await server.all_closed()
        assert (await client.send(request(server))).status_code == 200


async def test_no_moment_of_cancellation_costs_a_connection() -> None:
    """The task is cancelled at each of its first sixty steps; its only connection must always be usable again."""
    async with ScriptedServer() as server, client_on(1, 1) as (lanes, client):
        for steps in range(60):
            task = asyncio.create_task(client.send(request(server)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            assert lanes.busy == 0
            async with asyncio.timeout(10):
                assert (await client.send(request(server))).status_code == 200


async def test_a_lane_with_a_cancelled_request_finishes_its_other_requests() -> None:
    go, never = asyncio.Event(), asyncio.Event()
    async with ScriptedServer(Hold(go), Hold(never)) as server, client_on(1, 2) as (lanes, client):
        first = asyncio.create_task(client.send(request(server)))
        await server.arrived(1)
        second = asyncio.create_task(client.send(request(server)))
        await server.arrived(2)
        second.cancel()
        await asyncio.wait({second})
        assert lanes.busy == 1
        assert (await client.send(request(server))).status_code == 200
        go.set()
        assert (await first).status_code == 200
        assert lanes.busy == 0

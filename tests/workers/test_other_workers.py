"""Workers that whoever runs the service adds to it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
from sqlalchemy import insert
from support.local_service import md5

from acomps.entities.states import WorkItemState
from acomps.local.app import Service
from acomps.local.errors import Refused
from acomps.local.records import schema
from acomps.local.settings import ServiceSettings
from acomps.local.workers import Item, Outcome, WorkerKey

WAITING, SUCCEEDED = WorkItemState.WAITING, WorkItemState.SUCCEEDED


class Requester:
    """Finds out while it works that another work item has to be done first, and lets its own wait for that."""

    def __init__(self) -> None:
        self.service: Service | None = None
        self.calls: list[str] = []
        self.needs = ""

    @property
    def key(self) -> WorkerKey:
        return WorkerKey("Requester", "2.0")

    def check(self, item: Item) -> None:
        if item.name == "refused":
            raise Refused(400, "not this one")

    async def work(self, item: Item) -> Outcome:
        self.calls.append(item.id)
        if item.name == "broken":
            raise RuntimeError("a mistake in the worker")
        if len(self.calls) > 1:
            return Outcome(state=SUCCEEDED)
        (item.directory / "first.txt").write_text("kept")
        if item.name == "for nothing":
            return Outcome(state=WAITING)
        assert self.service is not None
        row = {"work_item_id": item.id, "relation": "DependsOn", "object_id": self.needs, "object_type": "WorkItem"}
        with self.service.core.database.writing() as connection:
            connection.execute(insert(schema.relations), [row])
        return Outcome(state=WAITING)

    def forget(self, item_id: str) -> None:
        pass


@asynccontextmanager
async def serving(folder: Path, worker: Requester) -> AsyncGenerator[httpx.AsyncClient]:
    """The service in this process, with one more worker."""
    service = Service(ServiceSettings(data_dir=folder), workers=[worker])
    worker.service = service
    transport = httpx.ASGITransport(service.app)
    async with (
        service.router.lifespan_context(service.router),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        client.headers["X-COMPS-Token"] = service.core.access.token(service.core.access.people.all()[0].name)
        yield client


async def commissioned(client: httpx.AsyncClient, name: str, worker: str, version: str, command: str = "") -> str:
    order = json.dumps({"Execution": {"Command": command}}).encode()
    document = {
        "Name": name,
        "Worker": {"name": worker, "version": version},
        "EnvironmentName": "Local",
        "Files": [{"FileName": "WorkOrder.json", "FileType": "WorkOrder", "MD5Checksum": md5(order)}],
    }
    parts = {
        "not_a_file": ("WorkItems", json.dumps([document]).encode(), "application/json"),
        md5(order): ("WorkOrder.json", order, "application/json"),
    }
    answer = await client.post("/api/WorkItems", files=parts)
    item: str = answer.json()["Ids"][0]
    if worker == "Requester":
        await commission(client, item)
    return item


async def commission(client: httpx.AsyncClient, item: str) -> None:
    assert (await client.put(f"/api/WorkItems/{item}/State/CommissionRequested")).status_code == 200


async def until_state(client: httpx.AsyncClient, item: str, state: str) -> str:
    """The item's message, once it is in that state."""
    with anyio.fail_after(30):
        while True:
            found = (await client.get(f"/api/WorkItems/{item}")).json()["WorkItems"][0]
            if found["State"] == state:
                return str(found.get("ErrorMessage", ""))
            await anyio.sleep(0.02)


async def test_a_worker_can_let_its_item_wait_and_gets_it_back(tmp_path: Path) -> None:
    worker = Requester()
    async with serving(tmp_path / "data", worker) as client:
        worker.needs = await commissioned(client, "needed", "DockerWorker", "1.0.0.0_RELEASE", "true")
        item = await commissioned(client, "item", "Requester", "2.0")
        assert await until_state(client, item, "Waiting") == f"waits for work item {worker.needs}"
        assert worker.calls == [item]
        await commission(client, worker.needs)
        await until_state(client, item, "Succeeded")
        assert worker.calls == [item, item]


async def test_an_item_that_waits_for_nothing_comes_back_as_it_was(tmp_path: Path) -> None:
    worker = Requester()
    async with serving(tmp_path / "data", worker) as client:
        item = await commissioned(client, "for nothing", "Requester", "2.0")
        await until_state(client, item, "Succeeded")
        assert worker.calls == [item, item]
        found = (await client.get(f"/api/WorkItems/{item}")).json()["WorkItems"][0]
        assert (Path(found["WorkingDirectory"]) / "first.txt").read_text() == "kept"


async def test_what_a_worker_refuses_or_breaks_on_has_failed(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", Requester()) as client:
        refused = await commissioned(client, "refused", "Requester", "2.0")
        assert await until_state(client, refused, "Failed") == "not this one"
        broken = await commissioned(client, "broken", "Requester", "2.0")
        assert "its log has the reason" in await until_state(client, broken, "Failed")
        other = await commissioned(client, "other", "Requester", "3.0")
        with anyio.fail_after(30):
            while "Requester 2.0" not in await until_state(client, other, "CommissionRequested"):
                await anyio.sleep(0.02)

"""Every public call is cancelled at each of its suspensions; the session goes on, and nothing is left over."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import anyio
import pytest
import pytest_asyncio
from faults.bench import MIB, World, unfinished
from faults.cancelling import Call, cancelled_at, counting_tasks
from faults.surface import public_coroutines
from support.runs import ended, script, shell_experiment

import acomps
from acomps.comps.resource import Resource, Runnable
from acomps.comps.session import Session
from acomps.entities import RelationType
from acomps.entities.record import Record
from acomps.streams import opened_in_thread
from acomps.transfer import measured
from acomps.transport import Address, Channel, Credentials, GivenCredentials
from acomps.transport.lean import LeanTransport

#: Of a call with more suspensions, so many are chosen.
MOST = 40


@dataclass(frozen=True, kw_only=True)
class Things:
    """A session of their own, and what calls are about."""

    session: Session
    channel: Channel
    world: World
    folder: Path
    suite: acomps.Suite
    collection: acomps.AssetCollection
    work_item: acomps.WorkItem
    simulation: acomps.Simulation
    output: acomps.OutputFile
    failed: acomps.Experiment
    source: Path

    def query(self) -> acomps.Query:
        return acomps.Query().where(experiment_id=self.world.experiment.saved_id)

    def fresh(self) -> Path:
        """A path where nothing is."""
        return self.folder / uuid.uuid4().hex

    def content(self) -> bytes:
        """A content that nobody has sent before."""
        return uuid.uuid4().bytes * (MIB // 8)

    def simulations(self, count: int = 25) -> Iterator[acomps.Simulation]:
        file = acomps.SimulationFile(file_name="config.json", content=uuid.uuid4().bytes)
        return (acomps.Simulation(name=f"{number}", files=(file,)) for number in range(count))

    async def nothing_is_left(self, before: set[asyncio.Task[object]], what: str) -> None:
        """No task, no busy connection, no place that is not given back, no unfinished file."""
        with anyio.move_on_after(10):
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0)
        assert not asyncio.all_tasks() - before, f"{what}: tasks are left over"
        assert self.transport.busy == 0, f"{what}: a connection is busy"
        reads = self.channel._reads  # pyright: ignore[reportPrivateUsage]
        writes = self.channel._writes  # pyright: ignore[reportPrivateUsage]
        assert reads.value == self.channel.settings.reads_at_once, f"{what}: a place for reads is lost"
        assert writes.value >= self.channel.settings.reads_at_once, f"{what}: a place for writes is lost"
        with anyio.move_on_after(10):
            while unfinished(self.folder):
                await asyncio.sleep(0.001)
        assert not unfinished(self.folder), f"{what}: an unfinished file is left"

    @property
    def transport(self) -> LeanTransport:
        client = self.channel._client  # pyright: ignore[reportPrivateUsage] - only it knows its connections
        transport = client._transport  # pyright: ignore[reportPrivateUsage]
        assert isinstance(transport, LeanTransport)
        return transport

    def open_files(self) -> int:
        """What this process has open, but for the connections that are kept for the next requests."""
        return len(os.listdir("/proc/self/fd")) - self.transport.idle

    def item(self) -> acomps.WorkItem:
        return acomps.WorkItem(name="x", worker=acomps.Worker("Nobody", "1"), environment_name="Local")


@pytest_asyncio.fixture(scope="session")
async def things(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Things]:
    folder = tmp_path_factory.mktemp("cancelled")
    comps = world.comps
    assets = tuple(acomps.AssetCollectionFile(file_name=f"{n}", content=uuid.uuid4().bytes * 99) for n in range(3))
    simulation = await comps.simulations.get(next(iter(world.ran)))
    settings = acomps.Settings(
        token_cache_dir=folder,
        hash_cache_dir=folder / "hashes",
        page_size=4,
        batch_entities=10,
        range_from_bytes=MIB,
        range_bytes=MIB,
    )
    prompt = GivenCredentials(Credentials(world.service.username, world.service.password))
    async with Channel(Address.parse(world.service.url), settings, prompt) as channel:
        failed = await shell_experiment(comps, "failed")
        await comps.simulations.save(script(failed, "exit 3"))
        await comps.experiments.commission(failed)
        await ended(comps, failed)
        source = folder / "source"
        source.mkdir()
        for number in range(3):
            (source / f"{number}.txt").write_text(uuid.uuid4().hex)
        yield Things(
            failed=failed,
            source=source,
            session=Session(channel, settings),
            channel=channel,
            world=world,
            folder=folder,
            suite=await comps.suites.save(acomps.Suite(name="cancelled")),
            collection=await comps.asset_collections.save(acomps.AssetCollection(assets=assets)),
            work_item=await comps.work_items.save(
                acomps.WorkItem(name="x", worker=acomps.Worker("Nobody", "1"), environment_name="Local")
            ),
            simulation=simulation,
            output=next(one for one in await comps.outputs.list(simulation) if one.length > MIB),
        )


Room = Literal["suites", "experiments", "simulations", "work_items", "asset_collections"]


def _entity(things: Things, room: Room) -> Record:
    found: dict[Room, Record] = {
        "suites": things.suite,
        "experiments": things.world.experiment,
        "simulations": things.simulation,
        "work_items": things.work_item,
        "asset_collections": things.collection,
    }
    return found[room]


def _verbs(room: Room) -> dict[str, Callable[[Things], Call]]:
    """The verbs that all entities have."""

    def resource(things: Things) -> Resource[Record]:
        found: Resource[Record] = getattr(things.session, room)
        return found

    def some() -> acomps.Query:
        return acomps.Query().limit(6)

    return {
        f"{room}.count": lambda things: resource(things).count(),
        f"{room}.get": lambda things: resource(things).get(_entity(things, room)),
        f"{room}.iterate": lambda things: resource(things).iterate(some()),
        f"{room}.list": lambda things: resource(things).list(some()),
        f"{room}.refresh": lambda things: resource(things).refresh(_entity(things, room)),
        f"{room}.set_tags": lambda things: resource(things).set_tags(_entity(things, room), {"a": 1}),
        f"{room}.merge_tags": lambda things: resource(things).merge_tags(_entity(things, room), {"b": 2}),
        f"{room}.delete_tags": lambda things: resource(things).delete_tags(_entity(things, room), "b"),
    }


def _states(room: Room) -> dict[str, Callable[[Things], Call]]:
    """The verbs of what can run."""

    def resource(things: Things) -> Runnable[Record]:
        found: Runnable[Record] = getattr(things.session, room)
        return found

    return {
        f"{room}.commission": lambda things: resource(things).commission(uuid.uuid4()),
        f"{room}.cancel": lambda things: resource(things).cancel(uuid.uuid4()),
        f"{room}.delete": lambda things: resource(things).delete(uuid.uuid4(), expire_now=True),
    }


#: Every public call, with something to do.
CALLS: dict[str, Callable[[Things], Call]] = {
    **_verbs("suites"),
    **_verbs("experiments"),
    **_verbs("simulations"),
    **_verbs("work_items"),
    **_verbs("asset_collections"),
    **_states("suites"),
    **_states("experiments"),
    **_states("simulations"),
    **_states("work_items"),
    "session.clone": lambda things: things.session.clone(things.simulation, experiment=things.failed),
    "session.finished": lambda things: things.session.finished(things.world.experiment),
    "session.harvest": lambda things: things.session.harvest(things.world.experiment, "output/*", into=things.fresh()),
    "session.login_ends": lambda things: things.session.login_ends(),
    "session.logout": lambda things: things.session.logout(),
    "session.rerun_failed": lambda things: things.session.rerun_failed(things.failed, commission=False),
    "session.user": lambda things: things.session.user(),
    "session.wait": lambda things: things.session.wait(things.world.experiment),
    "session.watch": lambda things: things.session.watch(things.world.experiment),
    "uploads.store": lambda things: things.session.uploads.store([measured(things.content())]),
    "uploads.upload": lambda things: things.session.uploads.upload(things.content()),
    "uploads.upload_many": lambda things: things.session.uploads.upload_many([things.content(), b"x"]),
    "suites.save": lambda things: things.session.suites.save(acomps.Suite(name="x")),
    "suites.save_all": lambda things: things.session.suites.save_all([acomps.Suite(name="x")] * 2),
    "experiments.of": lambda things: things.session.experiments.of(things.suite),
    "experiments.save": lambda things: things.session.experiments.save(acomps.Experiment(name="x")),
    "experiments.save_all": lambda things: things.session.experiments.save_all([acomps.Experiment(name="x")] * 2),
    "asset_collections.download_all": lambda things: things.session.asset_collections.download_all(
        things.collection, things.fresh()
    ),
    "asset_collections.fetch": lambda things: things.session.asset_collections.fetch(
        things.collection, "1", things.fresh()
    ),
    "asset_collections.from_directory": lambda things: things.session.asset_collections.from_directory(things.source),
    "asset_collections.save": lambda things: things.session.asset_collections.save(
        acomps.AssetCollection(assets=(acomps.AssetCollectionFile(file_name="x", content=things.content()),))
    ),
    "asset_collections.zip": lambda things: things.session.asset_collections.zip(things.collection, things.fresh()),
    "simulations.count_by_state": lambda things: things.session.simulations.count_by_state(things.world.experiment),
    "simulations.of": lambda things: things.session.simulations.of(things.world.experiment),
    "simulations.save": lambda things: things.session.simulations.save(next(things.simulations())),
    "simulations.save_all": lambda things: things.session.simulations.save_all(
        things.simulations(), journal=things.fresh()
    ),
    "simulations.save_each": lambda things: things.session.simulations.save_each(things.simulations()),
    "work_items.parents": lambda things: things.session.work_items.parents(things.simulation),
    "work_items.relate": lambda things: things.session.work_items.relate(
        things.work_item, RelationType.DEPENDS_ON, things.simulation
    ),
    "work_items.related": lambda things: things.session.work_items.related(things.work_item),
    "work_items.save": lambda things: things.session.work_items.save(things.item()),
    "work_items.save_all": lambda things: things.session.work_items.save_all([things.item()] * 12),
    "work_items.save_each": lambda things: things.session.work_items.save_each([things.item()] * 12),
    "outputs.download": lambda things: things.session.outputs.download(
        things.simulation, "output/large.bin", things.fresh()
    ),
    "outputs.fetch_file": lambda things: things.session.outputs.fetch_file(things.output, things.fresh()),
    "outputs.follow": lambda things: things.session.outputs.follow(things.simulation, "output/a.json"),
    "outputs.list": lambda things: things.session.outputs.list(things.simulation),
    "outputs.read": lambda things: things.session.outputs.read(things.simulation, "output/a.json"),
    "outputs.read_range": lambda things: things.session.outputs.read_range(things.simulation, "output/a.json", start=1),
    "outputs.stream": lambda things: things.session.outputs.stream(things.simulation, "output/large.bin"),
    "outputs.tail": lambda things: things.session.outputs.tail(things.simulation, "output/a.json"),
    "outputs.zip": lambda things: things.session.outputs.zip(things.simulation, ["output/a.json"], things.fresh()),
    "environments.get": lambda things: things.session.environments.get("Local"),
    "environments.list": lambda things: things.session.environments.list(),
    "users.get": lambda things: things.session.users.get("nobody"),
    "users.list": lambda things: things.session.users.list(),
    "users.me": lambda things: things.session.users.me(),
}


async def test_no_public_call_is_forgotten(things: Things) -> None:
    assert sorted(public_coroutines(things.session)) == sorted(CALLS)


@pytest.mark.parametrize("name", CALLS)
async def test_a_cancelled_call_leaves_nothing_and_the_session_goes_on(things: Things, name: str) -> None:
    def call() -> Call:
        return CALLS[name](things)

    with counting_tasks():
        await cancelled_at(call, None)
        whole = await cancelled_at(call, None)
        moments = list(range(1, whole + 1))
        if whole > MOST:
            moments = sorted(random.Random(name).sample(moments, MOST))
        before, files = asyncio.all_tasks(), things.open_files()
        for at in moments:
            await cancelled_at(call, at, by_scope=bool(at % 2))
            await things.nothing_is_left(before, f"{name}, cancelled at its suspension {at} of {whole}")
        await things.session.experiments.get(things.world.experiment)
    assert things.open_files() <= files, "files or sockets are left open"


async def test_many_calls_that_are_cancelled_together_leave_the_session_whole(things: Things) -> None:
    before = asyncio.all_tasks()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(things.session.experiments.get, things.world.experiment)
            for _ in range(30):
                await asyncio.sleep(0)
            scope.cancel()
    await things.nothing_is_left(before, "200 calls")
    await things.session.experiments.get(things.world.experiment)


@pytest.mark.parametrize("by_scope", [True, False], ids=["by a scope", "by asyncio"])
async def test_a_file_that_is_opened_while_its_caller_is_cancelled_is_closed(tmp_path: Path, by_scope: bool) -> None:
    """The thread is still at it when the cancellation comes."""
    begun, go_on = threading.Event(), threading.Event()
    opened: list[IO[bytes]] = []

    def make() -> IO[bytes]:
        begun.set()
        go_on.wait(20)
        opened.append((tmp_path / "file").open("wb"))
        return opened[0]

    async def caller() -> None:
        with scope:
            await opened_in_thread(make, lambda file: file.close())

    scope = anyio.CancelScope()
    task = asyncio.get_running_loop().create_task(caller())
    await anyio.to_thread.run_sync(begun.wait)
    if by_scope:
        scope.cancel()
    else:
        task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait({task}, timeout=20)
    assert task.cancelled() is not by_scope
    assert [file.closed for file in opened] == [True]

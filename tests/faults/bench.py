"""What a case of the fault bench stands on: a service with things in it, a session in front of a proxy, and invariants.

Time passes only where something waits for it, so no case waits for real.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import logging
import sqlite3
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import anyio
import anyio.lowlevel
from support.fault_proxy import FaultProxy, fault_proxy
from support.runs import ended, script, shell_experiment

import acomps
from acomps.comps.child import Service
from acomps.comps.session import Session
from acomps.transport import Address, Channel, Clock, Credentials, GivenCredentials, Replay

__all__ = ["Bench", "BenchTime", "World", "fresh_world", "md5_of", "secrets_in", "texts_of", "unfinished"]

MIB = 1024 * 1024
#: Of the simulations that have run, the first one has left a file that is fetched in several ranges.
RAN = 6
LARGE = 2 * MIB + 321
DEADLINE_S = 30.0


class BenchTime:
    """Both clocks; they move only when something sleeps. `on_sleep` hears of every wait before it ends."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[], Awaitable[object]] | None = None
        self._began = datetime.now(UTC)
        self.clock = Clock(monotonic=lambda: self.passed_s, wall=self._wall, sleep=self._sleep, jitter=lambda: 0.5)

    def _wall(self) -> datetime:
        return self._began + timedelta(seconds=self.passed_s)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed_s += seconds
        if self.on_sleep is not None:
            await self.on_sleep()
        await anyio.lowlevel.checkpoint()


@dataclass(frozen=True, kw_only=True)
class World:
    """A service, what is in it for cases to read, and a session that no fault disturbs."""

    service: Service
    folder: Path
    settings: acomps.Settings
    comps: Session
    experiment: acomps.Experiment
    #: The simulations that have run, and the folders in which they did.
    ran: Mapping[uuid.UUID, Path]
    #: The token of the undisturbed session.
    token: str

    def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """What the service's own database says."""
        with closing(sqlite3.connect(f"file:{self.folder / 'service.sqlite'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def simulations(self, experiment: acomps.Experiment) -> list[tuple[str, str]]:
        """Name and state of every simulation of an experiment."""
        found = self.rows(
            "SELECT name, state FROM simulations WHERE experiment_id = ? AND removed_at IS NULL", str(experiment.id)
        )
        return [(str(name), str(state)) for name, state in found]

    def content(self, md5: uuid.UUID) -> bytes | None:
        """What the service has under an md5, straight from its folder."""
        found = [path for path in self.folder.rglob(f"*{md5}*") if path.is_file() and not path.suffix]
        if found:
            return found[0].read_bytes()
        with closing(sqlite3.connect(f"file:{self._small()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT data FROM contents WHERE md5 = ?", [str(md5)]).fetchone()
        return None if row is None else bytes(row[0])

    async def requests(self) -> int:
        """How many requests the service has answered, this one among them."""
        channel = self.comps._channel  # pyright: ignore[reportPrivateUsage] - the local service alone can be asked
        answer = await channel.call("GET", "/traffic", operation="count the requests", replay=Replay.SAFE)
        counts = cast("dict[str, dict[str, int]]", answer.json())
        return counts["Traffic"]["Requests"]

    def _small(self) -> Path:
        return next(self.folder.rglob("small.sqlite"))


@asynccontextmanager
async def fresh_world(service: Service, folder: Path, settings: acomps.Settings) -> AsyncGenerator[World]:
    """A world on a service that runs."""
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=settings
    ) as comps:
        experiment = await shell_experiment(comps, "fault bench")
        lines = "mkdir -p output; echo {} > output/a.json"
        large = f"head -c {LARGE} /dev/urandom > output/large.bin"
        report = await comps.simulations.save_all(
            script(experiment, f"{lines}; {large if number == 0 else 'true'}", number=number) for number in range(RAN)
        )
        await comps.experiments.commission(experiment)
        assert await ended(comps, experiment) == {acomps.SimulationState.SUCCEEDED: RAN}
        query = acomps.Query().children("hpc_jobs")
        ran = {one.saved_id: await comps.simulations.get(one, query) for one in report.saved}
        channel = comps._channel  # pyright: ignore[reportPrivateUsage] - the secret itself is what must not be seen
        yield World(
            service=service,
            folder=folder,
            settings=settings,
            comps=comps,
            experiment=experiment,
            ran={key: Path(str(one.hpc_jobs[-1].working_directory)) for key, one in ran.items()},
            token=(await channel.token()).secret,
        )


@dataclass
class Bench:
    """One case: a proxy, a session through it, and its time."""

    world: World
    proxy: FaultProxy
    channel: Channel
    session: Session
    time: BenchTime
    #: What happens just before the operation begins.
    first: Callable[[], Awaitable[object]] | None = None

    @classmethod
    @asynccontextmanager
    async def of(
        cls,
        world: World,
        folder: Path,
        *,
        transport: str = "lean",
        logged_in: bool = True,
        **changes: object,
    ) -> AsyncGenerator[Bench]:
        """A session with a token cache and a hash cache of its own in `folder`; what is left over at the end fails."""
        before = asyncio.all_tasks()
        (folder / "tokens").mkdir(exist_ok=True)
        time = BenchTime()
        small: dict[str, object] = {
            "transport": transport,
            "token_cache_dir": folder / "tokens",
            "hash_cache_dir": folder / "hashes",
            "page_size": 4,
            "batch_entities": 10,
            "range_from_bytes": MIB,
            "range_bytes": MIB,
            "timeouts": acomps.Timeouts(read_s=20, write_s=20, connect_s=20, pool_s=20),
        }
        settings = dataclasses.replace(world.settings, **(small | changes))  # type: ignore[arg-type]  # names of settings
        credentials = Credentials(world.service.username, world.service.password)
        async with fault_proxy(world.service.url) as proxy:
            channel = Channel(Address.parse(proxy.url), settings, GivenCredentials(credentials), clock=time.clock)
            async with channel:
                if logged_in:
                    await channel.token()
                    proxy.ledger.clear()
                yield cls(world, proxy, channel, Session(channel, settings), time)
            await _gone(lambda: not proxy.peers, "connections are left open")
        await _gone(lambda: not asyncio.all_tasks() - before, "tasks are left over")
        assert not unfinished(folder), "temporary files are left over"

    async def usable(self) -> None:
        """The session still works, and all that it holds is free again."""
        self.proxy.script = FaultProxy.script
        self.time.on_sleep = None
        await self.proxy.listen()
        with anyio.fail_after(DEADLINE_S):
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(self.session.experiments.get, self.world.experiment)

    def secrets(self) -> Iterator[str]:
        """What nobody may see: the password, and every token that came through the proxy."""
        yield self.world.service.password
        yield self.world.token
        for request in self.proxy.ledger:
            for line in request.head.split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"x-comps-token":
                    yield value.strip().decode("latin-1")


async def _gone(claim: Callable[[], bool], what: str) -> None:
    with anyio.move_on_after(DEADLINE_S):
        while not claim():
            await asyncio.sleep(0.005)
        return
    raise AssertionError(what)


def texts_of(error: BaseException | None) -> Iterator[str]:
    """All that an error says, and those behind it, whatever form is asked for."""
    todo, seen = [error], set[int]()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield from (str(one), repr(one), repr(one.args), repr(getattr(one, "__dict__", {})))
        members: Sequence[BaseException] = getattr(one, "exceptions", ())
        todo += [one.__cause__, one.__context__, *members]


def secrets_in(secrets: Iterator[str], error: BaseException | None, records: Sequence[logging.LogRecord]) -> list[str]:
    """The texts of an error or a log that hold a secret; without the secret, so that the test log is clean too."""
    known = {secret for secret in secrets if secret}
    said = [
        *texts_of(error),
        *(record.getMessage() for record in records),
        *(str(record.exc_info) for record in records),
    ]
    return [text[:40] for text in said if any(secret in text for secret in known)]


def unfinished(folder: Path) -> set[str]:
    """Files that somebody has begun to write and neither finished nor removed; parts of downloads may go on."""
    names = {path.name for path in folder.rglob(".*") if path.is_file()}
    return {name for name in names if not name.endswith((".part", ".ranges", ".lock"))}


def md5_of(data: bytes) -> uuid.UUID:
    """The md5 in the form of the protocol."""
    return uuid.UUID(bytes=hashlib.md5(data, usedforsecurity=False).digest())

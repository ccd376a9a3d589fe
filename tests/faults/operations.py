"""What is done under faults: one class per operation, each of which knows what the service must have afterwards."""

from __future__ import annotations

import hashlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from faults.bench import Bench, World, md5_of
from support.fault_proxy import PASS, Request
from support.runs import script, shell_experiment

import acomps
from acomps.comps.progress import Progress

__all__ = ["OPERATIONS", "Operation"]

MIB = 1024 * 1024
PATTERNS = ("output/*",)


class Operation(ABC):
    """One thing that a user asks for. Faults hit the requests for which `hits` is true."""

    name: ClassVar[str]
    #: Requests that a run takes when nothing goes wrong, of those that faults hit.
    useful: ClassVar[int] = 1
    #: Further ones that it may take to go on after a fault: smaller chunks, halves of a batch, other questions.
    slack: ClassVar[int] = 0
    logged_in: ClassVar[bool] = True

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder

    async def prepare(self) -> None:
        """Bring about what must be there before; through a session that no fault disturbs."""
        assert self.folder.is_dir()

    @abstractmethod
    def hits(self, request: Request) -> bool:
        """Whether faults apply to this request."""

    @abstractmethod
    async def run(self, bench: Bench) -> object:
        """Do it."""

    @abstractmethod
    def verify(self, result: object) -> None:
        """It was done: the result is right, and the service has what it should, once."""

    def verify_failed(self) -> None:
        """It has failed: nothing is there twice, and nothing that is wrong."""
        assert self.folder.is_dir()

    def sparing(self, hits: Sequence[Request]) -> bool:
        """Whether the requests that faults could hit were no more than they had to be."""
        return len(hits) <= self.useful + self.slack + sum(one.fault is not PASS for one in hits)


class Login(Operation):
    """A new token by user name and password."""

    name = "login"
    logged_in = False

    def hits(self, request: Request) -> bool:
        return request.target.endswith("/tokens") and request.method == "POST"

    async def run(self, bench: Bench) -> object:
        return (await bench.channel.login()).user

    def verify(self, result: object) -> None:
        assert result == self.world.service.username


class Renewal(Operation):
    """A new token by the old one, which is still good."""

    name = "renewal"

    def hits(self, request: Request) -> bool:
        return request.target.endswith("/tokens") and request.method == "PUT"

    async def run(self, bench: Bench) -> object:
        bench.time.passed_s += 2.5 * 3600
        experiment = await bench.session.experiments.get(self.world.experiment)
        return experiment.id

    def verify(self, result: object) -> None:
        assert result == self.world.experiment.id


class ListAll(Operation):
    """A listing of two pages."""

    name = "list"
    useful = 2

    def hits(self, request: Request) -> bool:
        return request.method == "GET" and "/Simulations" in request.target

    async def run(self, bench: Bench) -> object:
        query = acomps.Query().where(experiment_id=self.world.experiment.saved_id)
        return {str(one.id) for one in await bench.session.simulations.list(query)}

    def verify(self, result: object) -> None:
        assert result == {str(key) for key in self.world.ran}


class Save(Operation):
    """One experiment."""

    name = "save"

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world, folder)
        self.unique = uuid.uuid4().hex

    def hits(self, request: Request) -> bool:
        return request.method == "POST" and request.target.endswith("/Experiments")

    async def run(self, bench: Bench) -> object:
        return await bench.session.experiments.save(acomps.Experiment(name=self.unique))

    def _ids(self) -> list[str]:
        return [str(row[0]) for row in self.world.rows("SELECT id FROM experiments WHERE name = ?", self.unique)]

    def verify(self, result: object) -> None:
        assert isinstance(result, acomps.Experiment)
        assert self._ids() == [str(result.id)]

    def verify_failed(self) -> None:
        assert len(self._ids()) <= 1


class SaveAll(Operation):
    """Thirty simulations in three requests, each with a file of its own and one that they share."""

    name = "save_all"
    useful = 3
    slack = 1
    count = 30

    async def prepare(self) -> None:
        self.experiment = await self.world.comps.experiments.save(acomps.Experiment(name="saved under faults"))

    def hits(self, request: Request) -> bool:
        return request.method == "POST" and request.target.endswith("/Simulations")

    def simulations(self) -> list[acomps.Simulation]:
        """The input; the same each time it is asked for."""
        shared = acomps.SimulationFile(file_name="shared.json", content=b'{"shared": true}')
        return [
            acomps.Simulation(
                name=f"{number}",
                experiment_id=self.experiment.id,
                files=(acomps.SimulationFile(file_name="config.json", content=b'{"number": %d}' % number), shared),
            )
            for number in range(self.count)
        ]

    async def run(self, bench: Bench) -> object:
        report = await bench.session.simulations.save_all(self.simulations())
        report.raise_for_failures()
        return [str(one.id) for one in report.saved]

    def _rows(self) -> list[tuple[str, str]]:
        rows = self.world.rows(
            "SELECT id, name FROM simulations WHERE experiment_id = ? AND removed_at IS NULL", str(self.experiment.id)
        )
        return [(str(key), str(name)) for key, name in rows]

    def verify(self, result: object) -> None:
        assert isinstance(result, list)
        rows = {name: key for key, name in self._rows()}
        assert len(self._rows()) == len(rows) == self.count, "not each of them once"
        assert [rows[f"{number}"] for number in range(self.count)] == result, "other ids than those of the service"
        assert self._contents() == self.count

    def _contents(self) -> int:
        """How many have their own file, which is right."""
        found = self.world.rows(
            "SELECT s.name, f.md5_checksum FROM files f JOIN simulations s ON s.id = f.entity_id "
            "WHERE s.experiment_id = ? AND f.file_name = 'config.json' AND s.removed_at IS NULL",
            str(self.experiment.id),
        )
        assert all(str(md5) == str(md5_of(b'{"number": %d}' % int(str(name)))) for name, md5 in found)
        return len(found)

    def verify_failed(self) -> None:
        names = [name for _, name in self._rows()]
        assert len(names) == len(set(names)), "something is there twice"
        self._contents()


class Commission(Operation):
    """An experiment of one simulation is asked to run."""

    name = "commission"

    async def prepare(self) -> None:
        self.experiment = await shell_experiment(self.world.comps, "commissioned under faults")
        await self.world.comps.simulations.save(script(self.experiment, "true"))

    def hits(self, request: Request) -> bool:
        return request.method == "PUT" and "/State/" in request.target

    async def run(self, bench: Bench) -> object:
        await bench.session.experiments.commission(self.experiment)
        return None

    def verify(self, result: object) -> None:
        [(_, state)] = self.world.simulations(self.experiment)
        assert state != "Created"
        self.verify_failed()

    def verify_failed(self) -> None:
        jobs = self.world.rows(
            "SELECT j.id FROM jobs j JOIN simulations s ON s.id = j.simulation_id WHERE s.experiment_id = ?",
            str(self.experiment.id),
        )
        assert len(jobs) <= 1, "it was started twice"


class Upload(Operation):
    """A content in several chunks."""

    name = "upload"
    useful = 3
    slack = 5

    async def prepare(self) -> None:
        block = hashlib.sha256(uuid.uuid4().bytes).digest()
        self.data = block * (5 * MIB // (2 * len(block))) + uuid.uuid4().bytes
        self.md5 = md5_of(self.data)

    def hits(self, request: Request) -> bool:
        return request.method == "POST" and "/upload/" in request.target

    async def run(self, bench: Bench) -> object:
        return await bench.session.uploads.upload(self.data)

    def verify(self, result: object) -> None:
        assert result == self.md5
        assert self.world.content(self.md5) == self.data

    def verify_failed(self) -> None:
        assert self.world.content(self.md5) in {None, self.data}

    def sparing(self, hits: Sequence[Request]) -> bool:
        again = sum(one.forwarded for one in hits if one.fault is not PASS)
        return super().sparing(hits) and sum(one.forwarded for one in hits) <= len(self.data) + again


class UploadCheck(Upload):
    """The same; faults hit the questions what the server has."""

    name = "upload_check"
    useful = 2

    def hits(self, request: Request) -> bool:
        return request.method == "GET" and "/upload/" in request.target


class Harvest(Operation):
    """The files of simulations that have run, one of them in ranges."""

    name = "harvest"
    useful = 9

    def hits(self, request: Request) -> bool:
        return request.method == "GET" and "/asset/outputs" in request.target

    async def run(self, bench: Bench) -> object:
        files = bench.session.harvest(
            self.world.experiment, PATTERNS, into=self.folder / "results", layout="{simulation.id}/{path}"
        )
        found = [file async for file in files]
        for file in found:
            if file.error is not None:
                raise file.error
        assert all(file.fetched for file in found)
        return len(found)

    def wanted(self) -> dict[str, bytes]:
        wanted: dict[str, bytes] = {}
        for key, folder in self.world.ran.items():
            for path in (folder / "output").iterdir():
                wanted[f"{key}/output/{path.name}"] = path.read_bytes()
        return wanted

    def there(self) -> dict[str, bytes]:
        root = self.folder / "results"
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and path.name != "harvest.jsonl" and path.suffix not in {".part", ".ranges"}
        }

    def verify(self, result: object) -> None:
        assert result == len(self.wanted())
        assert self.there() == self.wanted()
        assert not [*self.folder.rglob("*.part"), *self.folder.rglob("*.ranges")]

    def verify_failed(self) -> None:
        wanted = self.wanted()
        for name, data in self.there().items():
            assert data == wanted[name], f"{name} stands under its name and is not right"


class HarvestListing(Harvest):
    """The same; faults hit the listings."""

    name = "harvest_listing"
    useful = 8

    def hits(self, request: Request) -> bool:
        return request.method == "GET" and "/asset/outputs" not in request.target


class Watch(Operation):
    """A look at an experiment that is at its end."""

    name = "watch"
    slack = 9

    def hits(self, request: Request) -> bool:
        return request.method == "GET"

    async def run(self, bench: Bench) -> object:
        return [progress async for progress in bench.session.watch(self.world.experiment)][-1]

    def verify(self, result: object) -> None:
        assert isinstance(result, Progress)
        assert result.final
        assert dict(result.counts) == {acomps.SimulationState.SUCCEEDED: len(self.world.ran)}


OPERATIONS: dict[str, type[Operation]] = {
    one.name: one
    for one in (
        Login,
        Renewal,
        ListAll,
        Save,
        SaveAll,
        Commission,
        Upload,
        UploadCheck,
        Harvest,
        HarvestListing,
        Watch,
    )
}

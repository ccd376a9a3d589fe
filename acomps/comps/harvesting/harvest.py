"""The run of a harvest: simulations come in, are listed and fetched by a fixed number of tasks, and files go out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from acomps.comps.harvesting.contents import read_whole
from acomps.comps.harvesting.crew import Crew
from acomps.comps.harvesting.folder import Folder, Found, Placed, Subject
from acomps.comps.harvesting.harvested import Harvested
from acomps.comps.harvesting.layout import Layout
from acomps.comps.harvesting.losses import Losses
from acomps.comps.harvesting.tally import Tally
from acomps.comps.harvesting.wanted import Wanted, not_there
from acomps.entities import Experiment, OutputFile, Simulation
from acomps.errors import AcompsError, NotFound
from acomps.events import Downloaded, Sink
from acomps.streams import put, taken, task_group

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from acomps.comps.harvesting.sources import Harvestable, Sources
    from acomps.comps.outputs import Outputs
    from acomps.transport import Channel

__all__ = ["Harvest", "Order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is harvested, and how; without `into` the contents come as bytes."""

    wanted: Wanted
    into: Path | None
    layout: Layout
    strict: bool
    at_once: int
    on_progress: Sink


@dataclass(slots=True)
class _Course:
    """One simulation on its way: how many of its files are still to come, and whether all went well so far."""

    subject: Subject
    paths: Sequence[str]
    missing: tuple[str, ...]
    left: int
    good: bool


@dataclass(frozen=True, slots=True)
class _Errand:
    """One file to fetch, into memory if it has no place."""

    course: _Course
    path: str
    file: OutputFile
    placed: Placed | None = None


class Harvest:
    """One call of `comps.harvest`."""

    def __init__(self, channel: Channel, outputs: Outputs, sources: Sources, order: Order) -> None:
        self._channel, self._outputs, self._sources, self._order = channel, outputs, sources, order
        self._losses = Losses()
        self._tally = Tally()
        self._experiments: dict[uuid.UUID, Experiment] = {}
        self._looking_up = anyio.Lock()
        self._folder: Folder | None = None

    async def run(self, results: MemoryObjectSendStream[Harvested]) -> None:
        """Send every file to `results` as it is done; in a folder it is noted before."""
        order = self._order
        if order.into is not None:
            self._folder = await Folder.open(order.into, order.layout, self._channel.threads)
        try:
            await self._all(results)
        finally:
            if self._folder is not None:
                with anyio.CancelScope(shield=True):
                    await self._folder.close()
        if order.strict:
            self._tally.require_success()

    async def _all(self, results: MemoryObjectSendStream[Harvested]) -> None:
        at_once = self._order.at_once
        done_in, done = anyio.create_memory_object_stream[Harvested](at_once)

        async def survey(item: Harvestable) -> Sequence[_Errand]:
            settled, errands = await self._surveyed(item)
            for one in settled:
                await put(done_in, one)
            return errands

        async def fetch(errand: _Errand) -> None:
            await put(done_in, await self._fetch(errand))

        # What is received from is open to the end: who is cancelled must not look to senders like a broken stream.
        async with done, task_group() as tasks:
            tasks.start_soon(self._hand_out, done.clone(), results)
            async with done_in, aclosing(self._sources.each()) as simulations:
                await Crew(survey, fetch, at_once).run(simulations)

    async def _hand_out(
        self, done: MemoryObjectReceiveStream[Harvested], results: MemoryObjectSendStream[Harvested]
    ) -> None:
        """Note what is done, as many files at a time as there are, and only then hand it out."""
        async with done:
            async for first in taken(done):
                waiting = done.statistics().current_buffer_used
                batch = [first, *(done.receive_nowait() for _ in range(waiting))]
                if self._folder is not None:
                    await self._folder.note()
                for one in batch:
                    self._order.on_progress(self._tally.count(one))
                    await put(results, one)

    async def _surveyed(self, item: Harvestable) -> tuple[Sequence[Harvested], Sequence[_Errand]]:
        try:
            settled, errands = await self._survey(item)
        except AcompsError as exc:
            self._losses.judge(exc)
            return [Harvested(simulation=_as_simulation(item), path="", error=exc)], []
        self._losses.forget()
        return settled, errands

    async def _survey(self, item: Harvestable) -> tuple[list[Harvested], list[_Errand]]:
        """What there is of a simulation already, what is missing, and what has to be fetched."""
        simulation = await self._sources.current(item)
        subject = Subject(simulation, await self._experiment(simulation))
        folder, wanted = self._folder, self._order.wanted
        if folder is not None:
            folder.places.check(simulation, subject.experiment)
            recalled = await folder.recall(subject, wanted.asked)
            if recalled is not None:
                settled, names = recalled
                return settled + _missing(simulation, {name: not_there(simulation, name) for name in names}), []
        files, missing = await wanted.of(simulation, self._outputs)
        found = Found([], []) if folder is None else await folder.look(subject, files)
        course = _Course(
            subject,
            paths=tuple(files),
            missing=tuple(missing),
            left=len(found.wanting),
            good=all(one.error is None for one in found.settled),
        )
        if folder is None:
            return _missing(simulation, missing), [_Errand(course, path, file) for path, file in files.items()]
        if not found.wanting:
            self._finish(folder, course)
        needed = sum(placed.file.length for placed in found.wanting)
        await folder.space.promise(needed, [placed.place for placed in found.wanting])
        errands = [_Errand(course, placed.path, placed.file, placed) for placed in found.wanting]
        return found.settled + _missing(simulation, missing), errands

    async def _fetch(self, errand: _Errand) -> Harvested:
        course, folder = errand.course, self._folder
        simulation = course.subject.simulation
        try:
            if folder is None or errand.placed is None:
                harvested = await self._read(course.subject, errand)
            else:
                harvested = await self._fetch_to(folder, course.subject, errand.placed)
        except AcompsError as exc:
            self._losses.judge(exc)
            course.good = False
            harvested = Harvested(simulation=simulation, path=errand.path, error=exc)
        else:
            self._losses.forget()
        course.left -= 1
        if folder is not None and not course.left:
            self._finish(folder, course)
        return harvested

    async def _fetch_to(self, folder: Folder, subject: Subject, placed: Placed) -> Harvested:
        path, file, place = placed
        sink = self._order.on_progress
        try:
            # What nobody writes to any more has to be as long as it was listed.
            fetched = await self._outputs.fetch_file(
                file,
                place,
                on_bytes=lambda count: sink(Downloaded(path=path, bytes=count)),
                growing=not subject.final,
            )
        finally:
            folder.space.settle(file.length)
        if fetched.md5 is not None:
            folder.keep(subject, placed, fetched.md5)
        return Harvested(
            simulation=subject.simulation,
            path=path,
            local=place,
            length=fetched.length,
            md5=fetched.md5,
            fetched=True,
        )

    async def _read(self, subject: Subject, errand: _Errand) -> Harvested:
        simulation, path = subject.simulation, errand.path
        content, md5 = await read_whole(
            self._channel, errand.file, f"read {path!r} of {simulation.described}", growing=not subject.final
        )
        self._order.on_progress(Downloaded(path=path, bytes=len(content)))
        return Harvested(simulation=simulation, path=path, content=content, length=len(content), md5=md5, fetched=True)

    def _finish(self, folder: Folder, course: _Course) -> None:
        if course.good:
            folder.keep_whole(course.subject, self._order.wanted.asked, course.paths, course.missing)

    async def _experiment(self, simulation: Simulation) -> Experiment:
        """The experiment of a simulation; asked for only if the layout needs more than its id."""
        experiment_id = simulation.experiment_id
        if experiment_id is None or self._folder is None or not self._folder.places.needs_experiment:
            return Experiment(id=experiment_id, name="")
        async with self._looking_up:
            if experiment_id not in self._experiments:
                self._experiments[experiment_id] = await self._sources.experiment(experiment_id)
            return self._experiments[experiment_id]


def _as_simulation(item: Harvestable) -> Simulation:
    return item if isinstance(item, Simulation) else Simulation(id=uuid.UUID(str(item)), name="")


def _missing(simulation: Simulation, missing: Mapping[str, NotFound]) -> list[Harvested]:
    return [Harvested(simulation=simulation, path=name, error=error) for name, error in missing.items()]

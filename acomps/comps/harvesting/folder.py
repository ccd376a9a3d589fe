"""The folder that a harvest goes to: which files have which place in it, and which are there already."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio.from_thread
import anyio.to_thread

from acomps.comps.harvesting.harvested import Harvested
from acomps.comps.harvesting.layout import Layout, Places, place_key
from acomps.comps.harvesting.manifest import MANIFEST, Kept, Manifest, Whole, kept_line, whole_line
from acomps.comps.harvesting.space import Space
from acomps.entities import Experiment, OutputFile, Simulation
from acomps.errors import AcompsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from acomps.comps.harvesting.manifest import Line
    from acomps.threads import Threads

__all__ = ["Folder", "Found", "Placed", "Subject"]

_READ_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Subject:
    """A simulation with its experiment, and the attempt that its files belong to, if that is known."""

    simulation: Simulation
    experiment: Experiment

    @property
    def id(self) -> uuid.UUID:
        return self.simulation.saved_id

    @property
    def final(self) -> bool:
        """Whether its files will not change any more, but for a new attempt."""
        return self.simulation.state is not None and self.simulation.state.final

    @property
    def job(self) -> uuid.UUID | None:
        """The newest attempt."""
        return self.simulation.hpc_jobs[-1].id if self.simulation.hpc_jobs else None


class Placed(NamedTuple):
    """A listed file with its path on the server and its place in the folder."""

    path: str
    file: OutputFile
    place: Path


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the folder told: files that are settled, and those that have to be fetched, with their places."""

    settled: list[Harvested]
    wanting: list[Placed]


class Folder:
    """An open folder; `open` makes it."""

    def __init__(self, into: Path, layout: Layout, manifest: Manifest, threads: Threads) -> None:
        self._manifest, self._threads = manifest, threads
        self._lines: list[Line] = []
        self.places = Places(into, layout, MANIFEST)
        self.space = Space(into)

    @classmethod
    async def open(cls, into: Path, layout: Layout, threads: Threads) -> Folder:
        """The folder `into`, made if it is not there. NotWritten when nothing can be written to it."""
        return cls(into, layout, await Manifest.open(into), threads)

    async def close(self) -> None:
        """Note what is not noted yet, and close the manifest."""
        try:
            await self.note()
        finally:
            self._manifest.close()

    async def note(self) -> None:
        """Write to the manifest what has been kept since the last time."""
        lines, self._lines = self._lines, []
        if lines:
            await self._threads.run(self._manifest.append, lines)

    def keep(self, subject: Subject, placed: Placed, md5: uuid.UUID) -> None:
        """Remember a file that is in its place now; `note` writes it down."""
        path, file, place = placed
        local = self.places.local(place)
        kept = Kept(
            length=file.length, md5=md5, job=subject.job, file=file.id, final=subject.final, place=place_key(local)
        )
        if self._manifest.fresh or self._manifest.kept(subject.id, path) != kept:
            self._lines.append(kept_line(subject.id, path, local, kept))

    def keep_whole(
        self, subject: Subject, asked: Sequence[str], paths: Sequence[str], missing: tuple[str, ...]
    ) -> None:
        """Remember that everything there is of a simulation is in its place now, if that is for good."""
        whole = Whole(tuple(paths), missing)
        if subject.final and subject.job and self._manifest.whole(subject.id, subject.job, asked) != whole:
            self._lines.append(whole_line(subject.id, subject.job, asked, whole))

    async def recall(self, subject: Subject, asked: Sequence[str]) -> tuple[list[Harvested], tuple[str, ...]] | None:
        """The files, and what is missing, of a simulation of which all is known to be here; None to ask the server."""
        whole = self._manifest.whole(subject.id, subject.job, asked) if subject.job and subject.final else None
        if whole is None:
            return None
        known: list[tuple[str, Path, Kept]] = []
        for path in whole.paths:
            kept = self._manifest.kept(subject.id, path)
            if kept is None or kept.job != subject.job:
                return None
            try:
                place = self.places.place(subject.simulation, subject.experiment, path)
            except AcompsError:
                return None
            if not kept.lies_at(self.places.local(place)):
                return None
            known.append((path, place, kept))
        if await self._threads.run(_sizes, [place for _, place, _ in known]) != [kept.length for _, _, kept in known]:
            return None
        return [self._settled(subject, path, place, kept) for path, place, kept in known], whole.missing

    async def look(self, subject: Subject, files: Mapping[str, OutputFile]) -> Found:
        """Give each file its place, and see which are there already."""
        settled: list[Harvested] = []
        wanting: list[Placed] = []
        for path, file in files.items():
            try:
                place = self.places.place(subject.simulation, subject.experiment, path)
                self._take(subject, path, place)
                wanting.append(Placed(path, file, place))
            except AcompsError as exc:
                settled.append(Harvested(simulation=subject.simulation, path=path, error=exc))
        if self._manifest.fresh or not wanting:
            return Found(settled, wanting)
        there = await self._there(subject, wanting)
        left: list[Placed] = []
        for placed in wanting:
            md5 = there.get(placed.path)
            if md5 is None:
                left.append(placed)
                continue
            self.keep(subject, placed, md5)
            path, file, place = placed
            settled.append(
                Harvested(simulation=subject.simulation, path=path, local=place, length=file.length, md5=md5)
            )
        return Found(settled, left)

    def _settled(self, subject: Subject, path: str, place: Path, kept: Kept) -> Harvested:
        try:
            self._take(subject, path, place)
        except UsageError as exc:
            return Harvested(simulation=subject.simulation, path=path, error=exc)
        return Harvested(simulation=subject.simulation, path=path, local=place, length=kept.length, md5=kept.md5)

    def _take(self, subject: Subject, path: str, place: Path) -> None:
        if not self.places.take(place):
            raise UsageError(
                f"the layout gives {self.places.local(place)!r} to {path!r} of {subject.simulation.described}, and to "
                "another file of this harvest: it has to tell them apart, for example by {simulation.id} or a tag"
            )

    async def _there(self, subject: Subject, files: Sequence[Placed]) -> Mapping[str, uuid.UUID | None]:
        """The md5s of the files that are in their places and as they are listed, by path."""
        sizes = await self._threads.run(_sizes, [placed.place for placed in files])
        alike = [placed for size, placed in zip(sizes, files, strict=True) if size == placed.file.length]
        # They may be large, and are hashed where a cancellation need not wait for it.
        return await anyio.to_thread.run_sync(self._md5s, subject, alike) if alike else {}

    def _md5s(self, subject: Subject, files: Sequence[Placed]) -> dict[str, uuid.UUID | None]:
        """The md5 of each of these files, which are as long as they are listed; None if it is another file. Blocks."""
        return {placed.path: self._md5(subject, placed) for placed in files}

    def _md5(self, subject: Subject, placed: Placed) -> uuid.UUID | None:
        path, file, place = placed
        kept = self._manifest.kept(subject.id, path)
        if kept is not None and kept.length == file.length and kept.lies_at(self.places.local(place)):
            if file.md5_checksum is not None:
                same = kept.md5 == file.md5_checksum
            else:
                # Without an md5 in the listing, only what cannot have changed is taken for the same.
                same = kept.final and kept.is_from(subject.job, file.id)
            return kept.md5 if same else None
        if file.md5_checksum is None:
            return None
        return file.md5_checksum if _hashed(place) == file.md5_checksum else None


def _sizes(places: Sequence[Path]) -> list[int | None]:
    return [_size(place) for place in places]


def _size(place: Path) -> int | None:
    try:
        return os.stat(place).st_size
    except OSError:
        return None


def _hashed(place: Path) -> uuid.UUID | None:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with place.open("rb") as handle:
            while block := handle.read(_READ_BYTES):
                anyio.from_thread.check_cancelled()
                digest.update(block)
    except OSError:
        return None
    return uuid.UUID(bytes=digest.digest())

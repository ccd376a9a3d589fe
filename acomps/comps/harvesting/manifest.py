"""`harvest.jsonl`: what a folder holds of which simulation, so that a second harvest fetches only what is new.

One JSON line per file, and one per simulation of which all files are there. Lines are only ever appended; a line that
a crash has torn, or that means nothing, counts as not there. The file is a hint and safe to delete: then files are
fetched again. What the lines say holds for one attempt of the simulation; a new one (another HPC job) begins anew.
"""

from __future__ import annotations

import os
import struct
import time
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import orjson

from acomps.comps.harvesting.layout import place_key
from acomps.errors import NotWritten
from acomps.streams import opened_in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import FileIO
    from pathlib import Path

__all__ = ["MANIFEST", "Kept", "Line", "Manifest", "Whole", "kept_line", "whole_line"]

MANIFEST: Final = "harvest.jsonl"

Line: TypeAlias = bytes
#: Length, md5, job, id, the key of the place, and whether the simulation had ended: 73 bytes for each file.
_PACKED: Final = struct.Struct("<Q16s16s16sq?")
_NO_JOB: Final = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One file that was harvested: of which attempt, if that was known, and under which id of the server's list.

    A file of a simulation that had not ended (`final` is False) may have changed since, whatever its length.
    """

    length: int
    md5: uuid.UUID
    job: uuid.UUID | None
    file: uuid.UUID
    final: bool
    place: int

    def is_from(self, job: uuid.UUID | None, file: uuid.UUID) -> bool:
        """Whether it is of this attempt, or has this id."""
        return self.file == file or (job is not None and self.job == job)

    def lies_at(self, local: str) -> bool:
        """Whether the file was written to this place."""
        return self.place == place_key(local)


@dataclass(frozen=True, slots=True)
class Whole:
    """All that was asked for of one attempt of a simulation: the files, and the patterns that nothing matched."""

    paths: tuple[str, ...]
    missing: tuple[str, ...]


def kept_line(simulation: uuid.UUID, path: str, local: str, kept: Kept) -> Line:
    """The line that tells of a file."""
    return _line(
        {
            "simulation": simulation,
            "path": path,
            "local": local,
            "length": kept.length,
            "md5": kept.md5,
            "job": kept.job,
            "file": kept.file,
            "final": kept.final,
            "time": int(time.time()),
        }
    )


def whole_line(simulation: uuid.UUID, job: uuid.UUID, asked: Sequence[str], whole: Whole) -> Line:
    """The line that tells that a simulation is done."""
    return _line({"simulation": simulation, "job": job, "asked": asked, "paths": whole.paths, "missing": whole.missing})


class Manifest:
    """An open manifest; `open` reads it, or begins it. `fresh` says that the folder was empty."""

    def __init__(self, handle: FileIO, *, fresh: bool) -> None:
        self._handle = handle
        self._torn = False
        self._kept: dict[int, bytes] = {}
        self._owners: dict[int, int] = {}
        self._whole: dict[int, Whole] = {}
        self._wholes: dict[Whole, Whole] = {}
        self.fresh = fresh

    @classmethod
    async def open(cls, into: Path) -> Manifest:
        """The manifest of the folder `into`, which is made. NotWritten when nothing can be written there."""
        return await opened_in_thread(partial(_open, into), Manifest.close)

    def kept(self, simulation: uuid.UUID, path: str) -> Kept | None:
        """What is known of a file of a simulation."""
        key = _key(simulation, path)
        packed = self._kept.get(key)
        if packed is None:
            return None
        length, md5, job, file, place, final = _PACKED.unpack(packed)
        if self._owners[place] != key:
            return None  # A later harvest has put another file there.
        return Kept(
            length=length,
            md5=uuid.UUID(bytes=md5),
            job=None if job == _NO_JOB.bytes else uuid.UUID(bytes=job),
            file=uuid.UUID(bytes=file),
            final=final,
            place=place,
        )

    def whole(self, simulation: uuid.UUID, job: uuid.UUID, asked: Sequence[str]) -> Whole | None:
        """What there is of this attempt of a simulation, if it was all there once."""
        return self._whole.get(hash((simulation.bytes, job.bytes, *asked)))

    def append(self, lines: Sequence[Line]) -> None:
        """Write these lines in one piece. Blocks: call it in a thread."""
        data = memoryview(b"".join((b"\n" if self._torn else b"", *lines)))
        self._torn = True
        try:
            while data:
                data = data[self._handle.write(data) :]
            self._torn = False
        except OSError as exc:
            raise NotWritten(
                f"cannot write {self._handle.name}: {exc.strerror}; check the folder and the free space"
            ) from exc

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def learn(self, line: bytes) -> None:
        """Take over one line of the file, whatever it is."""
        self._torn = not line.endswith(b"\n")
        try:
            record = cast("Mapping[str, object]", orjson.loads(line))
            simulation = uuid.UUID(cast("str", record["simulation"]))
            if "path" in record:
                self._learn_file(simulation, record)
            else:
                self._learn_whole(simulation, record)
        except (KeyError, TypeError, ValueError, AttributeError, struct.error):
            return

    def _learn_file(self, simulation: uuid.UUID, record: Mapping[str, object]) -> None:
        key, place = _key(simulation, str(record["path"])), place_key(str(record["local"]))
        # Whatever becomes of the rest of the line: from here on the place is this file's.
        self._owners[place] = key
        self._kept[key] = _PACKED.pack(
            record["length"],
            uuid.UUID(cast("str", record["md5"])).bytes,
            (_NO_JOB if record["job"] is None else uuid.UUID(cast("str", record["job"]))).bytes,
            uuid.UUID(cast("str", record["file"])).bytes,
            place,
            record["final"],
        )

    def _learn_whole(self, simulation: uuid.UUID, record: Mapping[str, object]) -> None:
        job = uuid.UUID(cast("str", record["job"]))
        paths, missing = (tuple(map(str, cast("list[str]", record[name]))) for name in ("paths", "missing"))
        # The simulations of a sweep have the same files: one value serves them all.
        whole = self._wholes.setdefault(Whole(paths, missing), Whole(paths, missing))
        self._whole[hash((simulation.bytes, job.bytes, *cast("list[str]", record["asked"])))] = whole


def _key(simulation: uuid.UUID, path: str) -> int:
    return hash((simulation.bytes, path))


def _line(record: Mapping[str, object]) -> bytes:
    return orjson.dumps(record) + b"\n"


def _open(into: Path) -> Manifest:
    path = into / MANIFEST
    try:
        into.mkdir(parents=True, exist_ok=True)
        with os.scandir(into) as entries:
            fresh = next(entries, None) is None
        # Unbuffered and for appending: lines of two harvests at once do not mix.
        handle = path.open("ab", buffering=0)
    except OSError as exc:
        raise NotWritten(f"cannot write to the folder {into}: {exc.strerror or exc}; choose another one") from exc
    manifest = Manifest(handle, fresh=fresh)
    try:
        with path.open("rb") as lines:
            for line in lines:
                manifest.learn(line)
    except BaseException:
        handle.close()
        raise
    return manifest

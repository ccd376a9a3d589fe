"""A journal of confirmed saves, so that the same command again does only what is missing.

One JSON line per step, appended and brought to the disk before the step counts. A line that a crash has torn is cut
off when the journal is opened again. The entities must come in the same order each time; a digest of each one's
document tells when they do not.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import anyio
import anyio.to_thread
import orjson

from acomps.errors import NotWritten, UsageError
from acomps.streams import opened_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Entry", "Journal"]

_FORMAT: Final = "acomps save journal 1"


@dataclass(frozen=True, slots=True)
class Entry:
    """One confirmed entity: the digest of its document, and its id."""

    digest: str
    id: uuid.UUID


class Journal:
    """An open journal; `open` reads it or begins it."""

    def __init__(self, handle: BinaryIO, path: Path, run: str, entries: dict[int, Entry], begun: set[int]) -> None:
        self._handle = handle
        self._path = path
        self._writing = anyio.Lock()
        self.run = run
        self._entries = entries
        self._begun = begun

    @classmethod
    async def open(cls, path: Path, *, server: str, kind: str, new_run: str) -> Journal:
        """The journal at `path`, which belongs to one server and one kind of entity; begun with `new_run` if new."""
        return await opened_in_thread(partial(_open, path, server, kind, new_run), Journal.close)

    def confirmed(self, index: int, digest: str) -> uuid.UUID | None:
        """The id of the entity at `index` if it was confirmed; UsageError if another entity was there then."""
        entry = self._entries.get(index)
        if entry is None:
            return None
        if entry.digest != digest:
            raise UsageError(
                f"the journal {self._path} belongs to other entities: number {index + 1} was another one. "
                "Save with the same entities in the same order, or begin a new journal"
            )
        return entry.id

    def begun(self, group: int) -> bool:
        """Whether a request with entities of this group may have been sent."""
        return group in self._begun

    async def begin(self, groups: Iterable[int]) -> None:
        """Note that entities of these groups are about to be sent."""
        new = sorted(set(groups) - self._begun)
        if new:
            self._begun.update(new)
            await self._append({"begun": new})

    async def confirm(self, entries: Mapping[int, Entry]) -> None:
        """Note that these entities are saved."""
        if entries:
            await self._append({"saved": [[index, entry.digest, str(entry.id)] for index, entry in entries.items()]})
            self._entries.update(entries)

    async def _append(self, line: object) -> None:
        async with self._writing:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.write, line)

    def write(self, line: object) -> None:
        """Append one line and bring it to the disk, or leave the journal as it was. Blocks: call it in a thread."""
        handle = self._handle.fileno()
        good = os.fstat(handle).st_size
        left = memoryview(orjson.dumps(line) + b"\n")
        try:
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        except OSError as exc:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, good)
            raise _not_written(self._path, exc) from exc

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


def _open(path: Path, server: str, kind: str, new_run: str) -> Journal:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+b")
    except OSError as exc:
        raise _not_written(path, exc) from exc
    try:
        handle.seek(0)
        head = {"journal": _FORMAT, "server": server, "kind": kind}
        run, entries, begun, good = _read(handle, path, head)
        handle.truncate(good)
        journal = Journal(handle, path, run or new_run, entries, begun)
        if run is None:
            journal.write({**head, "run": new_run})
        return journal
    except BaseException:
        handle.close()
        raise


def _not_written(path: Path, error: OSError) -> NotWritten:
    return NotWritten(
        f"cannot write the journal {path}: {error.strerror or error}; check the folder and the free space, "
        "then save again with it"
    )


def _read(handle: BinaryIO, path: Path, head: Mapping[str, str]) -> tuple[str | None, dict[int, Entry], set[int], int]:
    """The run, what is confirmed, what was begun, and how many bytes of the file are good."""
    run: str | None = None
    entries: dict[int, Entry] = {}
    begun: set[int] = set()
    good = 0
    for number, line in enumerate(handle):
        try:
            if not line.endswith(b"\n"):
                break
            record = cast("dict[str, object]", orjson.loads(line))
            if number == 0:
                for name, wanted in head.items():
                    if record.get(name) != wanted:
                        raise UsageError(
                            f"the journal {path} is of {name} {record.get(name)!r}, not {wanted!r}: use another file"
                        )
                run = str(record["run"])
            begun.update(cast("list[int]", record.get("begun", [])))
            for index, digest, entity_id in cast("list[tuple[int, str, str]]", record.get("saved", [])):
                entries[index] = Entry(digest, uuid.UUID(entity_id))
        except UsageError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            if number == 0:
                raise UsageError(f"{path} is no journal of acomps: use another file") from exc
            break
        good += len(line)
    return run, entries, begun, good

"""A store's folder on the disk: which checkpoint counts, what the journals after it say, and how the next one comes.

    <store>/.acomps/owner.json          who owns the store
                    manifest.json       the generation that counts, digests of its files, what inboxes have given
                    journal-<n>         commits since checkpoint n; there may be the next one's already
                    next-<n>/           drafts of the files of checkpoint n
                    inbox/              reports of other processes

Renaming the manifest is the moment at which a checkpoint counts; the drafts are then renamed into the store, which is
finished when the store is opened after a crash. All of it blocks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import orjson

from acomps.campaign.errors import StoreDamaged, WorkflowNotFoundError
from acomps.campaign.frames import sync_folder
from acomps.campaign.journal import replayed
from acomps.campaign.places import DRAFTS, JOURNAL, MANIFEST, OWN
from acomps.campaign.state import State

if TYPE_CHECKING:
    from acomps.campaign.layout import Layout
    from acomps.campaign.times import Times

__all__ = ["Disk", "Loaded"]

_FORM: Final = "acomps store 1"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found: the tables, the journal to go on in, and how much of that is good."""

    state: State
    generation: int
    journal: Path
    good: int
    #: How many bytes of commits came after the checkpoint.
    replayed: int


class Disk:
    """The folder of one store in one form."""

    def __init__(self, store: Path, layout: Layout, times: Times) -> None:
        self._store = store
        self._own = store / OWN
        self._layout = layout
        self._times = times
        self._stats: dict[str, tuple[int, int, int]] = {}
        self._digests: dict[str, str] = {}

    def journal(self, generation: int) -> Path:
        """The journal of the commits after a checkpoint."""
        return self._own / f"{JOURNAL}{generation}"

    def load(self, *, repair: bool) -> Loaded:
        """The tables as the last commit left them. With `repair` (the owner's) a checkpoint that counts is finished."""
        manifest = self._manifest()
        generation = cast("int", manifest.get("generation", 0))
        if repair:
            self._publish(generation)
        if not self._layout.is_here(self._store):
            raise WorkflowNotFoundError(f"there is no {self._layout.name} store at {self._store}")
        digests = self._look()
        known = manifest.get("files")
        state = self._layout.read(self._store, self._times)
        state.inboxes = dict(cast("dict[str, int]", manifest.get("inboxes", {})))
        journals = self._journals(generation)
        foreign = known is not None and known != digests
        good = total = 0
        for number, path in journals:
            data = path.read_bytes()
            good = 0
            for changes, end in replayed(data):
                if foreign:
                    raise StoreDamaged(
                        f"another program changed the files in {self._store}, and {path} has changes made before that: "
                        "bring the files back, or remove the journal to go on with the files as they are"
                    )
                for change in changes:
                    change.apply(state)
                good = end
            total += good
            if good < len(data) and number != journals[-1][0]:
                raise StoreDamaged(f"{path} is damaged: it has commits after {good} bytes that cannot be read")
        if repair and known != digests:
            self._note(generation, digests, state.inboxes)
        last = journals[-1][0] if journals else generation
        return Loaded(state, last, self.journal(last), good, total)

    def checkpoint(self, generation: int, state: State) -> int:
        """Make the tables the checkpoint that counts; gives the bytes of its files."""
        drafts = self._own / f"{DRAFTS}{generation}"
        if drafts.exists():
            shutil.rmtree(drafts)
        drafts.mkdir()
        self._layout.write(self._store, drafts, generation, state, self._times)
        sync_folder(drafts)
        size = sum((drafts / name).stat().st_size for name in self._layout.files)
        self._note(generation, {name: _digest(drafts / name) for name in self._layout.files}, state.inboxes)
        self._publish(generation)
        self._look()
        for number, path in self._journals(0):
            if number < generation:
                path.unlink()
        self._layout.sweep(self._store)
        return size

    def modified(self) -> bool:
        """Whether another program changed the files since they were read or written here."""
        for name in self._layout.files:
            path = self._store / name
            try:
                if _stat(path) != self._stats.get(name) and _digest(path) != self._digests.get(name):
                    return True
            except FileNotFoundError:
                return True
        return False

    def _publish(self, generation: int) -> None:
        for drafts in self._own.glob(f"{DRAFTS}*"):
            if drafts.name == f"{DRAFTS}{generation}":
                for name in self._layout.files:
                    if (drafts / name).exists():
                        (drafts / name).replace(self._store / name)
                sync_folder(self._store)
            shutil.rmtree(drafts)

    def _look(self) -> dict[str, str]:
        self._stats = {name: _stat(self._store / name) for name in self._layout.files}
        self._digests = {name: _digest(self._store / name) for name in self._layout.files}
        return self._digests

    def _note(self, generation: int, digests: dict[str, str], inboxes: dict[str, int]) -> None:
        record = {"form": _FORM, "generation": generation, "files": digests, "inboxes": inboxes}
        draft = self._own / f"{MANIFEST}.draft"
        with draft.open("wb") as handle:
            handle.write(orjson.dumps(record))
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(self._own / MANIFEST)
        sync_folder(self._own)

    def _manifest(self) -> dict[str, object]:
        path = self._own / MANIFEST
        try:
            found: object = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as exc:
            raise StoreDamaged(f"{path} is no JSON: {exc}") from exc
        record = cast("dict[str, object]", found) if isinstance(found, dict) else {}
        if record.get("form") != _FORM:
            raise StoreDamaged(f"{path} has the form {record.get('form')!r}: this version knows {_FORM!r}")
        return record

    def _journals(self, first: int) -> list[tuple[int, Path]]:
        found = [(int(path.name.removeprefix(JOURNAL)), path) for path in self._own.glob(f"{JOURNAL}*")]
        return sorted((number, path) for number, path in found if number >= first)


def _stat(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "blake2b").hexdigest()

"""The content store: whatever was sent, addressed by its md5, kept once and never changed. Everything here blocks.

Small contents are rows of a database of their own, large ones are files: a sweep brings ten thousands of small ones,
and making so many files costs a file system far more than their bytes. Nothing is flushed to the disk: contents
survive a crash of the service, and after a crash of the machine their md5 tells.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, delete, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from acomps.local.files.leaving import Leaving
from acomps.local.jsons import dumps
from acomps.local.records.database import Database, given_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

__all__ = ["SMALL_BYTES", "Contents", "Incoming", "Stored", "digest"]

#: Contents up to this size are rows.
SMALL_BYTES: Final = 64 * 1024

#: A content where it lies: its bytes, or the path of its file.
Stored: TypeAlias = bytes | str

_MODE: Final = 0o600
#: Several contents of the usual size fit into one page of the database.
_PAGE_BYTES: Final = 8192

_metadata: Final = MetaData()
_small: Final = Table(
    "contents",
    _metadata,
    # Rows in the order of their arrival: in the order of the md5 each would land in the middle of others.
    Column("number", Integer, primary_key=True),
    Column("md5", String, nullable=False, unique=True),
    Column("data", LargeBinary, nullable=False),
)


_LENGTHS: Final = select(_small.c.md5, func.length(_small.c.data)).where(_small.c.md5.in_(given_ids()))
_DATA: Final = select(_small.c.md5, _small.c.data).where(_small.c.md5.in_(given_ids()))
_ADD: Final = str(
    insert(_small).on_conflict_do_nothing().compile(dialect=sqlite.dialect(), column_keys=["md5", "data"])
)


def digest(data: bytes) -> str:
    """The md5 of `data` in the protocol's GUID form."""
    return _guid(hashlib.md5(data, usedforsecurity=False).hexdigest())


def _guid(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Contents:
    """Contents by md5. One is there only when the whole of it is."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._arriving = root / "incoming"
        shutil.rmtree(self._arriving, ignore_errors=True)
        self._arriving.mkdir(parents=True)
        for shard in range(256):
            (root / f"{shard:02x}").mkdir(exist_ok=True)
        self._counter = itertools.count()
        self.leaving = Leaving(root / "leaving.json")
        self._database = Database(root / "small.sqlite", _metadata, page_bytes=_PAGE_BYTES)

    def close(self) -> None:
        """Close what is open."""
        self._database.close()

    def lengths(self, md5s: Collection[str]) -> dict[str, int]:
        """How many bytes each of the stored ones has; what is not stored is not in it."""
        if not md5s:
            return {}
        self.leaving.needed(md5s)
        with self._database.reading() as connection:
            rows = connection.execute(_LENGTHS, {"ids": dumps(list(md5s))})
            found = {str(md5): int(length) for md5, length in rows}
        for md5 in md5s:
            if md5 not in found:
                with contextlib.suppress(FileNotFoundError):
                    found[md5] = os.stat(self._path(md5)).st_size
        return found

    def fetch(self, md5s: Collection[str]) -> dict[str, Stored]:
        """The contents where they lie; what is not stored is not in it."""
        self.leaving.needed(md5s)
        with self._database.reading() as connection:
            rows = connection.execute(_DATA, {"ids": dumps(list(md5s))})
            found: dict[str, Stored] = {str(md5): data for md5, data in rows}
        for md5 in md5s:
            if md5 not in found and os.path.exists(self._path(md5)):
                found[md5] = self._path(md5)
        return found

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Store contents, whose md5s the caller has checked, in one go."""
        self.leaving.needed(contents.keys())
        small = [(md5, data) for md5, data in contents.items() if len(data) <= SMALL_BYTES]
        if small:
            with self._database.writing() as connection:
                connection.exec_driver_sql(_ADD, small)
        for md5, data in contents.items():
            if len(data) > SMALL_BYTES and not os.path.exists(self._path(md5)):
                arriving = self.incoming()
                try:
                    arriving.write(data)
                    arriving.keep()
                finally:
                    arriving.close()

    def adopt(self, md5: str, path: Path | str) -> None:
        """Take over a file of the same disk, whose md5 the caller has checked."""
        self.leaving.needed([md5])
        os.replace(path, self._path(md5))

    def in_shards(self, most: int) -> Iterator[set[str]]:
        """The md5s of all that is stored, in disjoint ranges of about `most`; of all in a range, none is left out."""
        with self._database.reading() as connection:
            count = connection.scalar(select(func.count()).select_from(_small)) or 0
        width = max(1, 256 * most // max(count, 1))
        for first in range(0, 256, width):
            low, high = f"{first:02x}", f"{min(first + width, 256) - 1:02x}"
            with self._database.reading() as connection:
                within = _small.c.md5.between(low, f"{high}g")
                found = {str(md5) for md5 in connection.scalars(select(_small.c.md5).where(within))}
            for shard in range(int(low, 16), int(high, 16) + 1):
                found.update(os.listdir(f"{self._root}/{shard:02x}"))
            if found:
                yield found

    def free(self, md5s: Collection[str]) -> None:
        """Remove contents that nobody needs."""
        with self._database.writing() as connection:
            connection.execute(delete(_small).where(_small.c.md5.in_(given_ids())), {"ids": dumps(list(md5s))})
        for md5 in md5s:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(md5))

    def incoming(self) -> Incoming:
        """A large content that arrives in pieces; the caller closes it."""
        return Incoming(self, f"{self._arriving}/{next(self._counter):x}")

    def _path(self, md5: str) -> str:
        return f"{self._root}/{md5[:2]}/{md5}"


class Incoming:
    """One large content on its way in: a file beside the others, which gets its name when it is whole."""

    def __init__(self, store: Contents, path: str) -> None:
        self._store = store
        self._path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        self._hash = hashlib.md5(usedforsecurity=False)

    def write(self, data: bytes) -> None:
        """The next piece."""
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]

    @property
    def md5(self) -> str:
        """The md5 of what has arrived so far, in GUID form."""
        return _guid(self._hash.hexdigest())

    def keep(self) -> None:
        """Store what has arrived under its md5."""
        self._store.adopt(self.md5, self._path)

    def close(self) -> None:
        """No more will come; what was not kept is gone."""
        os.close(self._handle)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

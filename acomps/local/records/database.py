"""SQLite databases: many readers, one writer at a time. Everything here blocks; call it in a thread."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from sqlalchemy import String, bindparam, column, create_engine, event, func, select
from sqlalchemy.engine import URL

from acomps.local.errors import CannotServe

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator
    from pathlib import Path

    from sqlalchemy import Connection, Engine, MetaData, Select
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["Database", "given_ids"]

#: Written into the file; raised whenever the tables change.
SCHEMA_VERSION: Final = 1

READERS: Final = 16
BUSY_TIMEOUT_S: Final = 30.0

_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    # With WAL a crash of the service loses nothing; only a crash of the machine may lose the last commits.
    "PRAGMA synchronous=NORMAL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-65536",
    "PRAGMA mmap_size=268435456",
    "PRAGMA journal_size_limit=67108864",
    # Fewer, larger checkpoints: each one waits for the disk.
    "PRAGMA wal_autocheckpoint=8000",
)


def given_ids() -> Select[str]:
    """The ids handed over as one JSON list in the parameter `ids`: the statement is the same for any number of them."""
    return select(func.json_each(bindparam("ids", type_=String)).table_valued(column("value", String)).c.value)


class Database:
    """Connections for jobs that read and for jobs that write."""

    def __init__(self, path: Path, tables: MetaData) -> None:
        self._reader = _engine(path, "BEGIN", READERS)
        self._writer = _engine(path, "BEGIN IMMEDIATE", 1)
        self._one_writer = threading.Lock()
        with self.writing() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version not in {0, SCHEMA_VERSION}:
                raise CannotServe(f"{path} was made by another version of acomps: choose another data folder")
            tables.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")

    def snapshot(self) -> Connection:
        """A connection for reading that the caller closes."""
        return self._reader.connect()

    @contextlib.contextmanager
    def reading(self) -> Generator[Connection]:
        """A connection on which all reads see the same moment."""
        with self.snapshot() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """The one connection that may write, in one transaction that is committed at the end or not at all."""
        with self._one_writer, self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close what is open."""
        self._reader.dispose()
        self._writer.dispose()


def _engine(path: Path, begin: str, connections: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # The driver must not begin transactions by itself: it would begin them too late.
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        pool_size=connections,
        max_overflow=0,
    )

    def prepare(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", start)
    return engine

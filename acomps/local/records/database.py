"""SQLite databases: many readers, one writer at a time. Everything here blocks; call it in a thread.

Jobs that want to write at the same time share a commit: each does its work behind a savepoint of its own, the last in
line commits for all, and none of them goes on before that.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import sqlite3
import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import String, bindparam, column, create_engine, event, func, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from acomps.local.errors import CannotServe, Refused

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine, MetaData, Select, Table
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["Database", "Look", "Row", "given_ids", "insert_rows"]

#: Values in the order of their columns.
Row: TypeAlias = "tuple[str | bytes | float | None, ...]"

#: Written into the file; raised whenever the tables change.
SCHEMA_VERSION: Final = 2

READERS: Final = 16
BUSY_TIMEOUT_S: Final = 30.0
#: So many jobs share one commit at most: the first of them waits for all the others.
MOST_TOGETHER: Final = 16

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


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert many rows; `columns` are in the order of the table's. A tenth of what the same costs through dicts."""
    if rows:
        connection.exec_driver_sql(_insertion(table, tuple(columns)), [*rows])


@functools.cache
def _insertion(table: Table, columns: tuple[str, ...]) -> str:
    compiled = insert(table).compile(dialect=sqlite.dialect(), column_keys=[*columns])
    if compiled.positiontup != [*columns]:
        raise ValueError(f"the columns of {table.name} have another order")
    return str(compiled)


class Look:
    """A statement that is made once and then asked often, with other values for its parameters."""

    def __init__(self, statement: Select[*tuple[object, ...]]) -> None:
        compiled = statement.compile(dialect=sqlite.dialect())
        self.sql = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._own = {name: value for name, value in compiled.params.items() if value is not None}

    def values(self, given: Mapping[str, str]) -> tuple[str | int, ...]:
        """The values in the order of the parameters."""
        return tuple(given.get(name) or self._own[name] for name in self._names)


class Database:
    """Connections for jobs that read and for jobs that write."""

    def __init__(self, path: Path, tables: MetaData, *, page_bytes: int = 4096) -> None:
        self._reader = _engine(path, "BEGIN", READERS, page_bytes)
        self._writer = _engine(path, "BEGIN IMMEDIATE", 1, page_bytes)
        self._turn = threading.Lock()
        self._group: _Group | None = None
        self._counting = threading.Lock()
        self._waiting = 0
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

    def first(self, look: Look, **values: str) -> tuple[object, ...] | None:
        """The first row of a look, which sees the moment of its own: a fraction of what the same costs in `reading`."""
        with contextlib.closing(self._reader.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(look.sql, look.values(values))
            rows: list[tuple[object, ...]] = list(cursor.fetchall())
        return rows[0] if rows else None

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """The one connection that may write. What is done with it is committed when the block has ended, or not at all.

        What fails in one block is undone and disturbs no other; when the commit fails, it fails for all who share it.
        """
        with self._counting:
            self._waiting += 1
        with self._turn:
            with self._counting:
                self._waiting -= 1
            group = self._group = self._group or _Group(self._writer)
            try:
                with group.member() as connection:
                    yield connection
            except DBAPIError as exc:
                if _is_full(exc):
                    raise _full() from exc
                raise
            finally:
                if group.ended or not self._waiting or group.members >= MOST_TOGETHER:
                    self._group = None
                    group.commit()
        group.wait()

    def close(self) -> None:
        """Close what is open."""
        self._reader.dispose()
        self._writer.dispose()


class _Group:
    """Jobs that share a transaction. One thread at a time, but for `wait`."""

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.connect()
        try:
            self._transaction = self._connection.begin()
        except BaseException:
            self._connection.close()
            raise
        self._failure: Exception | None = None
        self._done = threading.Event()
        self.members = 0
        #: True when what one job did could not be undone alone: SQLite gives up the whole transaction on some failures.
        self.ended = False

    @contextlib.contextmanager
    def member(self) -> Generator[Connection]:
        """The work of one job."""
        self.members += 1
        self._connection.exec_driver_sql("SAVEPOINT member")
        try:
            yield self._connection
            self._connection.exec_driver_sql("RELEASE member")
        except BaseException:
            self.ended = True
            if self._open():
                self._connection.exec_driver_sql("ROLLBACK TO member")
                self._connection.exec_driver_sql("RELEASE member")
                self.ended = False
            raise

    def _open(self) -> bool:
        driver = self._connection.connection.driver_connection
        return isinstance(driver, sqlite3.Connection) and driver.in_transaction

    def commit(self) -> None:
        """Commit what all have done; they learn the outcome from `wait`."""
        try:
            if self.ended:
                raise sqlite3.OperationalError("the transaction broke off")
            self._transaction.commit()
        except Exception as exc:
            self._failure = exc
            # The driver may still hold the transaction: the next group begins with another connection.
            self._connection.invalidate()
        finally:
            try:
                self._connection.close()
            finally:
                self._done.set()

    def wait(self) -> None:
        """Return when the work is committed."""
        self._done.wait()
        if self._failure is not None:
            # A new one for each who hears it.
            failure = _full() if _is_full(self._failure) else OSError(errno.EIO, "the database could not be written")
            raise failure from self._failure


def _is_full(failure: Exception) -> bool:
    origin = failure.orig if isinstance(failure, DBAPIError) else None
    return isinstance(origin, sqlite3.Error) and origin.sqlite_errorcode == sqlite3.SQLITE_FULL


def _full() -> Refused:
    return Refused(507, "the disk of the service is full: make room, then try again")


def _engine(path: Path, begin: str, connections: int, page_bytes: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # The driver must not begin transactions by itself: it would begin them too late.
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        pool_size=connections,
        max_overflow=0,
    )

    def prepare(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        # It decides while the file is still empty, and only then.
        for pragma in (f"PRAGMA page_size={page_bytes}", *_PRAGMAS):
            connection.execute(pragma)

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", start)
    return engine

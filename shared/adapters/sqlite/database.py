"""One SQLite file: opens and upgrades it, reads rows, writes transactions, and translates errors.

SQLite's journal mode WAL with `synchronous = NORMAL` loses nothing if the process dies, and never damages the file. If
the machine loses power, the last transactions may be lost.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.adapters.sqlite import schema
from shared.adapters.sqlite.schema import Row
from shared.errors import FacestreamError, InvalidInput, Transient

_LOCK_TIMEOUT = 30.0  # seconds that a write waits for the write of another process

SELECTED = "(SELECT value FROM json_each(?))"
"""A list as one parameter, as JSON: SQLite limits the number of parameters, and not the length of one."""


class SqliteFile:
    """The file `path`, which is created if it does not exist.

    Raises `InvalidInput` where it is not a database of this software and version, and `Transient` where the disk is
    full or another process holds it too long.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            # Without an isolation level, only `writing` begins transactions.
            self._connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT, isolation_level=None)
        try:
            with self._errors():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, sql: str, *parameters: object) -> Sequence[Row]:
        """Return the rows of a query."""
        with self._errors():
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make all writes in the block one transaction, or a part of the transaction around it."""
        if self._connection.in_transaction:
            yield
            return
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself may have rolled back, when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, sql: str, *parameters: object) -> int:
        """Execute a statement that writes, within `writing`; return the number of rows that it changed."""
        return self._connection.execute(sql, parameters).rowcount

    def replace(self, table: str, rows: Iterable[Row]) -> None:
        """Write whole rows, within `writing`; a row replaces one with the same key."""
        ((columns,),) = self._connection.execute("SELECT count(*) FROM pragma_table_info(?)", (table,)).fetchall()
        placeholders = ", ".join("?" * columns)
        self._connection.executemany(f"REPLACE INTO {table} VALUES ({placeholders})", rows)  # noqa: S608  our own tables

    def save(self, table: str, rows: Iterable[Row]) -> None:
        """Write whole rows in a transaction of their own."""
        with self.writing():
            self.replace(table, rows)

    def _prepare(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")  # two processes that meet a new file make its tables once
        ((application_id,),) = self._connection.execute("PRAGMA application_id").fetchall()
        ((version,),) = self._connection.execute("PRAGMA user_version").fetchall()
        ((tables,),) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        if (application_id, version, tables) == (0, 0, 0):
            self._execute_all(schema.SCHEMA)
            self._connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        elif application_id == schema.APPLICATION_ID and version in schema.UPGRADES:
            for older in range(version, schema.VERSION):
                self._execute_all(schema.UPGRADES[older])
        elif (application_id, version) != (schema.APPLICATION_ID, schema.VERSION):
            found = f"version {version}" if application_id == schema.APPLICATION_ID else "another program's database"
            msg = f"{self.path}: expected a facestream database of version {schema.VERSION}, found {found}; "
            msg += "choose another file, or the facestream that made this one"
            raise InvalidInput(msg)
        self._connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        self._connection.execute("COMMIT")
        self._use_wal()
        # Deleted content is overwritten: vectors and names of erased faces must not stay in the file.
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def _execute_all(self, statements: str) -> None:
        for statement in statements.split(";"):
            self._connection.execute(statement)

    def _use_wal(self) -> None:
        """Set the journal mode WAL. That needs an exclusive lock, for which SQLite itself does not wait."""
        until = time.monotonic() + _LOCK_TIMEOUT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate SQLite's exceptions to the errors of the port."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            translated = self._translated(error)
            if translated is None:
                raise
            raise translated from error

    def _translated(self, error: sqlite3.DatabaseError) -> FacestreamError | None:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the low byte is the class of the error
            case sqlite3.SQLITE_FULL:
                return Transient(f"{self.path}: no space left on the disk; all that was saved before is kept")
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
                return Transient(f"{self.path}: another process has locked it for {_LOCK_TIMEOUT:g} s ({error})")
            case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOMEM:
                return Transient(f"{self.path}: {error}")
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                return InvalidInput(f"{self.path}: expected a facestream database: {error}; move it away")
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                return InvalidInput(f"{self.path}: expected a file that can be read and written: {error}")
        return None


class SqliteStore:
    """Tables of a SQLite file, for one of the ports."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

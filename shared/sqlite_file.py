"""One SQLite file of facestream: reading rows, writing in transactions, SQLite's errors as those of `shared.errors`.

With the journal mode WAL and `synchronous = NORMAL`, nothing is lost when the process dies, and the file is never
damaged. A machine that loses power may lose the last transactions.
"""

import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from shared.errors import FacestreamError, InvalidInput, Transient

Row = tuple[Any, ...]

SELECTED = "(SELECT value FROM json_each(?))"
"""A list as one parameter, as JSON: SQLite limits the number of parameters, and not the length of one."""

# Each file carries an application id in its header, by which it is known from other programs' databases.
FACE_DATABASE_ID = 0x66616365  # "face"
MANIFEST_ID = 0x6D616465  # "made"

_HEADER = b"SQLite format 3\0"  # https://sqlite.org/fileformat2.html, "the database header"
_APPLICATION_ID = slice(68, 72)
_TIMEOUT = 30.0  # seconds that a statement waits for the lock of another process


def application_id_of(path: Path) -> int | None:
    """Return the application id in the header of a file, which is not opened as a database.

    None where there is no file, for a link, a folder or a pipe, and for a file that is not an SQLite database.
    """
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    with path.open("rb") as file:
        header = file.read(_APPLICATION_ID.stop)
    is_whole = header.startswith(_HEADER) and len(header) == _APPLICATION_ID.stop
    return int.from_bytes(header[_APPLICATION_ID], "big") if is_whole else None


class SqliteFile:
    """The file `path`, which SQLite makes if it is missing; a context manager that closes it.

    `content` names in messages what the file should hold, such as "a facestream database". All methods raise
    `InvalidInput` where the file holds something else or cannot be read and written, and `Transient` where the disk
    is full or another process has locked the file for too long.
    """

    def __init__(self, path: Path, content: str) -> None:
        self.path = path
        self._content = content
        with self.errors():
            # No isolation level: transactions begin with `writing`.
            self._connection = sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, sql: str, *parameters: object) -> Sequence[Row]:
        """Return the rows that a query finds."""
        with self.errors():
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write everything within the context in one transaction; within another transaction, as a part of it."""
        if self._connection.in_transaction:
            yield
            return
        with self.errors():
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
        with self.errors():
            return self._connection.execute(sql, parameters).rowcount

    def execute_for_each(self, sql: str, rows: Iterable[Row]) -> None:
        """Execute a statement once for each row of parameters, within `writing`."""
        with self.errors():
            self._connection.executemany(sql, rows)

    def execute_all(self, statements: str) -> None:
        """Execute statements that are separated by semicolons, within `writing`."""
        with self.errors():
            for statement in statements.split(";"):
                self._connection.execute(statement)

    def use_wal(self) -> None:
        """Switch to the journal mode WAL. This needs the file for itself, and SQLite does not wait for that on its own.

        The file must have its tables: before the first checkpoint its header, with the application id, is empty.
        """
        until = time.monotonic() + _TIMEOUT
        with self.errors():
            while True:
                try:
                    self._connection.execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                        raise
                    time.sleep(0.01)
                else:
                    break
            self._connection.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise errors of SQLite within the context as `InvalidInput` or `Transient`; others are raised as they are."""
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
                return Transient(f"{self.path}: another process has locked it for {_TIMEOUT:g} s ({error})")
            case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOMEM:
                return Transient(f"{self.path}: {error}")
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                return InvalidInput(f"{self.path}: expected {self._content}: {error}; move it away")
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                return InvalidInput(f"{self.path}: expected a file that can be read and written: {error}")
        return None

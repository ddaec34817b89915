"""What this software has made in the folder of a result: the one ground on which it replaces or removes anything.

A file is noted before it is put in its place, and forgotten after it is gone. So a process that ends at any moment
leaves nothing there that it does not know, and what it noted and did not make proves nothing: a note is a path and
the digest of the bytes that are to be there.
"""

import contextlib
import json
import os
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from services.standalone.result.proof import Proof, application_id, status
from shared.errors import FacestreamError, InvalidInput, Transient

MANIFEST = ".facestream-made.db"
SCRATCH = ".facestream-"  # and 32 random digits; a name is noted before it is used
_APPLICATION_ID = 0x6D616465  # "made"
_VERSION = 1
_BLOCK = 2_000  # paths looked up together
_PATIENCE = 30.0  # seconds
_SCHEMA = f"""
CREATE TABLE made (
    path TEXT, sha256 BLOB, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, PRIMARY KEY (path, sha256)
) WITHOUT ROWID;
CREATE TABLE folders (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE scratch (name TEXT PRIMARY KEY) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""


class Manifest:
    """The notes of a result, in a small database of their own; a context manager, for whoever holds the folder.

    Paths are relative to the folder `out`, with `/`. Raises `InvalidInput` where something else lies in its place,
    and `Transient` where the disk is full.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._path = out / MANIFEST
        found = status(self._path)
        if found and (found.st_size or self._path.is_symlink()) and not is_manifest(self._path):
            msg = f"{self._path}: expected what facestream notes there of its own files, found something else; move it"
            msg += " away"
            raise InvalidInput(msg)
        with self._errors():
            self._connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
            # Whoever reads notes holds the folder: SQLite needs no file to tell processes of each other.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        if self.begun:
            self._write_ahead()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def begun(self) -> bool:
        """Whether there are notes. A result of a version that took none has none."""
        ((version,),) = self._rows("PRAGMA user_version")
        if version not in (0, _VERSION):
            msg = f"{self._path}: expected notes of version {_VERSION}, found version {version}; use the facestream"
            msg += " that wrote them"
            raise InvalidInput(msg)
        return bool(version)

    def begin(self, proofs: Mapping[str, Proof], folders: Iterable[str]) -> None:
        """Begin to take notes; the first ones are there together with the file."""
        with self._writing():
            for statement in _SCHEMA.split(";"):
                self._connection.execute(statement)
            self._insert(proofs, folders)
        self._write_ahead()

    def proofs(self, paths: Sequence[str]) -> Mapping[str, Sequence[Proof]]:
        """Return what may lie at each of these paths that has a note: more than one proof while it is replaced."""
        found: defaultdict[str, list[Proof]] = defaultdict(list)
        for path, *proof in self._rows(
            "SELECT * FROM made WHERE path IN (SELECT value FROM json_each(?))", json.dumps(paths)
        ):
            found[path].append(Proof(*proof))
        return dict(found)

    def note(self, proofs: Mapping[str, Proof], folders: Iterable[str] = ()) -> None:
        """Note what is about to be made, beside what is noted already."""
        with self._writing():
            self._insert(proofs, folders)

    def settle(self, there: Mapping[str, Proof], gone: Iterable[str] = ()) -> None:
        """Note what has become of paths: those that are `there` have this one proof, those `gone` none."""
        with self._writing():
            paths = json.dumps([*there, *gone])
            self._connection.execute("DELETE FROM made WHERE path IN (SELECT value FROM json_each(?))", (paths,))
            self._insert(there, ())

    def folders(self) -> list[str]:
        """Return the folders that were made, in ascending order."""
        return [path for (path,) in self._rows("SELECT path FROM folders ORDER BY path")]

    def forget_folders(self, paths: Iterable[str]) -> None:
        """Forget folders that are gone."""
        with self._writing():
            self._connection.executemany("DELETE FROM folders WHERE path = ?", [(path,) for path in paths])

    def scratch(self) -> Path:
        """Return a name in the folder that nobody uses, for what is written there before it gets its own name."""
        name = f"{SCRATCH}{secrets.token_hex(16)}"
        with self._writing():
            self._connection.execute("INSERT INTO scratch VALUES (?)", (name,))
        return self.out / name

    def sweep(self) -> None:
        """Remove what is left at names that `scratch` gave out, in a process that ended before its time too."""
        names = [name for (name,) in self._rows("SELECT name FROM scratch")]
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.out / name)  # noqa: PTH108  as all that changes the folder, by the functions of `os`
        if names:
            with contextlib.suppress(Transient), self._writing():  # on a full disk the names are swept once more
                self._connection.execute("DELETE FROM scratch")

    @contextlib.contextmanager
    def wanting(self) -> Iterator[None]:
        """Let `want` collect paths, and `wanted` and `unwanted` tell of them, within this context."""
        with self._errors():
            self._connection.execute("CREATE TEMP TABLE wanted (path TEXT PRIMARY KEY, source TEXT) WITHOUT ROWID")
        try:
            yield
        finally:
            with self._errors():
                self._connection.execute("DROP TABLE temp.wanted")

    def want(self, path: str, source: str) -> None:
        """Collect a path that is to be there; `source` is the path that it is made from."""
        with self._errors():
            self._connection.execute("INSERT OR REPLACE INTO wanted VALUES (?, ?)", (path, source))

    def wanted(self) -> Iterator[list[tuple[str, str]]]:
        """Yield blocks of the paths that were collected and their sources, in ascending order of paths."""
        last, sql = "", "SELECT path, source FROM wanted WHERE path > ? ORDER BY path LIMIT ?"
        while block := [(path, source) for path, source in self._rows(sql, last, _BLOCK)]:
            yield block
            last = block[-1][0]

    def unwanted(self, folder: str) -> Iterator[list[str]]:
        """Yield blocks of the noted paths below a folder that were not collected, in ascending order."""
        last, end = f"{folder}/", f"{folder}0"  # "0" comes after "/"
        sql = "SELECT DISTINCT path FROM made WHERE path > ? AND path < ? AND path NOT IN (SELECT path FROM wanted)"
        while block := [path for (path,) in self._rows(f"{sql} ORDER BY path LIMIT ?", last, end, _BLOCK)]:
            yield block
            last = block[-1]

    def is_wanted_below(self, folder: str) -> bool:
        """Say whether a path below a folder was collected."""
        return bool(self._rows("SELECT 1 FROM wanted WHERE path > ? AND path < ? LIMIT 1", f"{folder}/", f"{folder}0"))

    def _write_ahead(self) -> None:
        """Spare waiting for the disk at each note: a machine that loses power may lose the last ones, none is torn.

        Not before the first notes are in the file itself, since it is recognised by them.
        """
        with self._errors():
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")

    def _insert(self, proofs: Mapping[str, Proof], folders: Iterable[str]) -> None:
        rows = [(path, proof.sha256, proof.size, proof.mtime_ns) for path, proof in proofs.items()]
        self._connection.executemany("REPLACE INTO made VALUES (?, ?, ?, ?)", rows)
        self._connection.executemany("INSERT OR IGNORE INTO folders VALUES (?)", [(path,) for path in folders])

    def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._connection.execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself may have rolled back, when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
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
                return Transient(f"{self._path}: no space left on the disk; all that was saved before is kept")
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL | sqlite3.SQLITE_IOERR:
                return Transient(f"{self._path}: {error}")
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                return InvalidInput(f"{self._path}: expected notes of what facestream made: {error}; move it away")
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                return InvalidInput(f"{self._path}: expected a file that can be read and written: {error}")
        return None


def is_manifest(path: Path) -> bool:
    """Say whether a file holds such notes."""
    return application_id(path) == _APPLICATION_ID

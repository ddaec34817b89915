"""The manifest: which files facestream itself has made in the folder of a result.

It is the only ground on which a command replaces or removes a file there. An entry is a path with the digest of the
bytes that may lie at that path. It is written before the file gets its name, and removed after the file is gone. So a
process that ends at any moment leaves no file of its own without an entry, and an entry whose file was never made
does no harm, since no other file has these bytes.
"""

import contextlib
import json
import os
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from services.standalone.result.file_digest import FileDigest, status
from shared.errors import InvalidInput, Transient
from shared.sqlite_file import MANIFEST_ID, SELECTED, Row, SqliteFile, application_id_of

MANIFEST = ".facestream-made.db"
SCRATCH = ".facestream-"  # and 32 random digits; a name is recorded before it is used
_VERSION = 1
_BLOCK = 2_000  # paths looked up together
_SCHEMA = f"""
CREATE TABLE made (
    path TEXT, sha256 BLOB, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, PRIMARY KEY (path, sha256)
) WITHOUT ROWID;
CREATE TABLE folders (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE scratch (name TEXT PRIMARY KEY) WITHOUT ROWID;
PRAGMA application_id = {MANIFEST_ID};
PRAGMA user_version = {_VERSION};
"""


class MadeFiles:
    """The manifest of the result in the folder `out`; a context manager, for a process that has locked that folder.

    Paths are relative to `out`, with `/`. Raises `InvalidInput` where something else lies under the manifest's name,
    and `Transient` where the disk is full.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        path = out / MANIFEST
        found = status(path)
        if found and (found.st_size or path.is_symlink()) and not is_manifest(path):
            msg = f"{path}: expected the list of files that facestream has made, found something else; move it away"
            raise InvalidInput(msg)
        self._file = SqliteFile(path, "the list of files that facestream has made")
        # The folder is locked, so SQLite need not share the file with other processes.
        self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
        if self.begun:
            self._file.use_wal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    @property
    def begun(self) -> bool:
        """Whether the manifest has its tables. The result of a version without manifests has none yet."""
        ((version,),) = self._file.rows("PRAGMA user_version")
        if version not in (0, _VERSION):
            msg = f"{self._file.path}: expected a list of made files of version {_VERSION}, found version {version};"
            msg += " use the facestream that wrote it"
            raise InvalidInput(msg)
        return bool(version)

    def begin(self, digests: Mapping[str, FileDigest], folders: Iterable[str]) -> None:
        """Make the tables, in one transaction with the first entries."""
        with self._file.writing():
            self._file.execute_all(_SCHEMA)
            self._insert(digests, folders)
        self._file.use_wal()  # not before: a file is known as a manifest by its header, which must be written

    def digests(self, paths: Sequence[str]) -> Mapping[str, Sequence[FileDigest]]:
        """Return the digests of each of these paths that has an entry: several while a file is replaced."""
        found: defaultdict[str, list[FileDigest]] = defaultdict(list)
        for path, *digest in self._file.rows(f"SELECT * FROM made WHERE path IN {SELECTED}", json.dumps(paths)):  # noqa: S608  a constant
            found[path].append(FileDigest(*digest))
        return dict(found)

    def note(self, digests: Mapping[str, FileDigest], folders: Iterable[str] = ()) -> None:
        """Add entries for files and folders that are about to be made; other entries of these paths stay."""
        with self._file.writing():
            self._insert(digests, folders)

    def replace(self, made: Mapping[str, FileDigest], gone: Iterable[str] = ()) -> None:
        """Give each path in `made` this one digest as its entry, and remove the entries of the paths in `gone`."""
        with self._file.writing():
            self._file.execute(f"DELETE FROM made WHERE path IN {SELECTED}", json.dumps([*made, *gone]))  # noqa: S608  a constant
            self._insert(made, ())

    def folders(self) -> list[str]:
        """Return the folders that were made, in ascending order."""
        return [path for (path,) in self._file.rows("SELECT path FROM folders ORDER BY path")]

    def forget_folders(self, paths: Iterable[str]) -> None:
        """Remove the entries of folders that are gone."""
        with self._file.writing():
            self._file.execute_for_each("DELETE FROM folders WHERE path = ?", [(path,) for path in paths])

    def scratch(self) -> Path:
        """Return a path in the folder that nobody uses, for a file that gets its own name when it is complete."""
        name = f"{SCRATCH}{secrets.token_hex(16)}"
        with self._file.writing():
            self._file.execute("INSERT INTO scratch VALUES (?)", name)
        return self.out / name

    def sweep(self) -> None:
        """Remove the files at paths that `scratch` returned, to this process or to one that was killed."""
        names = [name for (name,) in self._file.rows("SELECT name FROM scratch")]
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.out / name)  # noqa: PTH108  as all that changes the folder, by the functions of `os`
        if names:
            with contextlib.suppress(Transient), self._file.writing():  # a full disk: the next sweep tries again
                self._file.execute("DELETE FROM scratch")

    @contextlib.contextmanager
    def wanting(self) -> Iterator[None]:
        """Open an empty list of wanted paths, which the methods below use; it ends with the context."""
        self._file.execute("CREATE TEMP TABLE wanted (path TEXT PRIMARY KEY, source TEXT) WITHOUT ROWID")
        try:
            yield
        finally:
            self._file.execute("DROP TABLE temp.wanted")

    def want(self, path: str, source: str) -> None:
        """Put a path on the list; `source` is the path of the file that it is a link to, or a copy of."""
        self._file.execute("INSERT OR REPLACE INTO wanted VALUES (?, ?)", path, source)

    def wanted(self) -> Iterator[list[tuple[str, str]]]:
        """Yield blocks of the wanted paths with their sources, in ascending order of paths."""
        last, sql = "", "SELECT path, source FROM wanted WHERE path > ? ORDER BY path LIMIT ?"
        while block := [(path, source) for path, source in self._file.rows(sql, last, _BLOCK)]:
            yield block
            last = block[-1][0]

    def unwanted(self, folder: str) -> Iterator[list[str]]:
        """Yield blocks of the paths below a folder that have an entry and are not wanted, in ascending order."""
        last, end = f"{folder}/", f"{folder}0"  # "0" comes after "/"
        sql = "SELECT DISTINCT path FROM made WHERE path > ? AND path < ? AND path NOT IN (SELECT path FROM wanted)"
        while block := [path for (path,) in self._file.rows(f"{sql} ORDER BY path LIMIT ?", last, end, _BLOCK)]:
            yield block
            last = block[-1]

    def is_wanted_below(self, folder: str) -> bool:
        """Return whether a path below a folder is wanted."""
        sql = "SELECT 1 FROM wanted WHERE path > ? AND path < ? LIMIT 1"
        return bool(self._file.rows(sql, f"{folder}/", f"{folder}0"))

    def _insert(self, digests: Mapping[str, FileDigest], folders: Iterable[str]) -> None:
        rows: list[Row] = [(path, digest.sha256, digest.size, digest.mtime_ns) for path, digest in digests.items()]
        self._file.execute_for_each("REPLACE INTO made VALUES (?, ?, ?, ?)", rows)
        self._file.execute_for_each("INSERT OR IGNORE INTO folders VALUES (?)", [(path,) for path in folders])


def is_manifest(path: Path) -> bool:
    """Return whether a file is a manifest, by its header."""
    return application_id_of(path) == MANIFEST_ID

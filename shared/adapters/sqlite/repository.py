"""Images, faces and generations in one SQLite file. Every call that writes is one transaction."""

from pathlib import Path
from typing import Self

from shared.adapters.sqlite.database import FaceDatabase
from shared.adapters.sqlite.file_index import SqliteFileIndex
from shared.adapters.sqlite.generations import SqliteGenerationStore
from shared.adapters.sqlite.photos import SqlitePhotoCatalog


class SqliteRepository(SqlitePhotoCatalog, SqliteGenerationStore):
    """A `FaceRepository` in the file `path`, which is created if it does not exist; a context manager.

    One object is for one thread; several objects, in several processes too, may use one file. Raises `InvalidInput` if
    the file is not a database of this software and version, and `Transient` if the disk is full or another process
    keeps the file locked too long.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(FaceDatabase(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Everything that was saved is stored already."""
        self._file.close()

    def file_index(self) -> SqliteFileIndex:
        """Return the index of a folder's files, which is in the same SQLite file."""
        return SqliteFileIndex(self._file)

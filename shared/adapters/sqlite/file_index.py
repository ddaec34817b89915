"""The index of files in the SQLite file of a result."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from shared.adapters.sqlite.database import FaceDatabase
from shared.ports.file_index import IndexedFile
from shared.sqlite_file import SELECTED

_PAGE = 5_000  # rows read at once


class SqliteFileIndex:
    """A `FileIndex` in the table `files` of the SQLite file that contains the repository too."""

    def __init__(self, file: FaceDatabase) -> None:
        self._file = file

    def begin_run(self) -> bool:
        """Note that a run begins; return whether the run before it was completed."""
        begun = self._file.rows("SELECT value FROM control WHERE name = 'run'")
        self._file.save("control", [("run", 1)])
        return not begun or begun[0] == (0,)

    def end_run(self) -> None:
        """Note that the run is completed."""
        self._file.save("control", [("run", 0)])

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context manager that makes all writes within it one transaction."""
        return self._file.writing()

    def files(self) -> Iterator[IndexedFile]:
        """Yield every file, in ascending order of the UTF-8 bytes of its key."""
        sql, last = "SELECT * FROM files WHERE key > ? ORDER BY key LIMIT ?", ""
        while files := [IndexedFile(*row) for row in self._file.rows(sql, last, _PAGE)]:
            yield from files
            last = files[-1].key

    def named(self, keys: Collection[str]) -> Mapping[str, IndexedFile]:
        """Return those of these files that are in the index, by key."""
        return {key: files[0] for key, files in self._files_whose("key", keys).items()}

    def save(self, files: Sequence[IndexedFile]) -> None:
        """Store files."""
        rows = ((file.key, file.stamp, file.size, file.etag, file.image_id, file.unread_by) for file in files)
        self._file.save("files", rows)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove files."""
        with self._file.writing():
            self._file.execute(f"DELETE FROM files WHERE key IN {SELECTED}", json.dumps(list(keys)))  # noqa: S608  a constant

    def sizes_among(self, sizes: Collection[int]) -> frozenset[int]:
        """Return those of these sizes, in bytes, that a photograph has whose bytes were read."""
        sql = f"SELECT DISTINCT size FROM files WHERE size IN {SELECTED} AND image_id <> '' AND etag <> ''"  # noqa: S608  a constant
        return frozenset(size for (size,) in self._file.rows(sql, json.dumps(list(sizes))))

    def with_contents(self, etags: Collection[str]) -> Mapping[str, Sequence[IndexedFile]]:
        """Return the photographs with each of these etags that any has, by etag."""
        found = self._files_whose("etag", etags)
        return {
            etag: files for etag, of_etag in found.items() if (files := [file for file in of_etag if file.image_id])
        }

    def copies(self) -> int:
        """Return the number of files that have the same photograph as an earlier file."""
        sql = "SELECT count(*) - count(DISTINCT image_id) FROM files WHERE image_id <> ''"
        ((copies,),) = self._file.rows(sql)
        return int(copies)

    def passed_over(self) -> Iterator[tuple[str, str]]:
        """Yield the key of each file that is no photograph, and the reason, in ascending order of the keys."""
        yield from self._file.rows("SELECT key, unread_by FROM files WHERE image_id = '' ORDER BY key")

    def of_images(self, image_ids: Collection[str]) -> Mapping[str, Sequence[IndexedFile]]:
        """Return the files with each of these photographs, by image id."""
        return self._files_whose("image_id", image_ids)

    def _files_whose(self, column: str, values: Collection[str]) -> dict[str, list[IndexedFile]]:
        sql = f"SELECT {column}, * FROM files WHERE {column} IN {SELECTED} ORDER BY key"  # noqa: S608  our own columns
        found: defaultdict[str, list[IndexedFile]] = defaultdict(list)
        for value, *row in self._file.rows(sql, json.dumps([value for value in values if value])):
            found[value].append(IndexedFile(*row))
        return dict(found)

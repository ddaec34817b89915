"""The database of a result: an SQLite file whose tables are upgraded to the present version when it is opened."""

from collections.abc import Iterable
from pathlib import Path

from shared.adapters.sqlite import schema
from shared.errors import InvalidInput
from shared.sqlite_file import FACE_DATABASE_ID, Row, SqliteFile


class FaceDatabase(SqliteFile):
    """The file `path`, which is created if it does not exist.

    Raises `InvalidInput` if it is not a database of this software and version, and `Transient` if the disk is full or
    another process has locked it for too long.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a facestream database")
        try:
            with self.errors():
                self._prepare()
        except BaseException:
            self.close()
            raise

    def replace(self, table: str, rows: Iterable[Row]) -> None:
        """Write whole rows, within `writing`; a row replaces one with the same key."""
        ((columns,),) = self.rows("SELECT count(*) FROM pragma_table_info(?)", table)
        values = ", ".join("?" * columns)
        self.execute_for_each(f"REPLACE INTO {table} VALUES ({values})", rows)  # noqa: S608  our own tables

    def save(self, table: str, rows: Iterable[Row]) -> None:
        """Write whole rows in a transaction of their own."""
        with self.writing():
            self.replace(table, rows)

    def _prepare(self) -> None:
        with self.writing():  # two processes that open a new file make its tables once
            ((application_id,),) = self.rows("PRAGMA application_id")
            ((version,),) = self.rows("PRAGMA user_version")
            ((tables,),) = self.rows("SELECT count(*) FROM sqlite_master")
            if (application_id, version, tables) == (0, 0, 0):
                self.execute_all(schema.SCHEMA)
                self.execute(f"PRAGMA application_id = {FACE_DATABASE_ID}")
            elif application_id == FACE_DATABASE_ID and version in schema.UPGRADES:
                for older in range(version, schema.VERSION):
                    self.execute_all(schema.UPGRADES[older])
            elif (application_id, version) != (FACE_DATABASE_ID, schema.VERSION):
                found = f"version {version}" if application_id == FACE_DATABASE_ID else "another program's database"
                msg = f"{self.path}: expected a facestream database of version {schema.VERSION}, found {found}; "
                msg += "choose another file, or the facestream that made this one"
                raise InvalidInput(msg)
            self.execute(f"PRAGMA user_version = {schema.VERSION}")
        self.use_wal()
        # Deleted data is overwritten: vectors and names of erased faces must not stay in the file.
        self.execute("PRAGMA secure_delete = ON")


class SqliteStore:
    """Tables of a SQLite file, for one of the ports."""

    def __init__(self, file: FaceDatabase) -> None:
        self._file = file

"""The database that a command on people or generations works on: that of the stream, or that of a result folder."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from services.standalone.result.file_digest import status
from services.standalone.result.folder import DATABASE, is_database
from services.standalone.result.lock import locked
from shared.adapters.sqlite.repository import SqliteRepository
from shared.atomic_output import explained
from shared.domain.records import Generation
from shared.errors import InvalidInput
from shared.ports.repository import FaceRepository


def opened(result: Path | None) -> AbstractContextManager[FaceRepository]:
    """Return the database of a result folder, or that of the stream if `result` is None; raises `InvalidInput`."""
    if result is None:
        # Not at the top: commands on folders must work without the libraries of the stream.
        from shared.adapters.mongo.repository import MongoRepository  # noqa: PLC0415
        from shared.adapters.mongo.settings import MongoSettings  # noqa: PLC0415

        return MongoRepository(MongoSettings())
    return SqliteRepository(_database_of(result))


def _database_of(result: Path) -> Path:
    database = result / DATABASE
    with explained(result):
        if not status(database):
            msg = f"{result}: expected a folder that `facestream run` wrote, found no {DATABASE} in it"
            raise InvalidInput(msg)
        if not is_database(database):  # SQLite would write into an empty file, and follow a link
            msg = f"{database}: expected a facestream database, found something else; name a folder that `facestream"
            msg += " run` wrote"
            raise InvalidInput(msg)
    return database


@contextmanager
def opened_result(result: Path) -> Iterator[SqliteRepository]:
    """Open the database of a result folder, and lock the folder; raises `InvalidInput` if a run has locked it."""
    with SqliteRepository(_database_of(result)) as repository, locked(result):
        yield repository


@contextmanager
def opened_to_change(result: Path | None) -> Iterator[FaceRepository]:
    """Like `opened`, and lock the result folder; raises `InvalidInput` if a run has locked it."""
    with opened(result) as repository, locked(result) if result else nullcontext():
        yield repository


@contextmanager
def opened_exclusively(result: Path | None) -> Iterator[FaceRepository]:
    """Like `opened_to_change`, and acquire the lease of the stream; raises `Busy` if another process has it."""
    with opened_to_change(result) as repository:
        if result is not None:
            yield repository
            return
        # Not at the top: see `opened`.
        from cli.operator_lease import lease_of  # noqa: PLC0415
        from services.reclusterer.settings import JobSettings  # noqa: PLC0415

        with lease_of(repository, JobSettings()):
            yield repository


def active(repository: FaceRepository) -> Generation:
    """Return the active generation; raises `InvalidInput` if there is none."""
    found = repository.active_generation()
    if found is None:
        msg = "expected an active generation, found none: the faces have not been clustered yet"
        raise InvalidInput(msg)
    return found


def numbered(repository: FaceRepository, number: int) -> Generation:
    """Return the generation of this number; raises `InvalidInput` if there is none."""
    found = repository.generation(number)
    if found is None:
        numbers = ", ".join(str(generation.number) for generation in repository.generations()) or "none"
        msg = f"generation {number}: expected one of {numbers}"
        raise InvalidInput(msg)
    return found

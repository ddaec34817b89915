"""Where generations are read from: the stream's database, or that of a folder's result."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from services.standalone.result.folder import DATABASE, is_database
from services.standalone.result.lock import locked
from services.standalone.result.proof import status
from shared.adapters.sqlite.repository import SqliteRepository
from shared.atomic_output import explained
from shared.domain.records import Generation
from shared.errors import InvalidInput
from shared.ports.repository import FaceRepository


def opened(result: Path | None) -> AbstractContextManager[FaceRepository]:
    """Return the database of the result in a folder, or that of the stream; raises `InvalidInput`."""
    if result is None:
        # Not at the top: who works on folders alone need not have the libraries of the stream.
        from shared.adapters.mongo.repository import MongoRepository, MongoSettings  # noqa: PLC0415

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
    """Open the database of a result and keep every run out of its folder; raises `InvalidInput`."""
    with SqliteRepository(_database_of(result)) as repository, locked(result):
        yield repository


@contextmanager
def opened_to_change(result: Path | None) -> Iterator[FaceRepository]:
    """Do as `opened`, and keep every run out of the folder; raises `InvalidInput` where one is in it."""
    with opened(result) as repository, locked(result) if result else nullcontext():
        yield repository


@contextmanager
def opened_alone(result: Path | None) -> Iterator[FaceRepository]:
    """Do as `opened_to_change`, and keep out whoever publishes generations of the stream; raises `Busy`."""
    with opened_to_change(result) as repository:
        if result is not None:
            yield repository
            return
        # Not at the top: see above.
        from cli.jobs.leading import alone  # noqa: PLC0415
        from services.reclusterer.settings import JobSettings  # noqa: PLC0415

        with alone(repository, JobSettings()):
            yield repository


def active(repository: FaceRepository) -> Generation:
    """Return the active generation; raises `InvalidInput` where there is none."""
    found = repository.active_generation()
    if found is None:
        msg = "expected a generation, found none yet: faces have not been grouped so far"
        raise InvalidInput(msg)
    return found


def numbered(repository: FaceRepository, number: int) -> Generation:
    """Return a generation by its number; raises `InvalidInput` where there is none."""
    found = repository.generation(number)
    if found is None:
        numbers = ", ".join(str(generation.number) for generation in repository.generations()) or "none"
        msg = f"generation {number}: expected one of {numbers}"
        raise InvalidInput(msg)
    return found

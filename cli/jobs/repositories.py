"""Where generations are read from: the stream's database, or that of a folder's result."""

from contextlib import AbstractContextManager
from pathlib import Path

from services.standalone.result_folder import DATABASE
from shared.adapters.mongo import MongoRepository, MongoSettings
from shared.adapters.sqlite import SqliteRepository
from shared.errors import InvalidInput
from shared.ports import FaceRepository
from shared.records import Generation


def opened(result: Path | None) -> AbstractContextManager[FaceRepository]:
    """Return the database of the result in a folder, or that of the stream; raises `InvalidInput`."""
    if result is None:
        return MongoRepository(MongoSettings())
    database = result / DATABASE
    if not database.is_file():
        msg = f"{result}: expected a folder that `facestream run` wrote, found no {DATABASE} in it"
        raise InvalidInput(msg)
    return SqliteRepository(database)


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

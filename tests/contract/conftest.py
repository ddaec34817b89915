"""The adapters that the contract suites run against. A further adapter is a further entry in these tables."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from shared.adapters.folder.store import FolderStore
from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.memory.repository import MemoryRepository
from shared.adapters.sqlite.repository import SqliteRepository
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository
from tests.support.repositories import minio_store, mongo_repositories

BUCKET = "photos"


def _memory_store(_folder: Path) -> ObjectStore:
    return MemoryObjectStore()


def _folder_store(folder: Path) -> ObjectStore:
    return FolderStore({BUCKET: folder})


_STORES = {"memory": _memory_store, "folder": _folder_store}
_MINIO = pytest.param("minio", marks=pytest.mark.slow)  # its first start builds it


@dataclass(frozen=True)
class Repositories:
    """Opens repositories of one kind: new and empty ones, and further ones that see the data of another."""

    new: Callable[[], AbstractContextManager[FaceRepository]]
    beside: Callable[[FaceRepository], AbstractContextManager[FaceRepository]]
    many: int = 12_345  # more than any adapter reads at once, or takes as parameters of one query


def _memory_repositories(_folder: Path) -> Repositories:
    return Repositories(lambda: nullcontext(MemoryRepository()), nullcontext)


def _sqlite_repositories(folder: Path) -> Repositories:
    empty, numbers = folder / "empty.db", count()
    SqliteRepository(empty).close()

    def at(path: Path) -> SqliteRepository:
        repository = SqliteRepository(path)
        repository._file._connection.execute("PRAGMA synchronous = OFF")  # a hundred examples need not reach the disk
        return repository

    def new() -> SqliteRepository:
        # A copy, because making the tables waits for the disk (60 ms).
        return at(Path(shutil.copy(empty, folder / f"{next(numbers)}.db")))

    def beside(repository: FaceRepository) -> SqliteRepository:
        assert isinstance(repository, SqliteRepository)
        return at(repository._file.path)

    return Repositories(new, beside)


_REPOSITORIES = {"memory": _memory_repositories, "sqlite": _sqlite_repositories}
_MONGO = [pytest.param(name, marks=pytest.mark.slow) for name in ("mongo", "second_mongo")]

_DEVIATIONS = {
    "test_of_many_who_ask_at_once_everyone_gets_another_number": (
        "mongo-java-server 1.47.0 answers findAndModify with what the document has become meanwhile:"
        " findings/mongo-java-server-answers-find-and-modify-late.sh"
    )
}
"""Tests that may fail on the second server, each with the defect of that server that contradicts MongoDB's manual."""


# Of module scope, because property tests run many examples in one test: an example takes a key prefix or a
# repository of its own.
@pytest.fixture(scope="module", params=[*_STORES, _MINIO])
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    if request.param == "minio":
        return minio_store(request.getfixturevalue("minio"), BUCKET)
    return _STORES[request.param](tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module", params=[*_REPOSITORIES, *_MONGO])
def repositories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repositories]:
    if request.param == "mongo":
        with mongo_repositories(request.getfixturevalue("mongo")) as (new, beside):
            yield Repositories(new, beside)
    elif request.param == "second_mongo":
        # Without indexes it takes minutes for as many records as the others get, so it gets smaller pages and fewer.
        with (
            pytest.MonkeyPatch.context() as patch,
            mongo_repositories(request.getfixturevalue("second_mongo")) as (new, beside),
        ):
            patch.setattr("shared.adapters.mongo.collection._PAGE", 500)
            patch.setattr("shared.adapters.mongo.collection._IDS", 100)
            yield Repositories(new, beside, many=1_234)
    else:
        yield _REPOSITORIES[request.param](tmp_path_factory.mktemp("repositories"))


@pytest.fixture
def repository(repositories: Repositories) -> Iterator[FaceRepository]:
    with repositories.new() as repository:
        yield repository


@pytest.fixture
def many(repositories: Repositories) -> int:
    """Give a number of records that is more than one page, and more than one query takes."""
    return repositories.many


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Let the tests of `_DEVIATIONS` fail on the second server, and on no other one."""
    for item in items:
        if isinstance(item, pytest.Function) and "[second_mongo" in item.name:
            reason = _DEVIATIONS.get(item.originalname)
            if reason:
                item.add_marker(pytest.mark.xfail(reason=reason, raises=AssertionError, strict=False))

"""Adapters of real servers, for the contract tests."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from uuid import uuid4

from pymongo import MongoClient

from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository

New = Callable[[], AbstractContextManager[FaceRepository]]
Beside = Callable[[FaceRepository], AbstractContextManager[FaceRepository]]


def minio_store(settings: MinioSettings, bucket: str) -> ObjectStore:
    """Return a store that has the bucket."""
    store = MinioStore(settings)
    store.make_bucket(bucket)
    return store


@contextmanager
def mongo_repositories(settings: MongoSettings) -> Iterator[tuple[New, Beside]]:
    """Yield two functions: one returns an empty repository, one a second client of the same data.

    All repositories use one database, which is emptied each time, because a property test needs hundreds.
    """
    settings = settings.model_copy(update={"database": f"contract-{uuid4().hex[:12]}"})
    with (
        MongoClient[dict[str, object]](settings.uri.get_secret_value()) as client,
        MongoRepository(settings) as repository,
        MongoRepository(settings) as beside,
    ):
        database = client[settings.database]
        repository.create_indexes()

        def new() -> AbstractContextManager[FaceRepository]:
            for name in database.list_collection_names():
                database[name].delete_many({})
            return nullcontext(repository)

        yield new, lambda _: nullcontext(beside)
        client.drop_database(settings.database)

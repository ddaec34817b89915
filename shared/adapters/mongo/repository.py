"""Images, faces and generations in MongoDB.

Nothing here needs a transaction: a record is one document, and one document of `control` decides which generation
readers see. So a single server is enough, as well as a replica set.
"""

from collections.abc import Sequence
from typing import Self

from shared.adapters.mongo.collection import Collections, make_index
from shared.adapters.mongo.generations import MongoGenerationStore
from shared.adapters.mongo.lease import MongoLeaseStore
from shared.adapters.mongo.memberships import BY_CLUSTER
from shared.adapters.mongo.photos import BY_KEY, MongoPhotoCatalog
from shared.adapters.mongo.settings import MongoSettings


class MongoRepository(MongoPhotoCatalog, MongoGenerationStore, MongoLeaseStore):
    """A `FaceRepository` in a MongoDB database; a context manager. Safe for threads, not for forks.

    Writes wait for a majority of the servers, and reads return only what a majority has. Raises `InvalidInput` if the
    settings cannot be used, `Transient` if no server answers in time, `Poison` for a record that does not fit into a
    document, and `Fatal` if the server refuses.
    """

    def __init__(self, settings: MongoSettings) -> None:
        self._client = settings.client()
        super().__init__(Collections.of(self._client[settings.database]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Everything that was saved is stored already."""
        self._client.close()

    def create_indexes(self) -> Sequence[str]:
        """Create the indexes that do not exist, and return their names.

        `accepted_faces` has none: most faces are accepted and of one model, so reading all faces in the order of `_id`
        reads little that is not needed, and each index makes every write slower.
        """
        created = (
            make_index(self._collections.images, ["object_id"]),
            make_index(self._collections.images, BY_KEY),
            make_index(self._collections.faces, ["image_id"]),
            make_index(self._collections.memberships, ["face_id"]),
            make_index(self._collections.memberships, BY_CLUSTER),
            make_index(self._collections.former_memberships, ["face_id"]),
        )
        return [name for name in created if name]

"""Images, faces and generations in MongoDB.

Nothing here needs a transaction: a record is one document, and what readers see of a generation hangs on one
document of `control`. So it runs on a single server as on a replica set.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from shared.adapters.mongo import documents
from shared.adapters.mongo.collection import having, make_index, pages, remove, save
from shared.adapters.mongo.control import Control
from shared.adapters.mongo.errors import errors
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.events import Cause, Outcome, Verdict
from shared.domain.records import Cluster, FaceBlock, FaceRecord, Generation, ImageRecord, Lease, Membership
from shared.errors import Fatal

__all__ = ["MongoRepository", "MongoSettings"]

_BY_KEY = ("bucket", "key", "image_id")
_BY_CLUSTER = ("generation", "assigned.cluster_id", "cause", "face_id")
_RECORD = TypeVar("_RECORD")


class MongoRepository:
    """A `FaceRepository` in a MongoDB database; a context manager, and safe for threads, not for forks.

    Writes wait for a majority of the servers, reads see only what a majority has. Raises `InvalidInput` where the
    settings cannot be used, `Transient` where no server answers in time, `Poison` for a record that no document can
    hold, and `Fatal` where the server refuses.
    """

    def __init__(self, settings: MongoSettings) -> None:
        self._client = settings.client()
        database = self._client[settings.database]
        self._images = database["images"]
        self._faces = database["faces"]
        self._memberships = database["memberships"]
        self._former = database["former_memberships"]
        self._former_clusters = database["former_clusters"]
        self._generations = database["generations"]
        self._clusters = database["clusters"]
        self._control = Control(database["control"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Nothing that was saved depends on this."""
        self._client.close()

    def create_indexes(self) -> Sequence[str]:
        """Create the indexes that are not there, and return their names.

        `accepted_faces` has none: most faces are accepted and of one model, so that the walk along `_id` reads
        little that it does not need, and every further index would cost each write.
        """
        created = (
            make_index(self._images, ["object_id"]),
            make_index(self._images, _BY_KEY),
            make_index(self._faces, ["image_id"]),
            make_index(self._memberships, ["face_id"]),
            make_index(self._memberships, _BY_CLUSTER),
            make_index(self._former, ["face_id"]),
        )
        return [name for name in created if name]

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        save(self._images, map(documents.image_document, images))

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces."""
        save(self._faces, map(documents.face_document, faces))

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships."""
        save(self._memberships, map(documents.membership_document, memberships))

    def images(self, outcome: Outcome | None = None) -> Iterator[ImageRecord]:
        """Yield every image, or those of one outcome, in order of bucket and key. Writing meanwhile is allowed."""
        wanted = {} if outcome is None else {"outcome": outcome.value}
        for page in pages(self._images, wanted, _BY_KEY):
            yield from map(documents.image_of, page)

    def images_of(self, object_ids: Sequence[str]) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images of each of these objects that has any, in ascending order of image id."""
        found = map(documents.image_of, having(self._images, "object_id", object_ids))
        return _grouped(sorted(found, key=lambda image: image.image_id), lambda image: image.object_id)

    def faces(self) -> Iterator[FaceRecord]:
        """Yield every face in ascending order of face id. Writing meanwhile is allowed."""
        for page in pages(self._faces, {}):
            yield from map(documents.face_of, page)

    def faces_of(self, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
        """Return the faces of each of these images that has any, in ascending order of face id."""
        return _grouped(self._faces_of(image_ids), lambda face: face.image_id)

    def faces_named(self, face_ids: Sequence[str]) -> Mapping[str, FaceRecord]:
        """Return each of these faces that there is, by face id."""
        return {face.face_id: face for face in map(documents.face_of, having(self._faces, "_id", face_ids))}

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images, their faces and the memberships of those; return the faces in ascending order of face id.

        The images go last: after a failure the same call removes what is left, and returns the faces of that.
        """
        removed = self._faces_of(image_ids)
        face_ids = [face.face_id for face in removed]
        self._retire("face_id", face_ids)
        remove(self._faces, "_id", face_ids)
        remove(self._images, "_id", image_ids)
        return removed

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, in ascending order of face id, in blocks of `block`."""
        wanted = {"model_id": model_id, "quality.verdict": Verdict.ACCEPTED.value, "vector": {"$ne": None}}
        for page in pages(self._faces, wanted, size=block, fields={"image_id": 1, "vector": 1}):
            vectors = documents.vector_of(b"".join(face["vector"] for face in page)).reshape(len(page), -1)
            yield FaceBlock(tuple(face["_id"] for face in page), tuple(face["image_id"] for face in page), vectors)

    def accepted_ids(self) -> Iterator[tuple[str, str]]:
        """Yield face id and image id of every accepted face of any model. Writing meanwhile is allowed."""
        for page in pages(self._faces, {"quality.verdict": Verdict.ACCEPTED.value}, fields={"image_id": 1}):
            for face in page:
                yield face["_id"], face["image_id"]

    def models(self) -> Sequence[str]:
        """Return the models that embedded accepted faces, in ascending order."""
        wanted = {"quality.verdict": Verdict.ACCEPTED.value, "vector": {"$ne": None}, "model_id": {"$ne": None}}
        with errors():
            return sorted(self._faces.distinct("model_id", wanted))

    def generation(self, number: int) -> Generation | None:
        """Return a generation, or None."""
        with errors():
            found = self._generations.find_one({"_id": number})
        return documents.generation_of(found) if found else None

    def generations(self) -> Sequence[Generation]:
        """Return all generations in ascending order of their numbers."""
        found = pages(self._generations, {"_id": {"$gt": 0}})  # without it, nx-27017 sorts 10 before 2
        return [documents.generation_of(document) for page in found for document in page]

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first."""
        number = self._control.active_number()
        while number is not None:
            found = self.generation(number)
            if found:
                return found
            # Between the two reads another one may have become active and this one been removed.
            before, number = number, self._control.active_number()
            if number == before:
                msg = f"generation {number} is the active one and is not there; activate another one"
                raise Fatal(msg)
        return None

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that nobody else gets."""
        return self._control.next_number()

    def save_generation(self, generation: Generation) -> None:
        """Store a generation document."""
        self._control.take_number(generation.number)
        save(self._generations, [documents.generation_document(generation)])

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        save(self._clusters, map(documents.cluster_document, clusters))

    def clusters(self, generation: int, cluster_ids: Sequence[str] | None = None) -> Sequence[Cluster]:
        """Return the clusters of a generation, or those of these ids, in ascending order of cluster id."""
        if cluster_ids is not None:
            keys = [documents.generation_key(generation, cluster_id) for cluster_id in cluster_ids]
            named = map(documents.cluster_of, having(self._clusters, "_id", keys))
            return sorted(named, key=lambda cluster: cluster.cluster_id)
        found = pages(self._clusters, documents.of_generation(generation))
        return [documents.cluster_of(document) for page in found for document in page]

    def remove_clusters(self, generation: int, cluster_ids: Sequence[str]) -> None:
        """Remove clusters of a generation; their parents are kept."""
        keys = [documents.generation_key(generation, name) for name in cluster_ids]
        save(self._former_clusters, map(documents.former_cluster, having(self._clusters, "_id", keys)))
        remove(self._clusters, "_id", keys)

    def former_parents(self, generation: int, cluster_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the parents of each of these clusters that was removed, by cluster id."""
        keys = [documents.generation_key(generation, name) for name in cluster_ids]
        found = having(self._former_clusters, "_id", keys)
        return {document["cluster_id"]: tuple(document["parents"]) for document in found}

    def revise(self, generation: int) -> None:
        """Count up the `revision` of a generation, if there is one."""
        with errors():
            self._generations.update_one({"_id": generation}, {"$inc": {"revision": 1}})

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id. Writing meanwhile is allowed."""
        for page in pages(self._memberships, documents.of_generation(generation)):
            yield from map(documents.membership_of, page)

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        keys = [documents.generation_key(generation, face_id) for face_id in face_ids]
        found = map(documents.membership_of, having(self._memberships, "_id", keys))
        return {membership.face_id: membership for membership in found}

    def remove_memberships(self, generation: int, face_ids: Sequence[str]) -> None:
        """Remove the memberships of these faces in a generation, which become former ones."""
        self._retire("_id", [documents.generation_key(generation, face_id) for face_id in face_ids])

    def members(self, generation: int, cluster_id: str, cause: Cause, limit: int) -> Sequence[str]:
        """Return the ids of up to `limit` faces that are in a cluster for this cause, in ascending order."""
        wanted = documents.in_cluster(generation, cluster_id, cause)
        fields = {"_id": 0, "face_id": 1}  # the index has all of it: no document is read
        with errors():
            found = self._memberships.find(wanted, fields).sort("face_id").limit(limit).to_list()
        return [document["face_id"] for document in found]

    def count_members(self, generation: int, cluster_id: str, cause: Cause) -> int:
        """Return how many faces are in a cluster for this cause."""
        with errors():
            return self._memberships.count_documents(documents.in_cluster(generation, cluster_id, cause))

    def former_memberships(self, face_ids: Sequence[str]) -> Mapping[str, Sequence[Membership]]:
        """Return the former memberships of each of these faces that has any, the latest generation first."""
        found = map(documents.membership_of, having(self._former, "face_id", face_ids))
        return _grouped(sorted(found, key=lambda item: -item.generation), lambda item: item.face_id)

    def former_clusters(self, generation: int) -> frozenset[str]:
        """Return the cluster ids that the former memberships of a generation name."""
        found = (document["assigned"]["cluster_id"] for page in self._former_of(generation) for document in page)
        return frozenset(cluster_id for cluster_id in found if cluster_id)

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one if `expected` still is it, and nobody with a higher fence was here.

        After `Transient` it may have been done or not: ask for the active generation.
        """
        if self.generation(number) is None:
            msg = f"generation {number}: expected one that was saved, found none"
            raise ValueError(msg)
        return self._control.activate(number, expected, fence)

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships; refuses active and pinned ones with ValueError.

        Its number is marked in the document that `activate` writes, so that nobody activates what is being removed.
        The generation's own document goes after the rest: after a failure, the same call removes what is left. The
        rest goes once more after it: whoever writes a cluster, looks for the generation, and finds it still there, has
        written before that.
        """
        if not self._control.mark_removed(number):
            msg = f"generation {number} is the active one or pinned; it cannot be removed"
            raise ValueError(msg)
        with errors():
            self._remove_all_of(number)
            self._generations.delete_one({"_id": number})
            self._remove_all_of(number)

    def pin(self, number: int) -> None:
        """Keep a generation."""
        self._control.pin(number)

    def unpin(self, number: int) -> None:
        """Undo `pin`."""
        self._control.unpin(number)

    def pinned(self) -> frozenset[int]:
        """Return the numbers of the pinned generations."""
        return self._control.pinned()

    def lease(self) -> Lease | None:
        """Return the lease as it is, or None before the first."""
        return self._control.lease()

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Write a lease if number and renewals are still the expected ones; say whether they were."""
        return self._control.replace_lease(expected, lease)

    def _retire(self, field: str, values: Sequence[str]) -> None:
        """Make memberships former ones; of generation 0, which is none, nothing is kept."""
        found = having(self._memberships, field, values)
        save(self._former, (document for document in found if document["generation"]))
        remove(self._memberships, field, values)

    def _remove_all_of(self, number: int) -> None:
        for collection in (self._memberships, self._former, self._clusters, self._former_clusters):
            collection.delete_many(documents.of_generation(number))

    def _former_of(self, generation: int) -> Iterator[Sequence[documents.Document]]:
        return pages(self._former, documents.of_generation(generation), fields={"assigned": 1})

    def _faces_of(self, image_ids: Iterable[str]) -> list[FaceRecord]:
        found = map(documents.face_of, having(self._faces, "image_id", image_ids))
        return sorted(found, key=lambda face: face.face_id)


def _grouped(records: Iterable[_RECORD], name: Callable[[_RECORD], str]) -> Mapping[str, Sequence[_RECORD]]:
    found: defaultdict[str, list[_RECORD]] = defaultdict(list)
    for record in records:
        found[name(record)].append(record)
    return dict(found)

"""Images, faces and generations in MongoDB.

Nothing here needs a transaction: a record is one document, and what readers see of a generation hangs on one
document of `control`. So it runs on a single server as on a replica set.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self, TypeVar

from more_itertools import chunked
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from pymongo import MongoClient, ReturnDocument, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, DuplicateKeyError, InvalidURI

from shared.adapters import mongo_documents as documents
from shared.adapters.mongo_documents import Document
from shared.adapters.mongo_errors import errors
from shared.errors import Fatal, InvalidInput
from shared.events import Outcome, Verdict
from shared.records import Cluster, FaceBlock, FaceRecord, Generation, ImageRecord, Lease, Membership
from shared.settings import Settings

_PAGE = 5_000  # documents read at once where a whole collection streams by, and written in one bulk: 4 MB of faces
_IDS = 1_000  # identifiers in one condition
_ACTIVE = {"_id": "active"}
_LEASE = {"_id": "lease"}
_RECORD = TypeVar("_RECORD")


class MongoSettings(Settings):
    """How to reach MongoDB. The URI holds the password, so it is never printed."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_MONGO_")

    uri: Annotated[
        SecretStr, Field(description="mongodb://user:password@host:27017/?authSource=admin and the like")
    ] = SecretStr("mongodb://localhost:27017")
    database: Annotated[str, Field(min_length=1, max_length=63, description="name of the database")] = "facestream"
    ca_file: Annotated[Path | None, Field(description="certificate authority, PEM; with it, TLS is used")] = None
    timeout: Annotated[
        float, Field(gt=0, le=300, description="seconds that one request may take, retries included")
    ] = 30


class MongoRepository:
    """A `FaceRepository` in a MongoDB database; a context manager, and safe for threads, not for forks.

    Writes wait for a majority of the servers, reads see only what a majority has. Raises `InvalidInput` where the
    settings cannot be used, `Transient` where no server answers in time, `Poison` for a record that no document can
    hold, and `Fatal` where the server refuses.
    """

    def __init__(self, settings: MongoSettings) -> None:
        tls: dict[str, Any] = {"tls": True, "tlsCAFile": str(settings.ca_file)} if settings.ca_file else {}
        # The driver's defaults are the longest waits: 30 s to find a server, and no limit on an answer.
        try:
            self._client: MongoClient[Document] = MongoClient(
                settings.uri.get_secret_value(),
                appname="facestream",
                timeoutMS=settings.timeout * 1000,
                connectTimeoutMS=min(settings.timeout, 5) * 1000,
                w="majority",
                readConcernLevel="majority",
                retryReads=True,
                retryWrites=True,
                **tls,
            )
        except (InvalidURI, ConfigurationError, ValueError, OSError) as error:
            msg = (
                "FACESTREAM_MONGO_URI: expected mongodb://user:password@host:27017/ with special characters "
                "percent-encoded, and a CA file that can be read; found what the driver cannot use "
                f"({type(error).__name__})"
            )
            raise InvalidInput(msg) from None  # the driver's message may quote the password
        database = self._client[settings.database]
        self._images = database["images"]
        self._faces = database["faces"]
        self._memberships = database["memberships"]
        self._generations = database["generations"]
        self._clusters = database["clusters"]
        self._control = database["control"]

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
        wanted: Sequence[tuple[Collection[Document], Sequence[str]]] = (
            (self._images, ["object_id"]),
            (self._images, ["bucket", "key", "image_id"]),
            (self._faces, ["image_id"]),
            (self._memberships, ["face_id"]),
        )
        created = []
        with errors():
            for collection, fields in wanted:
                known = [index["key"] for index in collection.index_information().values()]
                name = collection.create_index(list(fields))
                created += [] if [(field, 1) for field in fields] in known else [f"{collection.name}.{name}"]
        return created

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        _save(self._images, map(documents.image_document, images))

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces."""
        _save(self._faces, map(documents.face_document, faces))

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships."""
        _save(self._memberships, map(documents.membership_document, memberships))

    def images(self, outcome: Outcome | None = None) -> Iterator[ImageRecord]:
        """Yield every image, or those of one outcome, in order of bucket and key. Writing meanwhile is allowed."""
        order, last = ("bucket", "key", "image_id"), ("", "", "")
        wanted: Document = {} if outcome is None else {"outcome": outcome.value}
        while page := _find(self._images, wanted | _after(order, last), order):
            yield from map(documents.image_of, page)
            last = tuple(page[-1][field] for field in order)

    def images_of(self, object_ids: Sequence[str]) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images of each of these objects that has any, in ascending order of image id."""
        found = map(documents.image_of, _having(self._images, "object_id", object_ids))
        return _grouped(sorted(found, key=lambda image: image.image_id), lambda image: image.object_id)

    def faces(self) -> Iterator[FaceRecord]:
        """Yield every face in ascending order of face id. Writing meanwhile is allowed."""
        last = ""
        while page := _find(self._faces, {"_id": {"$gt": last}}):
            yield from map(documents.face_of, page)
            last = page[-1]["_id"]

    def faces_of(self, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
        """Return the faces of each of these images that has any, in ascending order of face id."""
        return _grouped(self._faces_of(image_ids), lambda face: face.image_id)

    def faces_named(self, face_ids: Sequence[str]) -> Mapping[str, FaceRecord]:
        """Return each of these faces that there is, by face id."""
        return {face.face_id: face for face in map(documents.face_of, _having(self._faces, "_id", face_ids))}

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images, their faces and the memberships of those; return the faces in ascending order of face id.

        The images go last: after a failure the same call removes what is left, and returns the faces of that.
        """
        removed = self._faces_of(image_ids)
        face_ids = [face.face_id for face in removed]
        _remove(self._memberships, "face_id", face_ids)
        _remove(self._faces, "_id", face_ids)
        _remove(self._images, "_id", image_ids)
        return removed

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, in ascending order of face id, in blocks of `block`."""
        wanted: Document = {"model_id": model_id, "quality.verdict": Verdict.ACCEPTED.value, "vector": {"$ne": None}}
        last = ""
        while page := _find(
            self._faces, wanted | {"_id": {"$gt": last}}, limit=block, fields={"image_id": 1, "vector": 1}
        ):
            vectors = documents.vector_of(b"".join(face["vector"] for face in page)).reshape(len(page), -1)
            yield FaceBlock(tuple(face["_id"] for face in page), tuple(face["image_id"] for face in page), vectors)
            last = page[-1]["_id"]

    def accepted_ids(self) -> Iterator[tuple[str, str]]:
        """Yield face id and image id of every accepted face of any model. Writing meanwhile is allowed."""
        last, wanted = "", {"quality.verdict": Verdict.ACCEPTED.value}
        while page := _find(self._faces, wanted | {"_id": {"$gt": last}}, fields={"image_id": 1}):
            for face in page:
                yield face["_id"], face["image_id"]
            last = page[-1]["_id"]

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
        found: list[Generation] = []
        while page := _find(self._generations, {"_id": {"$gt": found[-1].number if found else 0}}):
            found += map(documents.generation_of, page)
        return found

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first."""
        number = self._controlled("generation")
        while number is not None:
            found = self.generation(number)
            if found:
                return found
            # Between the two reads another one may have become active and this one been removed.
            before, number = number, self._controlled("generation")
            if number == before:
                msg = f"generation {number} is the active one and is not there; activate another one"
                raise Fatal(msg)
        return None

    def last_generation_number(self) -> int:
        """Return the highest number that any generation ever had, 0 before the first."""
        return self._controlled("last_number") or 0

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that nobody else gets."""
        with errors():
            found: Any = self._control.find_one_and_update(
                _ACTIVE,
                {"$inc": {"last_number": 1}, "$setOnInsert": {"generation": None}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return int(found["last_number"])

    def save_generation(self, generation: Generation) -> None:
        """Store a generation document."""
        number = generation.number
        change = {"$max": {"last_number": number}, "$unset": {_removed(number): ""}}
        with errors():
            self._control.update_one(_ACTIVE, change | {"$setOnInsert": {"generation": None}}, upsert=True)
        _save(self._generations, [documents.generation_document(generation)])

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        _save(self._clusters, map(documents.cluster_document, clusters))

    def clusters(self, generation: int) -> Sequence[Cluster]:
        """Return the clusters of a generation in ascending order of cluster id."""
        found: list[Cluster] = []
        while page := _find(self._clusters, documents.of_generation(generation, found[-1].cluster_id if found else "")):
            found += map(documents.cluster_of, page)
        return found

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id. Writing meanwhile is allowed."""
        last = ""
        while page := _find(self._memberships, documents.of_generation(generation, last)):
            yield from map(documents.membership_of, page)
            last = page[-1]["face_id"]

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        keys = [documents.generation_key(generation, face_id) for face_id in face_ids]
        found = map(documents.membership_of, _having(self._memberships, "_id", keys))
        return {membership.face_id: membership for membership in found}

    def remove_memberships(self, generation: int, face_ids: Sequence[str]) -> None:
        """Remove the memberships of these faces in a generation."""
        _remove(self._memberships, "_id", [documents.generation_key(generation, face_id) for face_id in face_ids])

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one if `expected` still is it, and nobody with a higher fence was here.

        After `Transient` it may have been done or not: ask for the active generation.
        """
        if self.generation(number) is None:
            msg = f"generation {number}: expected one that was saved, found none"
            raise ValueError(msg)
        condition = _ACTIVE | {
            "generation": expected,
            _removed(number): {"$exists": False},
            _pinned(expected): {"$exists": False},
            "fence": {"$lte": fence},
        }
        with errors():
            # There is none before the first lease. Set rather than asked for by `$or`: nx-27017, which the tests run
            # on, then forgets `_id` and writes to the lease; and its `$nor` and `$ne` do not match what is not there.
            self._control.update_one(_ACTIVE | {"fence": {"$exists": False}}, {"$set": {"fence": 0}})
            return self._control.update_one(condition, {"$set": {"generation": number}}).matched_count == 1

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships; refuses active and pinned ones with ValueError.

        Its number is marked in the document that `activate` writes, so that nobody activates what is being removed.
        The generation's own document goes last: after a failure, the same call removes what is left.
        """
        change = {"$set": {_removed(number): True}, "$setOnInsert": {"generation": None, "last_number": 0}}
        with errors():
            try:
                others = {"generation": {"$nin": [number]}, _pinned(number): {"$exists": False}}
                self._control.update_one(_ACTIVE | others, change, upsert=True)
            except DuplicateKeyError:  # the document is there and names this one
                msg = f"generation {number} is the active one or pinned; it cannot be removed"
                raise ValueError(msg) from None
            self._memberships.delete_many(documents.of_generation(number))
            self._clusters.delete_many(documents.of_generation(number))
            self._generations.delete_one({"_id": number})

    def pin(self, number: int) -> None:
        """Keep a generation. The mark is in the document that `activate` and `remove_generation` write."""
        change = {"$set": {_pinned(number): True}, "$setOnInsert": {"generation": None, "last_number": 0}}
        with errors():
            self._control.update_one(_ACTIVE, change, upsert=True)

    def unpin(self, number: int) -> None:
        """Undo `pin`."""
        with errors():
            self._control.update_one(_ACTIVE, {"$unset": {_pinned(number): ""}})

    def pinned(self) -> frozenset[int]:
        """Return the numbers of the pinned generations."""
        with errors():
            found = self._control.find_one(_ACTIVE) or {}
        return frozenset(map(int, found.get("pinned", {})))

    def lease(self) -> Lease | None:
        """Return the lease as it is, or None before the first."""
        with errors():
            found = self._control.find_one(_LEASE)
        return documents.lease_of(found) if found else None

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Write a lease if number and renewals are still the expected ones; say whether they were.

        The fence is in the document that `activate` writes. Who dies before it is raised has not begun to work.
        """
        document = documents.lease_document(lease)
        with errors():
            if expected is None:
                try:
                    self._control.insert_one(document)
                except DuplicateKeyError:
                    return False
            else:
                condition = _LEASE | {"number": expected.number, "renewals": expected.renewals}
                if not self._control.update_one(condition, {"$set": document}).matched_count:
                    return False
            change = {"$max": {"fence": lease.number}, "$setOnInsert": {"generation": None, "last_number": 0}}
            self._control.update_one(_ACTIVE, change, upsert=True)
        return True

    def _faces_of(self, image_ids: Iterable[str]) -> list[FaceRecord]:
        found = map(documents.face_of, _having(self._faces, "image_id", image_ids))
        return sorted(found, key=lambda face: face.face_id)

    def _controlled(self, field: str) -> int | None:
        with errors():
            found = self._control.find_one(_ACTIVE) or {}
        number: int | None = found.get(field)
        return number


def _pinned(number: int | None) -> str:
    return f"pinned.{number}"


def _removed(number: int) -> str:
    return f"removed.{number}"


def _save(collection: Collection[Document], saved: Iterable[Document]) -> None:
    """Write whole documents. Fields that a newer version of this software added to them stay, unlike in a replacement.

    Of several with one `_id` the last one counts, which an unordered bulk does not promise.
    """
    for part in chunked(saved, _PAGE):
        last = {document.pop("_id"): document for document in part}
        with errors():
            collection.bulk_write(
                [UpdateOne({"_id": key}, {"$set": last[key]}, upsert=True) for key in last], ordered=False
            )


def _find(
    collection: Collection[Document],
    condition: Document,
    order: Sequence[str] = ("_id",),
    limit: int = _PAGE,
    fields: Mapping[str, int] | None = None,
) -> list[Document]:
    with errors():
        found = collection.find(condition, fields).sort([(field, 1) for field in order])
        return found.limit(limit).batch_size(limit).to_list()


def _having(collection: Collection[Document], field: str, values: Iterable[str]) -> Iterator[Document]:
    for part in chunked(dict.fromkeys(values), _IDS):
        with errors():
            found = collection.find({field: {"$in": part}}).to_list()
        yield from found


def _remove(collection: Collection[Document], field: str, values: Iterable[str]) -> None:
    for part in chunked(values, _IDS):
        with errors():
            collection.delete_many({field: {"$in": part}})


def _after(order: Sequence[str], last: Sequence[str]) -> Document:
    """Return the condition for what comes after `last` in an order of several fields."""
    equal: Document = {}
    either: list[Document] = []
    for field, value in zip(order, last, strict=True):
        either.append(equal | {field: {"$gt": value}})
        equal[field] = value
    return {"$or": either}


def _grouped(records: Iterable[_RECORD], name: Callable[[_RECORD], str]) -> Mapping[str, Sequence[_RECORD]]:
    found: defaultdict[str, list[_RECORD]] = defaultdict(list)
    for record in records:
        found[name(record)].append(record)
    return dict(found)

"""The ports: what the services need from the outside, as protocols.

Every adapter in `shared/adapters` passes the contract suite of its port in `tests/contract`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.events import Cause, Outcome
from shared.records import Cluster, FaceBlock, FaceRecord, Generation, ImageRecord, Lease, Membership


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object in a listing. `modified` is aware, in UTC. `etag` is None where the store would have to read it.

    `stamp`: equal stamps of one key say that nobody has written to the object since; empty where the store has none.
    """

    key: str
    size: int
    modified: datetime
    etag: str | None = None
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The bytes of an object; `etag` is the MD5 of a plainly uploaded object, as in S3.

    `size` is the one that a listing tells: of an object that the store keeps compressed, `data` may be longer.
    """

    data: bytes
    etag: str
    size: int


LARGEST_CROP = 16 * 2**20
"""Bytes of a crop that is read; one of ours, of 1024 pixels in width and height at the most, has a quarter of them."""


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """What a walk over a folder comes across: a file, or a link to what it lists anyway (`is_repeated`)."""

    info: ObjectInfo
    is_repeated: bool


class ObjectStore(Protocol):
    """Objects in buckets. Every call blocks, and raises `Transient` where the store does not answer."""

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:
        """Return an object of up to `limit` bytes; raises `ObjectMissing` or `ObjectRefused`.

        Raises `ObjectTooLarge` where there are more, holding no more than one byte above the limit in memory: whatever
        anybody was told of the size, the object may be another one by now.
        """
        ...

    def exists(self, bucket: str, key: str) -> bool:
        """Say whether there is an object of this key, by asking for it: a listing may lack what is there.

        False only where the store itself says that there is none; raises `ObjectRefused` where it does not say.
        """
        ...

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Store an object, whole or not at all; one of the same key is replaced."""
        ...

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield every object whose key begins with `prefix`, in ascending order of the UTF-8 bytes of its key."""
        ...


class FaceRepository(Protocol):
    """Images, faces and generations of clusters. Every call blocks; raises `Transient` where no answer comes.

    The `save_*` calls are upserts on the identifiers of the records: the same call again changes nothing.
    """

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        ...

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces, with or without a vector."""
        ...

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships; the last one of a face in a generation stands."""
        ...

    def images(self, outcome: Outcome | None = None) -> Iterator[ImageRecord]:
        """Yield every image, or those of one outcome, in ascending order of bucket and key."""
        ...

    def images_of(self, object_ids: Sequence[str]) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images of each of these objects that has any, in ascending order of image id."""
        ...

    def faces(self) -> Iterator[FaceRecord]:
        """Yield every face in ascending order of face id."""
        ...

    def faces_of(self, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
        """Return the faces of each of these images that has any, in ascending order of face id."""
        ...

    def faces_named(self, face_ids: Sequence[str]) -> Mapping[str, FaceRecord]:
        """Return each of these faces that there is, by face id."""
        ...

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images, their faces and the memberships of those, which become former ones.

        Returns the faces that were removed, in ascending order of face id. What was derived from their vectors stays:
        `shared.erasing.erase` removes that as well.
        """
        ...

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, in ascending order of face id, in blocks of `block`."""
        ...

    def accepted_ids(self) -> Iterator[tuple[str, str]]:
        """Yield face id and image id of every accepted face of any model, in ascending order of face id."""
        ...

    def models(self) -> Sequence[str]:
        """Return the models that embedded accepted faces, in ascending order."""
        ...

    def generation(self, number: int) -> Generation | None:
        """Return a generation, or None."""
        ...

    def generations(self) -> Sequence[Generation]:
        """Return all generations in ascending order of their numbers."""
        ...

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first."""
        ...

    def last_generation_number(self) -> int:
        """Return the highest number that any generation ever had, 0 before the first."""
        ...

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that nobody else gets. One atomic write."""
        ...

    def save_generation(self, generation: Generation) -> None:
        """Store a generation document. It does not become the active one by that, and keeps its `revision`."""
        ...

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        ...

    def clusters(self, generation: int, cluster_ids: Sequence[str] | None = None) -> Sequence[Cluster]:
        """Return the clusters of a generation, or those of these ids, in ascending order of cluster id."""
        ...

    def remove_clusters(self, generation: int, cluster_ids: Sequence[str]) -> None:
        """Remove clusters of a generation; those that are not there are passed over. Their parents are kept."""
        ...

    def former_parents(self, generation: int, cluster_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the parents of each of these clusters that was removed, until its generation is, by cluster id."""
        ...

    def revise(self, generation: int) -> None:
        """Count up the `revision` of a generation, if there is one. One atomic write."""
        ...

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id."""
        ...

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        ...

    def members(self, generation: int, cluster_id: str, cause: Cause, limit: int) -> Sequence[str]:
        """Return the ids of up to `limit` faces that are in a cluster for this cause, in ascending order."""
        ...

    def count_members(self, generation: int, cluster_id: str, cause: Cause) -> int:
        """Return how many faces are in a cluster for this cause."""
        ...

    def remove_memberships(self, generation: int, face_ids: Sequence[str]) -> None:
        """Remove the memberships of these faces in a generation, which become former ones.

        Those that are not there are passed over.
        """
        ...

    def former_memberships(self, face_ids: Sequence[str]) -> Mapping[str, Sequence[Membership]]:
        """Return the former memberships of each of these faces that has any, the latest generation first.

        A removed membership is a former one until its generation is removed, and stays one when the face comes back.
        Only this call and the next one tell of it. There are none of generation 0.
        """
        ...

    def former_clusters(self, generation: int) -> frozenset[str]:
        """Return the cluster ids that the former memberships of a generation name."""
        ...

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one if `expected` still is it; say whether it was. One atomic write.

        Refused also where a lease with a higher number than `fence` was taken, and where `expected` is pinned.
        Raises ValueError where there is no such generation: readers would see nobody.
        """
        ...

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships, former ones too, if there is one.

        Raises ValueError if it is active or pinned.
        """
        ...

    def pin(self, number: int) -> None:
        """Keep a generation: it is not removed, and nothing takes its place while it is the active one."""
        ...

    def unpin(self, number: int) -> None:
        """Undo `pin`."""
        ...

    def pinned(self) -> frozenset[int]:
        """Return the numbers of the pinned generations."""
        ...

    def lease(self) -> Lease | None:
        """Return the lease as it is, or None before the first."""
        ...

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Write a lease if number and renewals are still the expected ones; say whether they were.

        One atomic write. Where it returns True, `activate` refuses lower numbers from then on.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConsumedRecord:
    """A record as it came. `timestamp` is aware, in UTC; of headers with one name the last counts."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp: datetime

    @property
    def place(self) -> str:
        """Where it stands: `topic/partition@offset`."""
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def topic_partition(self) -> tuple[str, int]:
        """The topic and the number of the partition in which it stands."""
        return self.topic, self.partition


def split_place(place: str) -> tuple[str, int, int]:
    """Return topic, partition and offset of a place; ValueError where it is none."""
    topic, _, numbers = place.rpartition("/")
    partition, _, offset = numbers.partition("@")
    return topic, int(partition), int(offset)


@dataclass(frozen=True, slots=True)
class ProducedRecord:
    """A record to be written; `value` None is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Mapping[str, bytes]


class RecordWriter(Protocol):
    """A transactional producer alone, of which there is one at a time: opening another one shuts the earlier out."""

    def write_if(self, records: Sequence[ProducedRecord], holds: Callable[[], bool]) -> bool:
        """Append all records, then ask, then commit if the answer is yes; say whether they were written.

        What others append to the same partitions after the question was asked stands behind these records. Raises
        `Transient` when nothing was written, and `Fatal`: the writer is of no use any more.
        """
        ...

    def knows(self, topic: str) -> bool:
        """Say whether a topic is there, as far as this writer may see; raises `Fatal`, `Transient`."""
        ...


class RecordStream(Protocol):
    """A consumer in a group and a transactional producer, as one: records in, records out, exactly once.

    Not for several threads. Every call may raise `Fatal`: the stream is of no use any more and the process must end.
    """

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return up to `limit` records, after `wait` seconds at the latest; raises `Transient`."""
        ...

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write all of `produced` and mark `consumed` as done, both or neither.

        Raises `Transient` when neither happened; whether the records come again is then for `rewind` to say. Raises
        `Undecided` when nobody knows yet; after `rewind` they come again if they were not marked, and not if they were.
        """
        ...

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Have these records consumed again, those of partitions that went to another member excepted."""
        ...

    def held(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records, consumed before the last `consume`, that are still this member's to commit.

        The others are of partitions that were taken away in that call, if only to come back: another member may have
        done them.
        """
        ...

    def idle(self, seconds: float) -> None:
        """Wait, consuming nothing and staying a member of the group."""
        ...

    def note(self, texts: Mapping[tuple[str, int], str]) -> None:
        """Have a text stand with the group's offset in each of these partitions, all or none; "" is none.

        For whoever comes to the partition after this process, however that ends. The offset stays as it is, and a
        commit removes the text. Blocks until the brokers have it. Partitions that went to another member are left
        out, and so are those of which no record has come. Raises `Transient` and `Undecided` as `commit` does.
        """
        ...

    def noted(self, topic: str, partition: int) -> str | None:
        """Return the text that stands with the group's offset in a partition from which records have come, "" if none.

        None once this member has committed there since it was given the partition. Does not block.
        """
        ...

    def is_assigned(self) -> bool:
        """Say whether this member has partitions."""
        ...

    def is_committed(self, place: str) -> bool:
        """Say whether the group is done with the record at a place, whoever did it; raises `Transient`."""
        ...

    def lag(self) -> Mapping[tuple[str, int], int]:
        """Return, for each topic and partition that this member has read from, the records it has still to read."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...

"""Images, faces and generations in dictionaries: for tests, and for programs that embed facestream."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from more_itertools import chunked

from shared.domain.events import Cause, Outcome, Verdict
from shared.domain.records import Cluster, FaceBlock, FaceRecord, Generation, ImageRecord, Lease, Membership


class MemoryRepository:
    """A `FaceRepository`. It stores and returns the same record objects, without copying them."""

    def __init__(self) -> None:
        self._images: dict[str, ImageRecord] = {}
        self._faces: dict[str, FaceRecord] = {}
        # An image never belongs to another object later, so entries need not move.
        self._images_of: defaultdict[str, set[str]] = defaultdict(set)
        self._faces_of: defaultdict[str, set[str]] = defaultdict(set)
        self._generations: dict[int, Generation] = {}
        self._clusters: dict[tuple[int, str], Cluster] = {}
        self._memberships: dict[tuple[int, str], Membership] = {}
        self._former: dict[tuple[str, int], Membership] = {}
        self._parents: dict[tuple[int, str], tuple[str, ...]] = {}
        self._revisions: defaultdict[int, int] = defaultdict(int)
        self._active: int | None = None
        self._last_number = 0
        self._fence = 0
        self._lease: Lease | None = None
        self._pinned: set[int] = set()
        self._lock = threading.Lock()

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        for image in images:
            self._images[image.image_id] = image
            self._images_of[image.object_id].add(image.image_id)

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces."""
        for face in faces:
            earlier = self._faces.get(face.face_id, face)
            self._faces_of[earlier.image_id].discard(face.face_id)
            self._faces[face.face_id] = face
            self._faces_of[face.image_id].add(face.face_id)

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships."""
        self._memberships.update(((item.generation, item.face_id), item) for item in memberships)

    def images(self, outcome: Outcome | None = None) -> Iterator[ImageRecord]:
        """Yield every image, or those of one outcome, in ascending order of bucket and key."""
        ordered = sorted(self._images.values(), key=lambda image: (image.bucket, image.key, image.image_id))
        yield from (image for image in ordered if outcome in (None, image.outcome))

    def images_of(self, object_ids: Sequence[str]) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images of each of these objects that has any."""
        found = {
            object_id: [self._images[image_id] for image_id in sorted(self._images_of[object_id])]
            for object_id in object_ids
            if object_id in self._images_of
        }
        return {object_id: images for object_id, images in found.items() if images}

    def faces(self) -> Iterator[FaceRecord]:
        """Yield every face in ascending order of face id."""
        for _, face in sorted(self._faces.items()):
            yield face

    def faces_of(self, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
        """Return the faces of each of these images that has any, in ascending order of face id."""
        found = {
            image_id: [self._faces[face_id] for face_id in sorted(self._faces_of[image_id])]
            for image_id in image_ids
            if image_id in self._faces_of
        }
        return {image_id: faces for image_id, faces in found.items() if faces}

    def faces_named(self, face_ids: Sequence[str]) -> Mapping[str, FaceRecord]:
        """Return those of these faces that exist, by face id."""
        return {face_id: self._faces[face_id] for face_id in face_ids if face_id in self._faces}

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images with faces and memberships; return the removed faces in ascending order of face id."""
        gone = set(image_ids)
        gone_faces = {face_id for image_id in gone for face_id in self._faces_of.pop(image_id, ())}
        removed = [self._faces[face_id] for face_id in sorted(gone_faces)]
        for key in [key for key in self._memberships if key[1] in gone_faces]:
            self._retire(key)
        for face_id in gone_faces:
            del self._faces[face_id]
        for image in (self._images.pop(image_id) for image_id in gone & self._images.keys()):
            self._images_of[image.object_id].remove(image.image_id)
        return removed

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, `block` faces at a time, in ascending order of face id."""
        embedded = (
            (face, face.vector)
            for face in self.faces()
            if face.verdict is Verdict.ACCEPTED and face.model_id == model_id and face.vector is not None
        )
        for part in chunked(embedded, block):
            yield FaceBlock(
                face_ids=tuple(face.face_id for face, _ in part),
                image_ids=tuple(face.image_id for face, _ in part),
                vectors=np.stack([vector for _, vector in part]).astype(np.float32, copy=False),
            )

    def accepted_ids(self) -> Iterator[tuple[str, str]]:
        """Yield face id and image id of every accepted face of any model, in ascending order of face id."""
        for face in self.faces():
            if face.verdict is Verdict.ACCEPTED:
                yield face.face_id, face.image_id

    def models(self) -> Sequence[str]:
        """Return the models that embedded accepted faces, in ascending order."""
        faces = [face for face in self._faces.values() if face.verdict is Verdict.ACCEPTED]
        return sorted({face.model_id for face in faces if face.model_id is not None and face.vector is not None})

    def generation(self, number: int) -> Generation | None:
        """Return a generation, or None."""
        found = self._generations.get(number)
        return replace(found, revision=self._revisions[number]) if found else None

    def generations(self) -> Sequence[Generation]:
        """Return all generations in ascending order of their numbers."""
        return [found for number in sorted(self._generations) if (found := self.generation(number))]

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first one."""
        return None if self._active is None else self.generation(self._active)

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that no other call returns."""
        with self._lock:
            self._last_number += 1
            return self._last_number

    def save_generation(self, generation: Generation) -> None:
        """Store the record of a generation."""
        self._generations[generation.number] = generation
        self._last_number = max(self._last_number, generation.number)

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        self._clusters.update(((cluster.generation, cluster.cluster_id), cluster) for cluster in clusters)

    def clusters(self, generation: int, cluster_ids: Sequence[str] | None = None) -> Sequence[Cluster]:
        """Return the clusters of a generation, or those of these ids, in ascending order of cluster id."""
        if cluster_ids is not None:
            keys = [(generation, cluster_id) for cluster_id in sorted(set(cluster_ids))]
            return [self._clusters[key] for key in keys if key in self._clusters]
        return [cluster for (number, _), cluster in sorted(self._clusters.items()) if number == generation]

    def remove_clusters(self, generation: int, cluster_ids: Sequence[str]) -> None:
        """Remove clusters of a generation; their parents are kept."""
        for cluster_id in cluster_ids:
            cluster = self._clusters.pop((generation, cluster_id), None)
            if cluster:
                self._parents[generation, cluster_id] = cluster.parents

    def former_parents(self, generation: int, cluster_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the parents of those of these clusters that were removed, by cluster id."""
        found = ((cluster_id, self._parents.get((generation, cluster_id))) for cluster_id in cluster_ids)
        return {cluster_id: parents for cluster_id, parents in found if parents is not None}

    def revise(self, generation: int) -> None:
        """Add one to the `revision` of a generation, if it exists."""
        with self._lock:
            if generation in self._generations:
                self._revisions[generation] += 1

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id."""
        for (number, _), membership in sorted(self._memberships.items()):
            if number == generation:
                yield membership

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        found = ((face_id, self._memberships.get((generation, face_id))) for face_id in face_ids)
        return {face_id: membership for face_id, membership in found if membership}

    def remove_memberships(self, generation: int, face_ids: Sequence[str]) -> None:
        """Make the memberships of these faces in a generation former ones."""
        for face_id in face_ids:
            self._retire((generation, face_id))

    def members(self, generation: int, cluster_id: str, cause: Cause, limit: int) -> Sequence[str]:
        """Return the ids of up to `limit` faces that are in a cluster for this cause, in ascending order."""
        return self._members(generation, cluster_id, cause)[:limit]

    def count_members(self, generation: int, cluster_id: str, cause: Cause) -> int:
        """Return how many faces are in a cluster for this cause."""
        return len(self._members(generation, cluster_id, cause))

    def former_memberships(self, face_ids: Sequence[str]) -> Mapping[str, Sequence[Membership]]:
        """Return the former memberships of each of these faces that has any, the latest generation first."""
        numbers = sorted({number for _, number in self._former}, reverse=True)
        found = {
            face_id: [self._former[face_id, number] for number in numbers if (face_id, number) in self._former]
            for face_id in face_ids
        }
        return {face_id: memberships for face_id, memberships in found.items() if memberships}

    def former_clusters(self, generation: int) -> frozenset[str]:
        """Return the cluster ids in the former memberships of a generation."""
        former = (item.cluster_id for item in self._former.values() if item.generation == generation)
        return frozenset(cluster_id for cluster_id in former if cluster_id)

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one, unless another one than `expected` is active or a higher fence was set."""
        with self._lock:
            if number not in self._generations:
                msg = f"generation {number}: expected one that was saved, found none"
                raise ValueError(msg)
            if self._active != expected or self._fence > fence or expected in self._pinned:
                return False
            self._active = number
            return True

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships; raises ValueError if it is active or pinned."""
        with self._lock:
            if number == self._active or number in self._pinned:
                msg = f"generation {number} is the active one or pinned; it cannot be removed"
                raise ValueError(msg)
            self._generations.pop(number, None)
            self._revisions.pop(number, None)
        for clusters_key in [key for key in self._clusters if key[0] == number]:
            del self._clusters[clusters_key]
        for membership_key in [key for key in self._memberships if key[0] == number]:
            del self._memberships[membership_key]
        for former_key in [key for key in self._former if key[1] == number]:
            del self._former[former_key]
        for parents_key in [key for key in self._parents if key[0] == number]:
            del self._parents[parents_key]

    def pin(self, number: int) -> None:
        """Pin a generation."""
        with self._lock:
            self._pinned.add(number)

    def unpin(self, number: int) -> None:
        """Unpin a generation."""
        with self._lock:
            self._pinned.discard(number)

    def pinned(self) -> frozenset[int]:
        """Return the numbers of the pinned generations."""
        return frozenset(self._pinned)

    def lease(self) -> Lease | None:
        """Return the current lease, or None if there never was one."""
        return self._lease

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Replace the lease if its number and renewals are those of `expected`; return whether they were."""
        with self._lock:
            found = self._lease
            if (found and (found.number, found.renewals)) != (expected and (expected.number, expected.renewals)):
                return False
            self._lease = lease
            self._fence = max(self._fence, lease.number)
            return True

    def _members(self, *wanted: object) -> list[str]:
        members = self._memberships.values()
        return sorted(item.face_id for item in members if (item.generation, item.cluster_id, item.cause) == wanted)

    def _retire(self, key: tuple[int, str]) -> None:
        """Make a membership a former one; of generation 0, which is none, nothing is kept."""
        membership = self._memberships.pop(key, None)
        if membership and membership.generation:
            self._former[membership.face_id, membership.generation] = membership

"""Photographs, people and the reclusterer in one process, for tests of generations."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.generations.lease import acquire_lease
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.settings import JobSettings, ReclustererSettings
from services.reclusterer.step import ReclusterResult, recluster
from shared.adapters.memory.repository import MemoryRepository
from shared.adapters.memory.stream import MemoryBroker, MemoryWriter
from shared.domain.events import Cause, ClusterChanged, FaceAssigned, GenerationPublished, Outcome
from shared.domain.matching import AssignerSettings
from shared.domain.records import FaceRecord, ImageRecord, Membership
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED, GENERATIONS_PUBLISHED
from shared.ports.repository import FaceRepository
from shared.ports.streams import ProducedRecord
from tests.support.synthetic_faces import face_record

CLUSTERING = ReclustererSettings(min_cluster_size=3)
JOB = JobSettings(least_change_faces=1, least_change_share=0, drain_period=0, lease=10)
ASSIGNER = AssignerSettings()


class Killed(BaseException):
    """Raised instead of the end of a process."""


def no_wait(_seconds: float) -> None:
    """Replaces waiting; returns at once."""


def image_record(image_id: str) -> ImageRecord:
    time = datetime(2026, 11, 24, tzinfo=UTC)
    return ImageRecord(image_id, f"object of {image_id}", "photos", f"{image_id}.jpg", "", 1, time, Outcome.DETECTED)


def add_photos(
    repository: FaceRepository, vectors: NDArray[np.float32], names: Sequence[str], generation: int = 0
) -> None:
    """Save faces as unknown, as the assigner does, each on a photograph of its own."""
    faces = [face_record(name, vector) for name, vector in zip(names, vectors, strict=True)]
    add_faces(repository, faces, generation)


def add_faces(
    repository: FaceRepository, faces: Sequence[FaceRecord], generation: int = 0, cluster_id: str | None = None
) -> None:
    repository.save_faces(faces)
    repository.save_memberships(
        [Membership(generation, face.face_id, cluster_id, None, Cause.ARRIVED) for face in faces]
    )
    repository.save_images([image_record(image_id) for image_id in sorted({face.image_id for face in faces})])


def mark_removed(repository: FaceRepository, *image_ids: str) -> None:
    """Mark images as removed, as the assigner does before it commits tombstones."""
    repository.save_images([replace(image_record(image_id), outcome=Outcome.REMOVED) for image_id in image_ids])


@dataclass
class World:
    """A repository, a broker, and the reclusterer that uses them."""

    repository: Any = field(default_factory=MemoryRepository)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    clustering: ReclustererSettings = CLUSTERING
    job: JobSettings = JOB

    @contextmanager
    def publisher(self, holder: str = "test", **changes: Any) -> Iterator[Publisher]:
        with acquire_lease(self.repository, holder, self.job, no_wait) as lease:
            given = {"writer": MemoryWriter(self.broker, "reclusterer"), "wait": no_wait, **changes}
            yield Publisher(repository=self.repository, lease=lease, assigner=ASSIGNER, settings=self.job, **given)

    def recluster(self, model_id: str | None = None, **changes: Any) -> ReclusterResult:
        with self.publisher(**changes) as publisher:
            return recluster(
                self.repository, publisher, self.clustering, self.job, phases=publisher.phases, model_id=model_id
            )

    def publish(self, number: int) -> None:
        """Publish a generation, as an operator does by a rollback."""
        generation = self.repository.generation(number)
        with self.publisher() as publisher:
            publisher.resume()
            publisher.publish(generation)

    def known_downstream(self) -> dict[str, str | None]:
        """Return the cluster of each face by the events; a face with a tombstone is left out."""
        found: dict[str, str | None] = {}
        for record in self.broker.records(FACES_ASSIGNED.name):
            key = (record.key or b"").decode()
            if record.value is None:
                found.pop(key, None)
            else:
                found[key] = FaceAssigned.model_validate_json(record.value).cluster_id
        return found

    def assigned_events(self) -> list[FaceAssigned]:
        return [
            FaceAssigned.model_validate_json(record.value)
            for record in self.broker.records(FACES_ASSIGNED.name)
            if record.value
        ]

    def cluster_events(self) -> list[ClusterChanged]:
        return [
            ClusterChanged.model_validate_json(record.value)
            for record in self.broker.records(CLUSTERS_CHANGED.name)
            if record.value
        ]

    def published(self) -> list[GenerationPublished]:
        """Return the events of publications."""
        records = self.broker.records(GENERATIONS_PUBLISHED.name)
        return [GenerationPublished.model_validate_json(record.value or b"") for record in records]

    def members(self, generation: int | None = None) -> dict[str, str | None]:
        """Return the person of each face in a generation, by default the active one."""
        active = self.repository.active_generation()
        number = generation if generation is not None else active.number if active else 0
        return {item.face_id: item.cluster_id for item in self.repository.memberships(number)}

    def announce_arrivals(self, face_ids: Iterable[str]) -> None:
        """Write the events of the assigner for faces: their clusters, or unknown."""
        members = self.members()
        for face_id in face_ids:
            face = self.repository.faces_named([face_id])[face_id]
            event = FaceAssigned(
                face_id=face_id,
                image_id=face.image_id,
                object_id=face.object_id,
                bucket="photos",
                key="",
                box=face.box,
                crop_key=face.crop_key,
                cluster_id=members[face_id],
                similarity=None,
                generation=0,
                cause=Cause.ARRIVED,
            )
            self.broker.append(
                ProducedRecord(FACES_ASSIGNED.name, face_id.encode(), event.model_dump_json().encode(), {})
            )


def people(members: Mapping[str, str | None]) -> set[frozenset[str]]:
    """Return the faces of each person, whatever its id."""
    found: dict[str, set[str]] = {}
    for face_id, cluster_id in members.items():
        if cluster_id is not None:
            found.setdefault(cluster_id, set()).add(face_id)
    return {frozenset(faces) for faces in found.values()}


class Watched:
    """A port whose calls are observed: `before` and `after` get the number and the name of each call."""

    def __init__(
        self,
        inner: object,
        before: Callable[[int, str], None] = lambda *_: None,
        after: Callable[[int, str], None] = lambda *_: None,
        counter: list[int] | None = None,
    ) -> None:
        self._inner, self._before, self._after = inner, before, after
        self._counter = [0] if counter is None else counter

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def seen(*arguments: Any, **named: Any) -> Any:
            self._counter[0] += 1
            number = self._counter[0]
            self._before(number, name)
            result = method(*arguments, **named)
            self._after(number, name)
            return result

        return seen

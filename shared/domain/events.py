"""The events: messages between the services, and the published results.

Frozen, JSON, additive changes only: a consumer ignores unknown fields, and no field is ever removed or changes its
meaning. The docstrings of the classes are also the descriptions in the AsyncAPI document, for readers of the topics.
Up to the assigner, one event has all faces of one photograph; after it, `FaceAssigned` has one face.

An event is a pydantic model. Its parts (faces, boxes, points) are dataclasses with slots, which pydantic validates in
the same way: the five points of a face take 570 bytes instead of 2,700 as models, and the assigner reads thousands of
faces a second. The first invalid face ends the validation (`fail_fast`), because pydantic would otherwise collect every
error, which is gigabytes for a few megabytes of JSON.
"""

import base64
from dataclasses import fields
from enum import StrEnum
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator
from pydantic.dataclasses import dataclass

# JSON has no NaN and no infinity: pydantic would write null, which no reader of a number takes.
_READING = ConfigDict(extra="ignore", arbitrary_types_allowed=True, allow_inf_nan=False)


class Message(BaseModel):
    """Base of everything that crosses a process boundary."""

    model_config = ConfigDict(frozen=True, **_READING)


_LITTLE_ENDIAN = np.dtype("<f4")


def _decode_vector(value: object) -> NDArray[np.float32]:
    if isinstance(value, str):
        vector = np.frombuffer(base64.b64decode(value, validate=True), _LITTLE_ENDIAN).astype(np.float32, copy=False)
    elif isinstance(value, np.ndarray):
        vector = value.astype(np.float32)
    else:
        msg = f"a vector is base64 of little-endian float32 or a numpy array, not {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004  pydantic turns ValueError, and not TypeError, into a validation error
    if vector.ndim != 1 or not vector.size or not np.logical_and.reduce(np.isfinite(vector)):
        msg = f"a vector has one axis of finite numbers; this one has shape {vector.shape}"
        raise ValueError(msg)
    vector.setflags(write=False)
    return vector


def _encode_vector(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


Vector = Annotated[
    NDArray[np.float32],
    PlainValidator(_decode_vector),
    PlainSerializer(_encode_vector, return_type=str, when_used="json"),
]
"""An embedding: shape (d,), float32, unit length; in JSON base64 of its little-endian bytes."""


class Outcome(StrEnum):
    """The outcome of a photograph: its faces were detected, it is unreadable, or its object was removed."""

    DETECTED = "detected"
    UNREADABLE = "unreadable"
    REMOVED = "removed"


class Verdict(StrEnum):
    """The verdict of the quality service on a face. Only accepted faces are embedded."""

    ACCEPTED = "accepted"
    BLURRY = "blurry"
    CROP_MISSING = "crop_missing"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """Read a value that was written before the first release, in MongoDB or in a record of Kafka."""
        former = {"rejected: blurry": "blurry", "rejected: crop missing": "crop_missing"}
        return cls(former[value]) if isinstance(value, str) and value in former else None


class _OpenWord(StrEnum):
    """A value of an enumeration to which later versions may add values. An unknown value is kept as it is."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = word._value_ = value
        return word


class Cause(_OpenWord):
    """The cause of an assignment: the photograph arrived, or a generation was published.

    A rollback is a publication, so its faces have the cause `reclustered` as well. Later versions may add values.
    """

    ARRIVED = "arrived"
    RECLUSTERED = "reclustered"


class Publication(_OpenWord):
    """The cause of a publication.

    `reclustered`: a later generation replaced an earlier one. `rolled_back`: an earlier generation replaced a later
    one. `repeated`: the active generation was announced again, for example after a loss of Kafka. Later versions may
    add values.
    """

    RECLUSTERED = "reclustered"
    ROLLED_BACK = "rolled_back"
    REPEATED = "repeated"


class Change(_OpenWord):
    """The change of a person from the generation before to this one.

    `grown`: the reclustering added faces. `kept`: it added none; the size may still be larger, because faces that
    arrived in the meantime were members before. Later versions may add values.
    """

    CREATED = "created"
    KEPT = "kept"
    GROWN = "grown"
    MERGED = "merged"
    SPLIT = "split"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class Box:
    """A rectangle in pixels of the upright photograph in its original size. It can extend beyond the edge."""

    left: int
    top: int
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class Point:
    """A point in pixels of the upright photograph in its original size."""

    x: float
    y: float


class BucketEvent(Message):
    """An object of the photo bucket was written or removed.

    `etag` is None if the sender of the notification did not read the object. `sequencer` orders the events of one
    object.
    """

    bucket: str
    key: str
    size: Annotated[int, Field(ge=0)] = 0
    etag: str | None = None
    version_id: str | None = None
    sequencer: str | None = None
    occurred_at: AwareDatetime
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class Photo:
    """One content of an object of the bucket."""

    bucket: str
    key: str
    object_id: str
    image_id: str
    etag: str
    version_id: str | None = None
    sequencer: str | None = None
    size: Annotated[int, Field(ge=0)]
    uploaded_at: AwareDatetime
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class DetectedFace:
    """A detected face.

    `landmarks`: outer and inner corner of the left eye in the picture, inner and outer corner of the right eye, and the
    base of the nose.
    """

    face_id: str
    box: Box
    score: float
    landmarks: tuple[Point, Point, Point, Point, Point]
    crop_key: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class ScreenedFace(DetectedFace):
    """A face with the verdict of the quality service. `sharpness` is the variance of the Laplacian of its crop."""

    sharpness: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class EmbeddedFace(ScreenedFace):
    """A face with its embedding. `vector` is absent unless the verdict is `accepted`."""

    vector: Vector | None = None
    model_id: str | None = None


def facts(face: DetectedFace) -> dict[str, Any]:
    """Return the fields of a face by name, for the event of the next service."""
    return {field.name: getattr(face, field.name) for field in fields(face)}


class PhotoEvent(Message):
    """The fields of every event of a whole photograph.

    `reason`: present if the outcome is `unreadable`. `passing`: the cause is not in the bytes (the object could not be
    read, or time or memory was short), so the reconciler lets the photograph be tried again.
    """

    photo: Photo
    outcome: Outcome
    reason: str | None = None
    passing: bool = False


class FacesDetected(PhotoEvent):
    """`faces.detected`: all faces of one photograph; their crops are stored."""

    faces: tuple[DetectedFace, ...] = Field(default=(), fail_fast=True)


class FacesScreened(PhotoEvent):
    """`faces.screened`: all faces of one photograph, with a verdict for each."""

    faces: tuple[ScreenedFace, ...] = Field(default=(), fail_fast=True)


class FacesEmbedded(PhotoEvent):
    """`faces.embedded`: all faces of one photograph, with a vector for each accepted face."""

    faces: tuple[EmbeddedFace, ...] = Field(default=(), fail_fast=True)


class FaceAssigned(Message):
    """`faces.assigned`: the person to whom a face belongs from now on. `cluster_id` null means unknown.

    The last record of a face is valid, whatever its generation: after a rollback, `generation` is smaller than before.
    It is the generation in which the event was written, and not always the active one: faces whose person stays the
    same are not written again. A tombstone means that the face was removed.

    `similarity`: the inner product with the medoid of the person, or with the mean of the person's faces if the
    assigner is configured so. For an unknown face it is the similarity with the nearest person: it is below the
    threshold, or not clearly higher than that of a second person, or another face on the photograph is that person.
    Null if there was no person to compare with, or if a reclustering left the face unknown. `bucket` and `key` are
    those of the photograph; `crop_key` is the key of the crop in the bucket of crops.
    """

    face_id: str
    image_id: str
    object_id: str
    bucket: str
    key: str
    box: Box
    crop_key: str
    cluster_id: str | None
    similarity: float | None
    generation: int
    cause: Cause


class ImageProcessed(PhotoEvent):
    """`images.processed`: the outcome of an object of the bucket.

    It is written for every photograph that was uploaded or replaced, again if its outcome changes, and again by
    `facestream announce`. `assigned`, `unknown` and `rejected` are the numbers of its faces at that time. A
    reclustering does not write it again: for current numbers, count the faces in `faces.assigned`. The outcome of an
    object that was deleted is `removed`, and a tombstone with the same key follows in the same transaction.
    """

    assigned: Annotated[int, Field(ge=0)] = 0
    unknown: Annotated[int, Field(ge=0)] = 0
    rejected: Annotated[int, Field(ge=0)] = 0


class ClusterChanged(Message):
    """`clusters.changed`: the change of a person. Each publication writes every person.

    A person that was `merged` into another one, or `retired`, no longer exists, unless a later record restores it.
    There is no tombstone. `other_cluster_id`: the person into which it was merged, or from which it was split. `size`:
    the number of faces at that time, 0 for a person that no longer exists; for the current size, count the faces in
    `faces.assigned`. `medoid_face_id`: the medoid at that time, null if there was none. If it is erased later, the next
    run of the reclusterer writes all people again, and a person without faces is `retired`. As in `faces.assigned`, the
    last record is valid, not the one with the highest generation.
    """

    cluster_id: str
    change: Change
    other_cluster_id: str | None = None
    medoid_face_id: str | None
    size: Annotated[int, Field(ge=0)]
    generation: int


class GenerationPublished(Message):
    """`generations.published`: a generation is active, and all its changes have been written.

    It is written after the last record of `faces.assigned` and `clusters.changed` of this publication, whose `ce_time`
    is `published_at`. `generation`: 0 if faces were never clustered. `previous`: the generation that it replaced, 0 for
    none; the same number if the active generation was announced again. `faces`, `clusters` and `photos`: the numbers of
    records that were written; only `facestream announce` writes `photos`.
    """

    generation: Annotated[int, Field(ge=0)]
    previous: Annotated[int, Field(ge=0)]
    cause: Publication
    published_at: AwareDatetime
    faces: Annotated[int, Field(ge=0)]
    clusters: Annotated[int, Field(ge=0)]
    photos: Annotated[int, Field(ge=0)] = 0

"""The events: what one service tells the next, and what the product tells the world.

Frozen, JSON, additive changes only: a consumer ignores fields that it does not know, and no field is ever removed or
changes its meaning. What is written here of a class stands in the AsyncAPI document, for readers of the topics. Up to
the assigner one event carries all faces of one photograph; from there on, `FaceAssigned` speaks of one face.

An event is a model of pydantic; what it is made of (faces, boxes, points) are dataclasses with slots, that pydantic
checks in the same way. As models the five points of a face take 2,700 bytes, as these 570, and the assigner reads
thousands of faces a second. Of many faces the first that is none ends the reading (`fail_fast`): pydantic would keep
every error, which is gigabytes for a few megabytes of JSON.
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
    """Base of all that crosses a process boundary."""

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
    """What became of a photograph: it was looked at, could not be read, or its object is gone."""

    DETECTED = "detected"
    UNREADABLE = "unreadable"
    REMOVED = "removed"


class Verdict(StrEnum):
    """What the quality service says of a face. Only accepted faces are embedded."""

    ACCEPTED = "accepted"
    BLURRY = "blurry"
    CROP_MISSING = "crop_missing"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """Read a value that was written before the first release, in MongoDB or in a record of Kafka."""
        former = {"rejected: blurry": "blurry", "rejected: crop missing": "crop_missing"}
        return cls(former[value]) if isinstance(value, str) and value in former else None


class _OpenWord(StrEnum):
    """A word of an enumeration that later versions may add words to: one that is not known is kept as it is."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = word._value_ = value
        return word


class Cause(_OpenWord):
    """Why a face has the assignment that it has: its photograph arrived, or a generation was published.

    A rollback is a publication, and its faces are told of as `reclustered` too. Words may be added.
    """

    ARRIVED = "arrived"
    RECLUSTERED = "reclustered"


class Publication(_OpenWord):
    """Why all that differs was told.

    `reclustered`: a later generation took the place of an earlier one. `rolled_back`: an earlier one took the place of
    a later one. `repeated`: what holds was said again, as after a loss of Kafka. Words may be added.
    """

    RECLUSTERED = "reclustered"
    ROLLED_BACK = "rolled_back"
    REPEATED = "repeated"


class Change(_OpenWord):
    """What became of a person from the generation before to this one.

    `kept`: not larger by the change of generations; whoever arrived meanwhile was a member before, so that the size may
    have grown all the same. `grown`: larger by it. Words may be added.
    """

    CREATED = "created"
    KEPT = "kept"
    GROWN = "grown"
    MERGED = "merged"
    SPLIT = "split"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class Box:
    """A rectangle in pixels of the upright photograph in its original size; it may reach over the edge."""

    left: int
    top: int
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class Point:
    """A place in pixels of the upright photograph in its original size."""

    x: float
    y: float


class BucketEvent(Message):
    """Something happened to an object of the photo bucket: it was written, or removed.

    `etag` is None where whoever saw the change did not read the object. `sequencer` orders the events of one object.
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
    """One object of the bucket as it was at one time."""

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
    """A face as the detector saw it.

    `landmarks` are the outer and inner corners of the eye that lies left in the picture, inner and outer corners of
    the one that lies right, and the base of the nose.
    """

    face_id: str
    box: Box
    score: float
    landmarks: tuple[Point, Point, Point, Point, Point]
    crop_key: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class ScreenedFace(DetectedFace):
    """A face with the judgement of the quality service. `sharpness` is the variance of the Laplacian."""

    sharpness: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True, config=_READING)
class EmbeddedFace(ScreenedFace):
    """A face with its embedding; `vector` is absent where the verdict is not `accepted`."""

    vector: Vector | None = None
    model_id: str | None = None


def facts(face: DetectedFace) -> dict[str, Any]:
    """Return the fields of a face by name: what the next service says of it as well."""
    return {field.name: getattr(face, field.name) for field in fields(face)}


class PhotoEvent(Message):
    """What every event of a whole photograph says.

    `reason` is there when the outcome is `unreadable`. `passing`: that may pass, since it is not in the bytes (the
    object may not be read, or there was no time or memory to decode it); the reconciler has it tried again.
    """

    photo: Photo
    outcome: Outcome
    reason: str | None = None
    passing: bool = False


class FacesDetected(PhotoEvent):
    """`faces.detected`: all faces of one photograph, crops stored."""

    faces: tuple[DetectedFace, ...] = Field(default=(), fail_fast=True)


class FacesScreened(PhotoEvent):
    """`faces.screened`: the same with a verdict for each."""

    faces: tuple[ScreenedFace, ...] = Field(default=(), fail_fast=True)


class FacesEmbedded(PhotoEvent):
    """`faces.embedded`: the same with a vector for each accepted face."""

    faces: tuple[EmbeddedFace, ...] = Field(default=(), fail_fast=True)


class FaceAssigned(Message):
    """`faces.assigned`: the person that a face belongs to from now on; `cluster_id` null means unknown.

    The last record of a face is the truth, whatever its generation: after a rollback, `generation` is a smaller number
    than before. It is the generation in which this was said, and not always the one in force: faces whose person is the
    same are not told of again. A tombstone says that the face is no more.

    `similarity` is the inner product with what stands for the person: its medoid, or the mean of its faces where
    the assigner is set so. Of an unknown face it is that with the nearest person. It is then too low, or not clearly
    higher than that with a second person, or another face on the photograph is that person already. Null where there
    was nobody to compare with, and where a regrouping left the face unknown. `bucket` and `key` are those of its
    photograph, `crop_key` is that of its crop in the bucket of crops.
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
    """`images.processed`: what became of an object of the bucket.

    Said of every photograph that was uploaded or replaced, again when its outcome changes, and again by `facestream
    announce`. `assigned`, `unknown` and `rejected` count its faces as they were at that moment; a regrouping does not
    say it again, so count `faces.assigned` for today's numbers. An object that is gone is `removed`, and a tombstone
    of the same key follows in the same transaction.
    """

    assigned: Annotated[int, Field(ge=0)] = 0
    unknown: Annotated[int, Field(ge=0)] = 0
    rejected: Annotated[int, Field(ge=0)] = 0


class ClusterChanged(Message):
    """`clusters.changed`: what became of a person. Each publication tells of every person.

    A person that is `merged` into another one, or `retired`, is no more, until a later record says otherwise; no
    tombstone comes. `other_cluster_id`: the person that it was merged into, or split from. `size` counts the faces of
    that moment, 0 for a person that is no more: count `faces.assigned` for today's size. `medoid_face_id`: the face
    that stood for the person at that moment, null where there was none. If it is erased later, the next run of the
    reclusterer tells of all people again, and a person without faces is `retired`. As in `faces.assigned` the last
    record is the truth, and never the highest generation.
    """

    cluster_id: str
    change: Change
    other_cluster_id: str | None = None
    medoid_face_id: str | None
    size: Annotated[int, Field(ge=0)]
    generation: int


class GenerationPublished(Message):
    """`generations.published`: a generation is in force, and all that it changes has been said.

    Written after the last record of `faces.assigned` and `clusters.changed` that belongs to it. The `ce_time` of those
    is its `published_at`. `generation`: 0 where faces were never grouped. `previous`: the generation in whose place it
    came, 0 for none; the same number where what holds was said again. `faces`, `clusters` and `photos`: how many were
    told of; `photos` are told of by `facestream announce` alone.
    """

    generation: Annotated[int, Field(ge=0)]
    previous: Annotated[int, Field(ge=0)]
    cause: Publication
    published_at: AwareDatetime
    faces: Annotated[int, Field(ge=0)]
    clusters: Annotated[int, Field(ge=0)]
    photos: Annotated[int, Field(ge=0)] = 0

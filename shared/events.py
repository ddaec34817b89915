"""The events: what one service tells the next, and what the product tells the world.

Frozen, JSON, additive changes only: a consumer ignores fields that it does not know, and no field is ever removed
or changes its meaning. Up to the assigner one event carries all faces of one photograph; from there on,
`FaceAssigned` speaks of one face.

An event is a model of pydantic; what it is made of (faces, boxes, points) are dataclasses with slots, that pydantic
checks in the same way. As models the five points of a face take 2,700 bytes, as these 570, and the assigner reads
thousands of faces a second.
"""

import base64
from dataclasses import fields
from enum import StrEnum
from typing import Annotated, Any

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
    """What became of a photograph."""

    DETECTED = "detected"
    UNREADABLE = "unreadable"
    REMOVED = "removed"


class Verdict(StrEnum):
    """What the quality service says of a face. Only accepted faces are embedded."""

    ACCEPTED = "accepted"
    BLURRY = "rejected: blurry"
    CROP_MISSING = "rejected: crop missing"


class Cause(StrEnum):
    """Why a face has the assignment that it has."""

    ARRIVED = "arrived"
    RECLUSTERED = "reclustered"
    ERASED = "erased"


class Change(StrEnum):
    """What became of a cluster from one generation to the next."""

    CREATED = "created"
    KEPT = "kept"
    GROWN = "grown"
    MERGED = "merged into"
    SPLIT = "split from"
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

    faces: tuple[DetectedFace, ...] = ()


class FacesScreened(PhotoEvent):
    """`faces.screened`: the same with a verdict for each."""

    faces: tuple[ScreenedFace, ...] = ()


class FacesEmbedded(PhotoEvent):
    """`faces.embedded`: the same with a vector for each accepted face."""

    faces: tuple[EmbeddedFace, ...] = ()


class FaceAssigned(Message):
    """`faces.assigned`: the person that a face belongs to at present; `cluster_id` null means unknown.

    `similarity` is the inner product with the nearest exemplar of that person, null where there was none to compare
    with.
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
    """`images.processed`: the terminal event of a photograph. Every uploaded object ends in exactly one."""

    assigned: Annotated[int, Field(ge=0)] = 0
    unknown: Annotated[int, Field(ge=0)] = 0
    rejected: Annotated[int, Field(ge=0)] = 0


class ClusterChanged(Message):
    """`clusters.changed`: what became of a person in a generation; said of each when the generation is published.

    `other_cluster_id`: the person that it was merged into, or split from. `size` counts faces, and is 0 for a person
    that is no more (`merged into`, `retired`). `medoid_face_id`: the face that stands for the person, null where there
    is none any more.
    """

    cluster_id: str
    change: Change
    other_cluster_id: str | None = None
    medoid_face_id: str | None
    size: Annotated[int, Field(ge=0)]
    generation: int

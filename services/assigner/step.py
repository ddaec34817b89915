"""The assigner's step: embedded faces in, each one's person out. Nothing is read or written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from more_itertools import split_into
from numpy.typing import NDArray

from services.assigner.people import People
from services.assigner.settings import AssignerSettings
from shared.events import Cause, EmbeddedFace, FaceAssigned, FacesEmbedded, ImageProcessed, Photo, Verdict
from shared.records import FaceRecord, ImageRecord, Membership


@dataclass(frozen=True, slots=True)
class Assigned:
    """What the assigner says of one photograph: records to keep, events to emit.

    `memberships` and `events` are those of the accepted faces, in the order of the faces.
    """

    image: ImageRecord
    faces: tuple[FaceRecord, ...]
    memberships: tuple[Membership, ...]
    events: tuple[FaceAssigned, ...]
    processed: ImageProcessed


class Match(NamedTuple):
    """The person of a face, None for unknown, and its similarity with that or else the nearest person."""

    person: int | None
    similarity: float | None


def assign(
    photos: Sequence[FacesEmbedded],
    generation: int,
    people: People,
    settings: AssignerSettings,
    sources: Sequence[str] | None = None,
) -> list[Assigned]:
    """Give each accepted face of each photograph its person, or say that it is unknown.

    `people` are those of `generation`. `sources`, one for each photograph, say where it came from
    (`topic/partition@offset`). What is said of a photograph does not depend on the others. Raises ValueError where
    the vectors have not the dimensions of the people.
    """
    accepted = [[face for face in photo.faces if face.verdict is Verdict.ACCEPTED] for photo in photos]
    matches = _matches([[_vector(face) for face in faces] for faces in accepted], people, settings.threshold)
    origins = sources or [""] * len(photos)
    assigned = []
    for photo, faces, found, source in zip(photos, accepted, matches, origins, strict=True):
        memberships = tuple(_membership(*pair, generation, people) for pair in zip(faces, found, strict=True))
        assigned.append(_assigned(photo, faces, memberships, source))
    return assigned


def _vector(face: EmbeddedFace) -> NDArray[np.float32]:
    if face.vector is None:
        msg = f"face {face.face_id}: expected a vector, because it was accepted; found none"
        raise ValueError(msg)
    return face.vector


def _matches(
    vectors: Sequence[Sequence[NDArray[np.float32]]], people: People, threshold: float
) -> Iterator[Sequence[Match]]:
    """Yield the matches of the faces of each photograph."""
    every = [vector for of_photo in vectors for vector in of_photo]
    if not every or not len(people):
        yield from ([Match(None, None)] * len(of_photo) for of_photo in vectors)
        return
    nearest, similarities = people.nearest(np.stack(every))
    found = zip(nearest.tolist(), similarities.tolist(), strict=True)
    lengths = [len(of_photo) for of_photo in vectors]
    for of_photo, candidates in zip(vectors, split_into(found, lengths), strict=True):
        wanted = [person for person, similarity in candidates if similarity >= threshold]
        if len(set(wanted)) == len(wanted):
            yield [Match(person if value >= threshold else None, value) for person, value in candidates]
        else:
            yield _competition(np.stack([people.similarities(vector) for vector in of_photo]), threshold)


def _competition(similarities: NDArray[np.float64], threshold: float) -> list[Match]:
    """Match faces and people one to one, the most similar pair first: nobody is on a photograph twice.

    `similarities`: shape (faces, people). Of equal pairs the one of the first face, then of the first person, wins.
    A face that gets nobody is told its similarity with the nearest person that is left.
    """
    left = similarities.copy()
    matches = [Match(None, None)] * len(left)
    waiting = np.ones(len(left), np.bool_)
    for _ in range(min(left.shape)):
        face, person = np.unravel_index(np.argmax(left), left.shape)
        if left[face, person] < threshold:
            break
        matches[face] = Match(int(person), float(left[face, person]))
        waiting[face] = False
        left[face, :] = -np.inf
        left[:, person] = -np.inf
    for face in np.flatnonzero(waiting):
        nearest = left[face].max()
        matches[face] = Match(None, float(nearest) if np.isfinite(nearest) else None)
    return matches


def _membership(face: EmbeddedFace, match: Match, generation: int, people: People) -> Membership:
    return Membership(
        generation=generation,
        face_id=face.face_id,
        cluster_id=None if match.person is None else people.cluster_ids[match.person],
        similarity=match.similarity,
        cause=Cause.ARRIVED,
    )


def _assigned(
    photo: FacesEmbedded, accepted: Sequence[EmbeddedFace], memberships: tuple[Membership, ...], source: str
) -> Assigned:
    assigned = sum(membership.cluster_id is not None for membership in memberships)
    return Assigned(
        image=_image_record(photo, source),
        faces=tuple(_face_record(face, photo.photo) for face in photo.faces),
        memberships=memberships,
        events=tuple(
            _event(face, photo.photo, membership) for face, membership in zip(accepted, memberships, strict=True)
        ),
        processed=ImageProcessed(
            photo=photo.photo,
            outcome=photo.outcome,
            reason=photo.reason,
            assigned=assigned,
            unknown=len(accepted) - assigned,
            rejected=len(photo.faces) - len(accepted),
        ),
    )


def _event(face: EmbeddedFace, photo: Photo, membership: Membership) -> FaceAssigned:
    return FaceAssigned(
        face_id=face.face_id,
        image_id=photo.image_id,
        object_id=photo.object_id,
        bucket=photo.bucket,
        key=photo.key,
        box=face.box,
        crop_key=face.crop_key,
        cluster_id=membership.cluster_id,
        similarity=membership.similarity,
        generation=membership.generation,
        cause=membership.cause,
    )


def _image_record(photo: FacesEmbedded, source: str) -> ImageRecord:
    of = photo.photo
    return ImageRecord(
        image_id=of.image_id,
        object_id=of.object_id,
        bucket=of.bucket,
        key=of.key,
        etag=of.etag,
        size=of.size,
        uploaded_at=of.uploaded_at,
        outcome=photo.outcome,
        reason=photo.reason,
        version_id=of.version_id,
        sequencer=of.sequencer,
        width=of.width,
        height=of.height,
        source=source,
    )


def _face_record(face: EmbeddedFace, photo: Photo) -> FaceRecord:
    return FaceRecord(
        face_id=face.face_id,
        image_id=photo.image_id,
        object_id=photo.object_id,
        box=face.box,
        score=face.score,
        crop_key=face.crop_key,
        sharpness=face.sharpness,
        verdict=face.verdict,
        vector=face.vector,
        model_id=face.model_id,
    )

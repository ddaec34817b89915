"""The assigner's step: embedded faces in, each one's person out. Nothing is read or written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.assigner.people import SIMILARITY_DECIMALS, People
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
    """The person of a face, None for unknown, and its similarity with that or else with the nearest person."""

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
    matches = _matches([[_vector(face) for face in faces] for faces in accepted], people, settings)
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
    vectors: Sequence[Sequence[NDArray[np.float32]]], people: People, settings: AssignerSettings
) -> Iterator[Sequence[Match]]:
    """Yield the matches of the faces of each photograph."""
    every = [vector for of_photo in vectors for vector in of_photo]
    if not every or not len(people):
        yield from ([Match(None, None)] * len(of_photo) for of_photo in vectors)
        return
    found = people.two_nearest(np.stack(every))
    near = found.similarity >= settings.threshold
    sure = near & _is_clear(found.similarity, found.runner_up, settings.margin)
    persons, similarities = found.person.tolist(), found.similarity.tolist()
    clear, unclear = sure.tolist(), (near & ~sure).tolist()
    stop = 0
    for of_photo in vectors:
        start, stop = stop, stop + len(of_photo)
        taken = list(compress(persons[start:stop], clear[start:stop]))
        # Alone on its photograph, a face has no other that could take its person, or the second one it may be.
        if len(of_photo) > 1 and (len(set(taken)) < len(taken) or any(unclear[start:stop])):
            yield _competition(np.stack([people.similarities(vector) for vector in of_photo]), settings)
        else:
            of_faces = zip(persons[start:stop], similarities[start:stop], clear[start:stop], strict=True)
            yield [Match(person if is_clear else None, similarity) for person, similarity, is_clear in of_faces]


def _is_clear(best: NDArray[np.float64], second: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    clear: NDArray[np.bool_] = best >= np.round(second + margin, SIMILARITY_DECIMALS)
    return clear


def _competition(similarities: NDArray[np.float64], settings: AssignerSettings) -> list[Match]:
    """Match faces and people one to one, the most similar pair first: nobody is on a photograph twice.

    `similarities`: shape (faces, people). A face takes part while its nearest person that is left is similar enough,
    and clearly more so than the second that is left. Of equal pairs the one of the first face, then of the first
    person, wins.
    """
    matches = [Match(None, similarity) for similarity in similarities.max(axis=1).tolist()]
    faces = np.arange(len(similarities))
    left = similarities.copy()
    while True:
        persons = left.argmax(axis=1)
        best = left[faces, persons]
        others = left.copy()
        others[faces, persons] = -np.inf
        able = (best >= settings.threshold) & _is_clear(best, others.max(axis=1), settings.margin)
        if not able.any():
            return matches
        face = int(np.where(able, best, -np.inf).argmax())
        matches[face] = Match(int(persons[face]), float(best[face]))
        left[face, :] = -np.inf
        left[:, persons[face]] = -np.inf


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
